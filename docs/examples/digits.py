"""A complete task: handwritten digits. Run it with `trainctl run --task docs/examples/digits.py:Digits`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from trainctl.engine.config.schema import OptimizerConfig, PositiveInt, RunConfig, TrainConfig
from trainctl.engine.tasks.task import Batch, Monitor, Split, Splits, StepOutput, Task


class DigitsConfig(RunConfig):
    """Options of this task; `--set hidden=256` changes one."""

    hidden: PositiveInt = 128
    """Units of the hidden layer."""
    train: TrainConfig = TrainConfig(epochs=20, batch_size=32)
    optimizer: OptimizerConfig = OptimizerConfig(lr=3e-3)


class Digits(Task[DigitsConfig]):
    """The 1,797 digits of 8×8 pixels that scikit-learn ships."""

    monitor: ClassVar[Monitor] = Monitor("accuracy", "max")

    def load(self) -> Splits:
        from sklearn.datasets import load_digits

        pixels, labels = load_digits(return_X_y=True)
        x, y = torch.tensor(pixels / 16, dtype=torch.float32), torch.tensor(labels)
        order = torch.randperm(len(x), generator=torch.Generator().manual_seed(self.config.seed))
        train, val = (Split({"x": x[part], "y": y[part]}, labels=y[part]) for part in order.split([1437, 360]))
        return Splits(train, val, classes=tuple("0123456789"))

    def build_model(self, splits: Splits) -> nn.Module:
        return nn.Sequential(nn.Linear(64, self.config.hidden), nn.ReLU(), nn.Linear(self.config.hidden, 10))

    def step(self, model: nn.Module, batch: Batch) -> StepOutput:
        logits = model(batch["x"])
        hits = logits.detach().argmax(1) == batch["y"]
        return StepOutput({"cross_entropy": cross_entropy(logits, batch["y"])}, {"hit": hits.float()})

    def metrics(self, columns: Mapping[str, Tensor]) -> dict[str, float]:
        return {"accuracy": columns["hit"].mean().item()}
