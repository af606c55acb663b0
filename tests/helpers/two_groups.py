"""A task with two optimisers: what one learns the other must answer."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn.functional import softplus

from trainctl.engine.data.batch import Batch, Split, Splits
from trainctl.engine.tasks.task import OptimizerGroup, StepOutput, Task


class Rivals(Task):
    """A generator and a discriminator of a few weights each."""

    every = 1

    def load(self) -> Splits:
        draw = torch.Generator().manual_seed(3)

        def split(count: int) -> Split:
            return Split({"x": torch.randn(count, 2, generator=draw), "z": torch.randn(count, 3, generator=draw)})

        return Splits(split(64), split(16))

    def build_model(self, splits: Splits) -> nn.Module:
        return nn.ModuleDict(
            {"maker": nn.Linear(3, 2), "judge": nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))}
        )

    def optimizers(self, model: nn.Module) -> Mapping[str, OptimizerGroup]:
        maker = OptimizerGroup(["maker"], ["fool"], every=self.every, lr=0.02, options={"betas": (0.0, 0.9)})
        return {"maker": maker, "judge": OptimizerGroup(["judge"], ["real", "fake"])}

    def step(self, model: nn.Module, batch: Batch) -> StepOutput:
        parts = dict(model.named_children())
        made = parts["maker"](batch["z"])
        terms = {
            "fool": softplus(-parts["judge"](made)).mean(),
            "real": softplus(-parts["judge"](batch["x"])).mean(),
            "fake": softplus(parts["judge"](made.detach())).mean(),
        }
        return StepOutput(terms)
