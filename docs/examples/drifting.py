"""A task with figures of its own, distributions and two further validation sets.

`trainctl ui --task docs/examples/drifting.py:Drifting`; the best checkpoint by one of the sets: add
`train.monitor=noisy/accuracy`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from trainctl.engine.config.schema import RunConfig, TrainConfig
from trainctl.engine.tasks.task import Batch, Monitor, Split, Splits, StepOutput, Task


class DriftingConfig(RunConfig):
    """Short, so that one can watch it to its end."""

    train: TrainConfig = TrainConfig(epochs=20, batch_size=32)


def blobs(count: int, seed: int, noise: float = 0.0, shift: float = 0.0) -> Split:
    """Two clouds of points in 16 dimensions."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 2
    x = torch.randn(count, 16, generator=generator) + 0.5 * labels[:, None]
    x += shift + noise * torch.randn(count, 16, generator=generator)
    return Split({"x": x, "labels": labels})


class Drifting(Task[DriftingConfig]):
    """Tells two clouds apart, also where they are noisier than in training, or elsewhere."""

    monitor: ClassVar[Monitor] = Monitor("accuracy", "max")

    def load(self) -> Splits:
        further = {"noisy": blobs(400, 2, noise=1.0), "shifted": blobs(400, 3, shift=0.3)}
        return Splits(blobs(1600, 0), blobs(400, 1), classes=("left", "right"), more_val=further)

    def build_model(self, splits: Splits) -> nn.Module:
        return nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 2))

    def step(self, model: nn.Module, batch: Batch) -> StepOutput:
        logits = model(batch["x"])
        p = logits.detach().softmax(1)
        truth = p.gather(1, batch["labels"][:, None])[:, 0]
        columns = {"hit": (p.argmax(1) == batch["labels"]).float(), "truth": truth}
        scalars = {"confidence": p.amax(1).mean(), "logit.size": logits.detach().abs().mean()}
        return StepOutput({"ce": cross_entropy(logits, batch["labels"])}, columns, scalars)

    def metrics(self, columns: Mapping[str, Tensor]) -> dict[str, float]:
        return {"accuracy": columns["hit"].mean().item()}

    def histograms(self, model: nn.Module, columns: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        weights = next(parameter for parameter in model.parameters() if parameter.dim() > 1)
        return {"p of the truth": columns["truth"], "first weights": weights}
