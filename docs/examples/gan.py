"""Two networks against each other, each with a loss of its own: `trainctl run --task docs/examples/gan.py:Gan`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from trainctl.engine.config.schema import EmaConfig, OptimizerConfig, PositiveInt, RunConfig, TrainConfig
from trainctl.engine.tasks.task import Batch, Monitor, OptimizerGroup, Split, Splits, StepOutput, Task

MODES, SPREAD, NOISE = 8, 0.05, 16


class GanConfig(RunConfig):
    """Options of this task."""

    hidden: PositiveInt = 128
    """Units of each hidden layer."""
    samples: PositiveInt = 8192
    """Points to learn from."""
    train: TrainConfig = TrainConfig(epochs=60, batch_size=256, eval_batch_size=2048)
    optimizer: OptimizerConfig = OptimizerConfig(name="adam", lr=1e-3)
    ema: EmaConfig = EmaConfig(decay=0.99)


class Gan(Task[GanConfig]):
    """A ring of eight Gaussians in the plane, the usual test for a generator that forgets some of them.

    Loss: non-saturating (Goodfellow et al. 2014), with a penalty on the discriminator's gradient at real points (R1,
    Mescheder et al. 2018), without which simultaneous updates circle around the solution.
    """

    monitor: ClassVar[Monitor] = Monitor("good", "max")

    def load(self) -> Splits:
        draw = torch.Generator().manual_seed(self.config.seed)

        def ring(count: int) -> Split:
            angle = torch.randint(MODES, (count,), generator=draw) * (2 * math.pi / MODES)
            points = torch.stack([angle.cos(), angle.sin()], 1) + SPREAD * torch.randn(count, 2, generator=draw)
            return Split({"points": points, "noise": torch.randn(count, NOISE, generator=draw)})

        return Splits(ring(self.config.samples), ring(2048))

    def build_model(self, splits: Splits) -> nn.Module:
        def layers(inputs: int, outputs: int) -> nn.Sequential:
            hidden = self.config.hidden
            hiddens = [nn.Linear(inputs, hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, hidden), nn.LeakyReLU(0.2)]
            return nn.Sequential(*hiddens, nn.Linear(hidden, outputs))

        return nn.ModuleDict({"generator": layers(NOISE, 2), "discriminator": layers(2, 1)})

    def optimizers(self, model: nn.Module) -> Mapping[str, OptimizerGroup]:
        constants = {"betas": (0.0, 0.99)}
        return {
            "generator": OptimizerGroup(["generator"], ["fool"], options=constants),
            "discriminator": OptimizerGroup(["discriminator"], ["tell", "penalty"], options=constants),
        }

    def default_weights(self) -> Mapping[str, float]:
        return {"penalty": 0.1}

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        noise = batch["noise"]
        return batch | {"noise": torch.randn(noise.shape, generator=generator, device=noise.device)}

    def step(self, model: nn.Module, batch: Batch) -> StepOutput:
        parts = dict(model.named_children())
        generate, judge = parts["generator"], parts["discriminator"]
        made, real = generate(batch["noise"]), batch["points"]
        with torch.enable_grad():  # the penalty is a gradient, in a validation too
            real = real.detach().clone().requires_grad_()
            verdict = judge(real)
            (slope,) = torch.autograd.grad(verdict.sum(), real, create_graph=True)
        tell = softplus(-verdict).mean() + softplus(judge(made.detach())).mean()
        terms = {
            "fool": softplus(-judge(made)).mean(),
            "tell": tell,
            "penalty": slope.square().sum(1).mean() / 2,
        }
        return StepOutput(terms, {"made": made.detach()})

    def metrics(self, columns: Mapping[str, Tensor]) -> dict[str, float]:
        """Share of points within four spreads of a centre, and of centres that at least 2 % of the points are at."""
        angle = torch.arange(MODES, device=columns["made"].device) * (2 * math.pi / MODES)
        distance, nearest = torch.cdist(columns["made"].float(), torch.stack([angle.cos(), angle.sin()], 1)).min(1)
        good = distance < 4 * SPREAD
        shares = torch.bincount(nearest[good], minlength=MODES) / len(good)
        return {"good": good.float().mean().item(), "covered": (shares > 0.02).float().mean().item()}
