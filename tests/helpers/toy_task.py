"""A tiny task for the tests in this folder, with a switch for each fault that the probes have to find."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainctl.engine.config.schema import RunConfig, TrainConfig
from trainctl.engine.data.batch import Batch, Split, Splits
from trainctl.engine.data.samplers.sampler import Sampler
from trainctl.engine.tasks.task import StepOutput, Task

CLASSES = ("a", "b", "c", "d")
FEATURES = 6


def make_split(num_samples: int, seed: int, labels: Tensor | None = None, **fields: Any) -> Split:
    """Random features; the classes in turn unless given."""
    generator = torch.Generator().manual_seed(seed)
    features_NF = torch.randn(num_samples, FEATURES, generator=generator)
    labels = torch.arange(num_samples) % len(CLASSES) if labels is None else labels
    return Split({"x": features_NF, "labels": labels}, labels, **fields)


def make_splits(train: Split | None = None, val: Split | None = None) -> Splits:
    """400 training and 100 validation samples of four classes."""
    return Splits(train or make_split(400, 1), val or make_split(100, 2), CLASSES)


class ToyNet(nn.Module):
    """Two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(FEATURES, 16), nn.ReLU())
        self.head = nn.Linear(16, len(CLASSES))

    def forward(self, features_BF: Tensor) -> Tensor:
        return self.head(self.encoder(features_BF))


class ListSampler:
    """Batches given by a function of the epoch."""

    def __init__(self, batches_of: Callable[[int], Sequence[Tensor]]) -> None:
        self._batches_of = batches_of

    def __len__(self) -> int:
        return len(self._batches_of(0))

    def batches(self, epoch: int) -> Sequence[Tensor]:
        return self._batches_of(epoch)


def config(**train: Any) -> RunConfig:
    """Batches of 16, 20 epochs: 500 steps."""
    options: dict[str, Any] = {"batch_size": 16, "epochs": 20, **train}
    return RunConfig(task="toy", train=TrainConfig(**options))


class ToyTask(Task):
    """Healthy unless told otherwise.

    Args:
        run_config: configuration.
        splits: its data.
        model: makes the network.
        loss: of logits and labels.
        sampler: batches by epoch; none: the task's default.
    """

    def __init__(
        self,
        run_config: RunConfig | None = None,
        splits: Splits | None = None,
        model: Callable[[], nn.Module] = ToyNet,
        loss: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy,
        sampler: Callable[[int], Sequence[Tensor]] | None = None,
    ) -> None:
        super().__init__(run_config or config())
        self.splits = splits or make_splits()
        self._model, self._loss, self._sampler = model, loss, sampler

    def load(self) -> Splits:
        return self.splits

    def build_model(self, splits: Splits) -> nn.Module:
        return self._model()

    def step(self, model: nn.Module, batch: Batch) -> StepOutput:
        logits_BC = model(batch["x"])
        return StepOutput({"ce": self._loss(logits_BC, batch["labels"])}, {"logits": logits_BC.detach()})

    def sampler(self, split: Split) -> Sampler:
        return ListSampler(self._sampler) if self._sampler else super().sampler(split)
