"""The images of the eyes benchmark: drawn once, then read by each measured process."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from trainctl.engine.data.batch import Split, Splits
from trainctl.engine.data.eyes.synthetic import synthetic_eyes
from trainctl.engine.tasks.eyes.task import EyesTask

NUM_VAL = 64


def write_data(path: Path, count: int, height: int, width: int) -> None:
    """Draw the built-in eyes into a file."""
    torch.save(synthetic_eyes(count, height, width, seed=0), path)


def read_data(path: Path) -> tuple[Tensor, Tensor]:
    """Images, uint8 (N, 3, H, W), and labels, int64 (N,)."""
    images, labels = torch.load(path, weights_only=True)
    return images, labels


class DrawnEyes(EyesTask):
    """The task, reading what `write_data` wrote. The validation split is never used."""

    def load(self) -> Splits:
        """All images for training."""
        assert self.data_path is not None
        images, labels = read_data(self.data_path)
        train = Split({"images": images, "labels": labels}, labels)
        val = Split({"images": images[:NUM_VAL], "labels": labels[:NUM_VAL]}, labels[:NUM_VAL])
        return Splits(train, val, ("closed", "open"))
