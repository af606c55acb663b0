"""Everything that determines how a run goes on: one object, saved whole and restored whole.

k steps + save + load + k steps equal 2k steps bit for bit on a CPU; whatever breaks that belongs in here.
"""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from trainctl.engine.optim.dials import plain_groups
from trainctl.engine.optim.ema import Ema
from trainctl.engine.optim.groups import NamedGroup
from trainctl.engine.optim.optimizers import ParamGroup
from trainctl.engine.optim.schedules import LearningRatePlan
from trainctl.engine.training.state.weighting import Weighting, saved_weighting

if TYPE_CHECKING:
    from trainctl.engine.training.state.shards import Shards


@dataclass
class Progress:
    """Position of the run, counted in what is already done."""

    step: int = 0
    """Optimiser steps."""
    epoch: int = 0
    """Whole epochs."""
    batch: int = 0
    """Batches of the epoch that is under way."""
    train_s: float = 0.0
    """Seconds spent in steps, earlier sittings included."""
    samples: int = 0
    """Training samples seen."""
    elapsed_s: float = 0.0
    """Seconds since the first step, validations and earlier sittings included, pauses not."""


@dataclass
class Best:
    """The best validation so far."""

    value: float | None = None
    epoch: int = 0
    step: int = 0
    weights: str = "raw"
    """Which weights it was: raw or ema."""
    bad_validations: int = 0
    """Validations since."""


@dataclass
class TrainState:
    """Network, optimiser, plan, averages, random numbers, position and live changes."""

    model: nn.Module
    optimizer: Optimizer
    plan: LearningRatePlan
    scaler: torch.amp.GradScaler | None
    ema: Ema | None
    generator: torch.Generator
    """Source of the augmentation's random numbers, on the device."""
    weights: dict[str, float]
    """Weight of each loss term in the present epoch."""
    clip: float | None
    params: tuple[ParamGroup, ...] = ()
    """Parameter groups of the optimiser, in its order."""
    groups: tuple[NamedGroup, ...] = ()
    """Groups that minimise terms of their own; empty: all parameters minimise all terms."""
    weighting: Weighting = field(default_factory=Weighting)
    """Where these weights come from."""
    progress: Progress = field(default_factory=Progress)
    best: Best = field(default_factory=Best)
    last_metrics: dict[str, dict[str, float]] = field(default_factory=dict[str, dict[str, float]])
    """Metrics of the newest validation, by weights (raw, ema)."""
    shards: Shards | None = None
    """What is here of the networks, where several ranks have a part each; none: they are whole."""

    def lrs(self) -> tuple[float, ...]:
        """Learning rate of each parameter group at the coming step: the plan's, in proportion to its own peak."""
        lr, peak = self.plan.at(self.progress.step), self.plan.peak
        return tuple(lr if group.peak == peak else lr * (group.peak / peak) for group in self.params)

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain data only, so that `torch.load(weights_only=True)` reads it."""
        return {
            "model": self.model.state_dict(),
            "optimizer": plain_groups(self.optimizer.state_dict(), self.optimizer.defaults),
            "plan": self.plan.state_dict(),
            "scaler": self.scaler.state_dict() if self.scaler else None,
            "ema": self.ema.state_dict() if self.ema else None,
            "generator": self.generator.get_state(),
            "weights": dict(self.weights),
            "weighting": self.weighting.state_dict(),
            "clip": self.clip,
            "progress": asdict(self.progress),
            "best": asdict(self.best),
            "last_metrics": self.last_metrics,
            "rng": random_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` gave.

        Raises:
            KeyError, RuntimeError, ValueError: the state is of another network or configuration.
        """
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.plan.load_state_dict(state["plan"])
        if self.scaler and state["scaler"]:
            self.scaler.load_state_dict(state["scaler"])
        if self.ema and state["ema"]:
            self.ema.load_state_dict(state["ema"])
        self.generator.set_state(state["generator"])
        self.weighting.load_state_dict(saved_weighting(state))
        self.clip = state["clip"]
        self.progress = Progress(**state["progress"])
        self.weigh()  # after the position: a ramped weight depends on the epoch
        self.best = Best(**state["best"])
        self.last_metrics = state["last_metrics"]
        restore_random_state(state["rng"])  # last: whatever was restored above may have drawn some

    def buffers(self) -> list[Tensor]:
        """Buffers of the network and of its average, in their order: statistics that each rank has its own of."""
        networks = [self.model] if self.ema is None else [self.model, self.ema.module]
        return [buffer for network in networks for buffer in network.buffers()]

    def tensors(self) -> list[Tensor]:
        """All that training has made: weights, buffers, averages and the optimiser's moments, in their order."""
        networks = [self.model] if self.ema is None else [self.model, self.ema.module]
        found = [p for network in networks for p in network.parameters()] + self.buffers()
        moments = [self.optimizer.state.get(p, {}) for group in self.optimizer.param_groups for p in group["params"]]
        return found + [value for state in moments for value in state.values() if isinstance(value, Tensor)]

    def weigh(self) -> None:
        """Give each loss term the weight it has in the epoch that is under way, or comes next."""
        weights = self.weighting.at(self.progress.epoch + 1)
        self.weights.clear()
        self.weights.update(weights)


def random_state() -> dict[str, Any]:
    """States of the global generators of python, numpy, torch and each GPU, as plain data."""
    version, numbers, gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    return {
        "python": [version, list(numbers), gauss],
        "numpy": [str(name), np.asarray(keys).tolist(), int(position), int(has_gauss), float(cached)],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def restore_random_state(state: dict[str, Any]) -> None:
    """Restore what `random_state` gave; GPUs that are not here any more are passed over."""
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers), gauss))
    name, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((name, np.array(keys, np.uint32), position, has_gauss, cached))
    torch.set_rng_state(state["torch"])
    for index, gpu in enumerate(state["cuda"][: torch.cuda.device_count()]):
        torch.cuda.set_rng_state(gpu, index)
