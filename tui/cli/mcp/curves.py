"""A curve of a run, exact or by stretches with mean, minimum and maximum, so that no spike is lost. Knows no file."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass
class Curve:
    """Samples, or what is known of stretches of them; arrays of shape (n,)."""

    steps: NDArray[np.int64]
    """The last step of each."""
    low: Floats
    high: Floats
    mean: Floats
    bad: NDArray[np.int64]
    """Samples that are not finite."""
    weight: Floats
    """Finite samples behind `mean`."""
    samples: int
    """Recorded values that it stands for."""

    @property
    def is_exact(self) -> bool:
        """Whether each entry is one recorded value."""
        return self.samples == len(self.steps)

    def part(self, which: slice | NDArray[np.bool_]) -> Curve:
        """Some entries of an exact one, or of blocks, which then count as values."""
        steps = self.steps[which]
        bounds = self.low[which], self.high[which], self.mean[which]
        return Curve(steps, *bounds, self.bad[which], self.weight[which], len(steps))

    def summed(self) -> Curve:
        """All of it as one entry; empty where it is."""
        if not len(self.steps):
            return self
        one = self.stretch()
        bounds = np.array([one.min]), np.array([one.max]), np.array([one.mean])
        bad, weight = np.array([one.nonfinite]), np.array([self.weight.sum()])
        return Curve(self.steps[-1:], *bounds, bad, weight, self.samples)

    def stretch(self) -> Stretch:
        """What is known of it as a whole; there is an entry at least."""
        known = np.isfinite(self.mean) & (self.weight > 0)
        if not known.any():
            return Stretch(int(self.steps[-1]), math.nan, math.nan, math.nan, int(self.bad.sum()))
        return Stretch(
            steps=int(self.steps[-1]),
            mean=float(np.average(self.mean[known], weights=self.weight[known])),
            min=float(self.low[known].min()),
            max=float(self.high[known].max()),
            nonfinite=int(self.bad.sum()),
        )


@dataclass(frozen=True)
class Stretch:
    """Consecutive values in short."""

    steps: int
    """The last step."""
    mean: float
    min: float
    max: float
    nonfinite: int


def joined_curves(curves: Sequence[Curve]) -> Curve:
    """One behind the other."""

    def joined(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(curve, name) for curve in curves])

    bounds = joined("low"), joined("high"), joined("mean")
    return Curve(joined("steps"), *bounds, joined("bad"), joined("weight"), sum(curve.samples for curve in curves))


def exact_curve(steps: NDArray[Any], values: NDArray[Any], *, may_lack: bool = False) -> Curve:
    """A curve of recorded values; `may_lack`: NaN says that nothing was measured, and is no bad one."""
    values = values.astype(np.float64)
    finite = np.isfinite(values)
    bad = np.isinf(values) if may_lack else ~finite
    known = np.where(finite, values, np.nan)
    return Curve(
        steps.astype(np.int64), known, known, known, bad.astype(np.int64), finite.astype(np.float64), len(values)
    )


def stretches(curve: Curve, points: int) -> Iterator[Stretch]:
    """At most `points` stretches of equal length, as far as that can be."""
    edges = np.linspace(0, len(curve.steps), min(points, len(curve.steps)) + 1).round().astype(int)
    for a, b in itertools.pairwise(edges):
        yield curve.part(slice(a, b)).stretch()
