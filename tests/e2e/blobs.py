"""A small task with everything a resume must restore, large enough that a kill finds it writing and validating."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from trainctl.engine.config.schema import PositiveInt, RunConfig
from trainctl.engine.tasks.task import Batch, Monitor, Split, Splits, StepOutput, Task

CLASSES = 4


class BlobsConfig(RunConfig):
    """Sizes."""

    hidden: PositiveInt = 192
    """Units of the hidden layers."""
    num_train: PositiveInt = 640
    """Training samples."""
    num_val: PositiveInt = 4000
    """Validation samples: many, so that a validation takes as long as a few steps."""


class Blobs(Task[BlobsConfig]):
    """Gaussian blobs, with dropout, BatchNorm, augmentation and two loss terms."""

    monitor: ClassVar[Monitor] = Monitor("accuracy", "max")

    def load(self) -> Splits:
        """Drawn from the seed."""
        generator = torch.Generator().manual_seed(self.config.seed)

        def split(count: int) -> Split:
            y = torch.arange(count) % CLASSES
            x = 2 * torch.randn(count, 16, generator=generator) + y[:, None]
            return Split({"x": x, "y": y}, labels=y)

        train, val = split(self.config.num_train), split(self.config.num_val)
        return Splits(train, val, classes=tuple("abcd"))

    def build_model(self, splits: Splits) -> nn.Module:
        """Two hidden layers."""
        n = self.config.hidden
        hidden = [nn.Linear(16, n), nn.BatchNorm1d(n), nn.ReLU(), nn.Dropout(0.3), nn.Linear(n, n), nn.ReLU()]
        return nn.Sequential(*hidden, nn.Linear(n, CLASSES))

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Noise."""
        noise = torch.randn(batch["x"].shape, generator=generator, device=batch["x"].device)
        return {**batch, "x": batch["x"] + 0.1 * noise}

    def step(self, model: nn.Module, batch: Batch) -> StepOutput:
        """Cross-entropy, and a little weight on small logits."""
        logits = model(batch["x"])
        return StepOutput(
            terms={"ce": nn.functional.cross_entropy(logits, batch["y"]), "size": 0.01 * logits.square().mean()},
            columns={"hit": (logits.argmax(1) == batch["y"]).float()},
        )

    def metrics(self, columns: Mapping[str, Tensor]) -> dict[str, float]:
        """Accuracy."""
        return {"accuracy": columns["hit"].mean().item()}
