"""Weights of the loss terms over the epochs: delay, ramp, and balancing by the terms' own sizes.

Arithmetic on plain numbers, decided once an epoch from what the records hold; knows no network, no device and no
file. Everything it remembers is in its state, sums of the epoch under way included: a fork has its parent's
sums, though not its records.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from trainctl.engine.config.schema import WeightingConfig

Weights = dict[str, float]


@dataclass
class Weighting:
    """Weight of every loss term of a run, by epoch.

    Args:
        config: delay, ramp and rule of adaptation.
    """

    config: WeightingConfig = field(default_factory=WeightingConfig)
    configured: Weights = field(default_factory=Weights)
    """As configured, or as set since while the run was live. Empty until the names of the terms are known."""
    unramped: Weights = field(default_factory=Weights)
    """What the adaptation has made of them; delay and ramp stand in front of it."""
    means: Weights = field(default_factory=Weights)
    """Moving mean of each term's size, once an epoch. Empty where nothing adapts."""
    sums: Weights = field(default_factory=Weights)
    """Sum of each term over the samples of the epoch under way."""
    samples: float = 0.0
    """How many they were."""

    def open(self, weights: Mapping[str, float]) -> None:
        """Take the configured weight of each term; what a resume or fork has restored stays."""
        self.configured = {name: self.configured.get(name, weight) for name, weight in weights.items()}
        self.unramped = {name: self.unramped.get(name, weight) for name, weight in self.configured.items()}

    def at(self, epoch: int) -> Weights:
        """Weights in an epoch, counted from 1."""
        return {name: weight * ramp_factor(self.config, name, epoch) for name, weight in self.unramped.items()}

    def change(self, term: str, value: float, *, is_factor: bool) -> None:
        """Obey a live change: what is set becomes the configured weight, which goes on being ramped and adapted."""
        if is_factor:
            self.configured[term] *= value
            self.unramped[term] *= value
        else:
            self.configured[term] = self.unramped[term] = float(value)

    def hear(self, records: np.ndarray[Any, np.dtype[Any]]) -> None:
        """Add step records, all of the epoch under way. In which blocks they come makes no difference."""
        if not self.config.adaptive:
            return
        sizes = records["batch_size"].astype(np.float64)
        for name in self.configured:
            with np.errstate(all="ignore"):  # a value that is not finite is data here
                values = np.append(self.sums.get(name, 0.0), records[f"term.{name}"] * sizes)
                # One after the other: `sum` adds in pairs, and would depend on where a block ends.
                self.sums[name] = float(np.add.accumulate(values)[-1])
        self.samples += float(sizes.sum())

    def end_epoch(self) -> None:
        """Adapt to the epoch that has ended, if that is wanted."""
        if self.config.adaptive and self.samples:
            epoch = {name: total / self.samples for name, total in self.sums.items()}
            self.means = moving_means(self.means, epoch, self.config.momentum)
            self.unramped = adapted(self.unramped, self.configured, self.means, self.config)
        self.sums, self.samples = {}, 0.0

    def restart(self) -> None:
        """Forget what the adaptation did."""
        self.unramped, self.means = dict(self.configured), {}

    def state_dict(self) -> dict[str, Any]:
        """Plain data."""
        names = ("configured", "unramped", "means", "sums")
        return {name: dict(getattr(self, name)) for name in names} | {"samples": self.samples}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` gave."""
        self.configured, self.unramped = dict(state["configured"]), dict(state["unramped"])
        self.means, self.sums = dict(state["means"]), dict(state["sums"])
        self.samples = state["samples"]


def saved_weighting(state: Mapping[str, Any]) -> dict[str, Any]:
    """The weighting in the state of a checkpoint; one from before there was any holds the weights alone."""
    if "weighting" in state:
        return state["weighting"]
    weights = state["weights"]
    return {"configured": weights, "unramped": weights, "means": {}, "sums": {}, "samples": 0.0}


def ramp_factor(config: WeightingConfig, term: str, epoch: int) -> float:
    """Share of its weight that a term has in an epoch, counted from 1: 0 within its delay, then min(1, e / ramp)."""
    done = epoch - config.delay.get(term, 0)
    return min(1.0, max(0, done) / config.ramp.get(term, 1))


def moving_means(means: Mapping[str, float], epoch: Mapping[str, float], momentum: float) -> Weights:
    """Moving means of the terms' absolute values; the first value starts one, a value that is not finite is left out.

    Args:
        means: so far.
        epoch: mean of each term over an epoch; may be negative.
        momentum: share that a mean keeps of itself.
    """
    sizes = {name: abs(value) for name, value in epoch.items() if math.isfinite(value)}
    moved = {name: size + momentum * (means.get(name, size) - size) for name, size in sizes.items()}
    return {**means, **moved}


def adapted(
    weights: Mapping[str, float], configured: Mapping[str, float], means: Mapping[str, float], config: WeightingConfig
) -> Weights:
    """Weights moved by `rate` towards those under which every term contributes the same.

    The target is in proportion to 1 / mean and has the sum of the configured weights; the result is clipped to
    [least, most]. A term whose configured weight or whose mean is 0 keeps its weight and takes no part.

    Args:
        weights: now.
        configured: gives the sum.
        means: size of each term, not negative.
        config: rate and bounds.
    """
    active = [name for name, weight in configured.items() if weight > 0 and means.get(name, 0.0) > 0]
    if not active:
        return dict(weights)
    smallest = min(means[name] for name in active)  # the reciprocal of a tiny mean would overflow
    shares = {name: smallest / means[name] for name in active}
    scale = sum(configured[name] for name in active) / sum(shares.values())
    moved = {name: weights[name] + config.rate * (scale * shares[name] - weights[name]) for name in active}
    return {**weights, **{name: min(max(weight, config.least), config.most) for name, weight in moved.items()}}
