"""A regression: five of ten features matter, one pair of them by their product, with noise (Friedman 1991)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.trainfault.host import Host
from benchmarks.trainfault.hosts.digits import Mlp
from trainctl.engine.data.batch import Batch, Split, Splits
from trainctl.engine.tasks.task import Monitor

NUM, NUM_EXAM, NUM_VAL = 2400, 1000, 400


@cache
def friedman() -> tuple[Tensor, Tensor]:
    """Features and target, both standardised; about a sixteenth of the target's variance is noise."""
    from sklearn.datasets import make_friedman1

    features, target = make_friedman1(n_samples=NUM, noise=1.0, random_state=0)
    x, y = torch.tensor(features, dtype=torch.float32), torch.tensor(target, dtype=torch.float32)
    return (x - x.mean(0)) / x.std(0), (y - y.mean()) / y.std()


class Friedman(Host):
    """A network of three layers."""

    name: ClassVar[str] = "regression"
    says: ClassVar[str] = "regression on ten features, three dense layers with tanh, Adam with a cosine"
    is_held_out: ClassVar[bool] = False
    monitor: ClassVar[Monitor] = Monitor("rmse", "min")
    traits: ClassVar[frozenset[str]] = frozenset(
        ["regression", "scheduled", "floats", "tanh", "adam", "vector", "dense"]
    )
    margin: ClassVar[float] = 0.05
    options: ClassVar[Mapping[str, Any]] = {
        "train.epochs": 16,
        "train.batch_size": 32,
        "optimizer.name": "adam",
        "optimizer.lr": 1e-2,
        "schedule.name": "cosine",
        "schedule.interval": "step",
        "schedule.eta_min": 1e-5,
    }

    def healthy_splits(self) -> Splits:
        """1,000 samples to train, 400 to validate."""
        x, y = friedman()
        rows = torch.randperm(NUM - NUM_EXAM, generator=torch.Generator().manual_seed(self.config.seed)) + NUM_EXAM
        train, val = (Split({"x": x[part], "y": y[part]}) for part in (rows[NUM_VAL:], rows[:NUM_VAL]))
        return Splits(train, val)

    def exam(self) -> Split:
        """1,000 further samples."""
        x, y = friedman()
        return Split({"x": x[:NUM_EXAM], "y": y[:NUM_EXAM]})

    def healthy_network(self, splits: Splits) -> nn.Module:
        """10-48-48-1 with tanh."""
        model = Mlp(10, 48, 1)
        model.body[1], model.body[3] = nn.Tanh(), nn.Tanh()
        return model

    def forward(self, model: nn.Module, batch: Batch) -> Tensor:
        """The answer, (B,)."""
        return model(batch["x"]).squeeze(1)

    def terms(self, outputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Mean squared error."""
        return {"mse": F.mse_loss(outputs, batch["y"])}

    def columns(self, outputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Answer and truth."""
        return {"answer": outputs, "truth": batch["y"]}

    def figures(self, columns: Mapping[str, Tensor]) -> dict[str, float]:
        """Root of the mean squared error, and the share of the variance that is explained."""
        error = (columns["answer"].flatten() - columns["truth"]).square().mean()
        return {"rmse": error.sqrt().item(), "r2": 1 - (error / columns["truth"].var()).item()}
