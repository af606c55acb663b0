"""The eyes as most people would train them: a Dataset that decodes and augments one image at a time with Pillow.

The way of the OCEC training document's code, kept kind to it: the files have their final size already, there is no
CLAHE and no moving average, and the network and its loss are the engine's.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageEnhance
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from benchmarks.eyes_data import read_data
from benchmarks.gate import Gate
from trainctl.engine.models.eyes.net import build_eyes_net
from trainctl.engine.tasks.eyes.config import EyesConfig
from trainctl.engine.tasks.eyes.task import EyesTask

Picture = Image.Image
PREFETCH = 2
"""Batches each worker of a DataLoader fetches ahead, torch's default."""


class EyeFiles(Dataset[tuple[Tensor, int]]):
    """Decodes and augments the image when it is asked for."""

    def __init__(self, files: Sequence[Path], labels: Sequence[int]) -> None:
        self.files, self.labels = files, labels

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        with Image.open(self.files[index]) as image:
            return to_tensor(augment(image.convert("RGB"))), self.labels[index]


class EyeArrays(Dataset[tuple[Tensor, int]]):
    """Decoded beforehand; augments when asked."""

    def __init__(self, images_NHWC: np.ndarray[Any, np.dtype[np.uint8]], labels: Sequence[int]) -> None:
        self.images_NHWC, self.labels = images_NHWC, labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return to_tensor(augment(Image.fromarray(self.images_NHWC[index]))), self.labels[index]


def augment(image: Picture) -> Picture:
    """Flip and photometric distortion with the engine's probabilities and ranges."""
    if random.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if random.random() < 0.5:
        image = ImageEnhance.Brightness(image).enhance(random.uniform(0.875, 1.125))
    if random.random() < 0.5:
        image = ImageEnhance.Contrast(image).enhance(random.uniform(0.5, 1.5))
    if random.random() < 0.5:
        image = ImageEnhance.Color(image).enhance(random.uniform(0.5, 1.5))
    if random.random() < 0.5:
        image = _shift_hue(image, random.uniform(-0.05, 0.05))
    return image


def _shift_hue(image: Picture, turn: float) -> Picture:
    hue, saturation, value = image.convert("HSV").split()
    shifted = Image.fromarray((np.asarray(hue).astype(np.int16) + round(255 * turn)).astype(np.uint8))
    return Image.merge("HSV", (shifted, saturation, value)).convert("RGB")


def to_tensor(image: Picture) -> Tensor:
    """Float32 in [0, 1], 3×H×W."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous().float() / 255


def write_files(images_NCHW: Tensor, folder: Path) -> list[Path]:
    """The images as JPEG files (quality 95)."""
    folder.mkdir()
    files: list[Path] = []
    for index, image in enumerate(images_NCHW.permute(0, 2, 3, 1).numpy()):
        files.append(folder / f"{index:06d}.jpg")
        Image.fromarray(image).save(files[-1], quality=95)
    return files


def usual(gate: Gate, data: Path, folder: Path | None, workers: int, config: EyesConfig) -> None:
    """The usual loop.

    Args:
        gate: passed before each step.
        data: images and labels, as `eyes_data` wrote them.
        folder: the same images as files; none: they are decoded beforehand.
        workers: processes of the DataLoader.
        config: of the network, the loss and the optimiser.
    """
    images_NCHW, labels = read_data(data)
    task, device = EyesTask(config), config.runtime.device
    dataset = (
        EyeArrays(images_NCHW.permute(0, 2, 3, 1).contiguous().numpy(), labels.tolist())
        if folder is None
        else EyeFiles(sorted(folder.iterdir()), labels.tolist())
    )
    gate.lead_in = workers * PREFETCH  # batches that were fetched while other loops had their turn
    batches: Any = DataLoader(
        dataset,
        config.train.batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        persistent_workers=workers > 0,
        multiprocessing_context="fork" if workers else None,  # ends with its parent, as a forkserver would not
        pin_memory=device == "cuda",
    )
    model: nn.Module = build_eyes_net(config.model, config.data.image_size).to(device)
    options = config.optimizer
    optimizer = torch.optim.AdamW(model.parameters(), lr=options.lr, weight_decay=options.weight_decay)
    running = 0.0
    for _ in count():
        for x, y in batches:
            gate.pass_through()
            loss = task.loss(model(x.to(device, non_blocking=True)), y.to(device, non_blocking=True))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            running += loss.item()
