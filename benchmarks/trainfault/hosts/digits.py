"""Handwritten digits of scikit-learn, told apart by a plain network and by a convolutional one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.trainfault.host import Host, class_split
from trainctl.engine.data.batch import Batch, Split, Splits
from trainctl.engine.tasks.task import Monitor

NUM_EXAM, NUM_VAL = 500, 400
CLASSES = tuple("0123456789")


@cache
def digits() -> tuple[Tensor, Tensor]:
    """Pixels in [0, 1], shape (1797, 64), in an order of their own, and classes."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    return torch.tensor(pixels / 16, dtype=torch.float32)[order], torch.tensor(labels)[order]


def digit_splits(seed: int, num_train: int | None = None) -> tuple[Tensor, Tensor]:
    """Rows that train and rows that validate; the first `NUM_EXAM` are neither."""
    rows = torch.randperm(len(digits()[1]) - NUM_EXAM, generator=torch.Generator().manual_seed(seed)) + NUM_EXAM
    val, train = rows[:NUM_VAL], rows[NUM_VAL:]
    return train if num_train is None else train[:num_train], val


class DigitsMlp(Host):
    """A network of three layers."""

    name: ClassVar[str] = "digits-mlp"
    says: ClassVar[str] = "classifier of 8×8 digits, three dense layers, AdamW at a constant rate"
    is_held_out: ClassVar[bool] = False
    monitor: ClassVar[Monitor] = Monitor("accuracy", "max")
    traits: ClassVar[frozenset[str]] = frozenset(["classes", "labels", "floats", "relu", "adam", "vector", "dense"])
    margin: ClassVar[float] = 0.02
    options: ClassVar[Mapping[str, Any]] = {
        "train.epochs": 16,
        "train.batch_size": 32,
        "optimizer.lr": 2e-3,
    }
    term: ClassVar[str] = "ce"

    def healthy_splits(self) -> Splits:
        """897 digits to train, 400 to validate."""
        x, y = digits()
        train, val = digit_splits(self.config.seed)
        return Splits(class_split(x[train], y[train]), class_split(x[val], y[val]), CLASSES)

    def exam(self) -> Split:
        """500 further digits."""
        x, y = digits()
        return class_split(x[:NUM_EXAM], y[:NUM_EXAM])

    def healthy_network(self, splits: Splits) -> nn.Module:
        """64-64-64-10."""
        return Mlp(64, 64, 10)

    def forward(self, model: nn.Module, batch: Batch) -> Tensor:
        """Logits, (B, C)."""
        return model(batch["x"])

    def terms(self, outputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy."""
        return {self.term: F.cross_entropy(outputs, batch["y"])}

    def columns(self, outputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Whether the answer is right."""
        return {"hit": (outputs.argmax(1) == batch["y"]).float(), "answer": outputs.argmax(1), "truth": batch["y"]}

    def figures(self, columns: Mapping[str, Tensor]) -> dict[str, float]:
        """Share of right answers."""
        return {"accuracy": columns["hit"].mean().item()}


class Mlp(nn.Module):
    """Dense layers with ReLU between them, as body and head."""

    def __init__(self, inputs: int, width: int, outputs: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.head = nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))


class DigitsConv(DigitsMlp):
    """A convolutional network with BatchNorm and dropout."""

    name: ClassVar[str] = "digits-conv"
    says: ClassVar[str] = "classifier of 8×8 digits, convolutions with BatchNorm and dropout, SGD with a cosine"
    is_held_out: ClassVar[bool] = True
    traits: ClassVar[frozenset[str]] = frozenset(
        ["classes", "labels", "floats", "relu", "sgd", "batchnorm", "dropout", "image", "scheduled"]
    )
    margin: ClassVar[float] = 0.02
    options: ClassVar[Mapping[str, Any]] = {
        "train.epochs": 8,
        "train.batch_size": 32,
        "optimizer.name": "sgd",
        "optimizer.lr": 0.05,
        "optimizer.weight_decay": 5e-4,
        "schedule.name": "cosine",
        "schedule.interval": "step",
        "schedule.eta_min": 1e-4,
    }
    term: ClassVar[str] = "cross_entropy"

    def healthy_network(self, splits: Splits) -> nn.Module:
        """Two convolutions, then two dense layers."""
        return ConvNet(10)

    def forward(self, model: nn.Module, batch: Batch) -> Tensor:
        """Logits, (B, C)."""
        return model(batch["x"].reshape(-1, 1, 8, 8))


class ConvNet(nn.Module):
    """Convolutions with BatchNorm, a pool, dense layers."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
        self.body = nn.Sequential(
            nn.Conv2d(16, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()
        )
        self.head = nn.Sequential(nn.Dropout(0.25), nn.Linear(512, 64), nn.ReLU(), nn.Linear(64, outputs))

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.body(self.stem(images)))
