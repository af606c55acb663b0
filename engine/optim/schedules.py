"""The learning rate as a plan: a pure function of the step that can be drawn ahead, plus the plateau's memory.

Plain arithmetic for the shapes of our own, each of which follows the scheduler of `torch.optim.lr_scheduler` of that
name; tests hold them against each other. Any other scheduler of torch is a table of what it would give.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from trainctl.engine.config.schema import ScheduleConfig
from trainctl.engine.errors import UserError

OWN_SHAPES = ("constant", "cosine", "cosine_warmup", "plateau", "cyclic")
BY_STEP = ("onecyclelr", "cycliclr")
"""Schedulers that torch's documentation steps after each batch."""
DRAWN_POINTS = 512
"""How many points of the plan are written for drawing."""


@dataclass
class PlateauState:
    """What ReduceLROnPlateau remembers."""

    best: float | None = None
    num_bad: int = 0
    factor: float = 1.0
    """Product of the cuts so far."""


@dataclass
class LearningRatePlan:
    """Learning rate at every step of a run.

    Args:
        config: shape and warmup.
        peak: `optimizer.lr`.
        steps_per_epoch: optimiser steps in an epoch.
        epochs: horizon of the plan; may change while the run is live.
        scale: product of the live changes.
    """

    config: ScheduleConfig
    peak: float
    steps_per_epoch: int
    epochs: int
    scale: float = 1.0
    plateau: PlateauState = field(default_factory=PlateauState)
    _table: list[float] = field(default_factory=list[float], init=False, repr=False, compare=False)

    def check(self) -> None:
        """Whether the shape can be drawn.

        Raises:
            UserError: no such shape, or torch refuses its arguments.
        """
        if self.config.name not in OWN_SHAPES:
            self.at(self.warmup_steps)
        elif self.config.arguments:
            raise UserError(
                f"schedule.arguments: {self.config.name} has options of its own",
                "use those of `schedule`, or name a scheduler of torch",
            )

    @property
    def warmup_steps(self) -> int:
        """Steps until the peak is reached; 0 for cyclic, which has its own."""
        return 0 if self.config.name == "cyclic" else self.config.warmup_epochs * self.steps_per_epoch

    def at(self, step: int) -> float:
        """Learning rate of optimiser step `step` (0-based)."""
        return self.scale * self.unscaled(step)

    def unscaled(self, step: int) -> float:
        """`at` without the live changes."""
        config = self.config
        if config.name == "cyclic":
            return _triangle(step, config)
        unit, total, warm = self._units(step)
        if unit < warm:
            start = config.warmup_start_lr or self.peak / warm
            return start + (self.peak - start) * unit / max(1, warm - 1)
        if config.name in ("cosine", "cosine_warmup"):
            return _cosine(unit, total, warm, self.peak, config.eta_min)
        if config.name == "plateau":
            return max(self.peak * self.plateau.factor, min(config.min_lr, self.peak))
        if config.name not in OWN_SHAPES:
            return self._tabled(unit - warm, max(1, total - warm))
        return self.peak

    def _units(self, step: int) -> tuple[int, int, int]:
        """Position, length and length of the warmup, in what the plan moves by: epochs or steps."""
        if self.config.interval == "epoch" and self.config.name not in BY_STEP:
            return step // self.steps_per_epoch, self.epochs, self.config.warmup_epochs
        return step, self.epochs * self.steps_per_epoch, self.warmup_steps

    def _tabled(self, unit: int, count: int) -> float:
        """What a scheduler of torch gives; behind its end the last value stays."""
        if len(self._table) != count:  # the first look, or the horizon has changed
            from trainctl.engine.optim.torch_schedule import torch_rates

            self._table = torch_rates(self.config.name, self.config.arguments, self.peak, count)
        return self._table[min(unit, count - 1)]

    def observe(self, metrics: Mapping[str, float], epoch: int) -> tuple[float, float] | None:
        """Tell the plateau the validation metrics after `epoch` epochs (1-based).

        Returns:
            The factors before and after, if the learning rate was cut. During the warmup nothing is judged.

        Raises:
            KeyError: the watched metric is not among `metrics`.
        """
        config, memory = self.config, self.plateau
        if config.name != "plateau" or epoch <= config.warmup_epochs:
            return None
        value = metrics[config.metric]
        if memory.best is None or _is_better(value, memory.best, config):
            # NaN never becomes the best, otherwise nothing could ever beat it
            memory.best = value if not math.isnan(value) else memory.best
            memory.num_bad = 0 if not math.isnan(value) else memory.num_bad + 1
        else:
            memory.num_bad += 1
        if memory.num_bad <= config.patience:
            return None
        before, memory.num_bad = memory.factor, 0
        memory.factor = max(before * config.factor, config.min_lr / self.peak)
        return (before, memory.factor) if memory.factor < before else None

    def points(self, start: int = 0) -> list[tuple[int, float]]:
        """(step, learning rate) from `start` to the end, at most `DRAWN_POINTS`, for drawing the plan."""
        total = self.epochs * self.steps_per_epoch
        stride = max(1, math.ceil((total - start) / DRAWN_POINTS))
        steps = [*range(start, total, stride)]
        if steps and steps[-1] != total - 1:
            steps.append(total - 1)
        return [(step, self.at(step)) for step in steps]

    def state_dict(self) -> dict[str, Any]:
        """Plain data for a checkpoint."""
        return {"epochs": self.epochs, "scale": self.scale, "plateau": asdict(self.plateau)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave, but for the horizon, which the caller decides."""
        self.scale = float(state["scale"])
        self.plateau = PlateauState(**state["plateau"])


def _cosine(unit: int, total: int, warm: int, peak: float, eta_min: float) -> float:
    """Without warmup torch's CosineAnnealingLR (T_max = total); after one, from the peak to `eta_min` exactly."""
    t, horizon = (unit - (warm - 1), total - warm) if warm else (unit, total)
    if horizon <= 0:
        return peak
    return eta_min + (peak - eta_min) * (1 + math.cos(math.pi * min(t, horizon) / horizon)) / 2


def _triangle(step: int, config: ScheduleConfig) -> float:
    """Triangular cycles between `base_lr` and `max_lr` (Smith 2017)."""
    phase = step / config.step_size_up % 2
    return config.base_lr + (config.max_lr - config.base_lr) * (1 - abs(phase - 1))


def _is_better(value: float, best: float, config: ScheduleConfig) -> bool:
    """torch's relative threshold."""
    if config.mode == "min":
        return value < best * (1 - config.threshold)
    return value > best * (1 + config.threshold)
