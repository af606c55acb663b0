"""Means over seeds with their 95 % interval, and differences paired by seed. Pure arithmetic; knows no run.

The interval of a mean is Student's, mean ± t(.975, n−1) · s / √n. A difference is the mean of the differences of the
pairs with the same interval, and p is that of the paired t-test (two-sided, as `scipy.stats.ttest_rel`). Below two
values there is no interval and no p.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

LEVEL = 0.95
"""Coverage of every interval."""
HOLM_FROM = 3
"""Comparisons of one figure from which p is adjusted."""


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds; NaN where there is none."""

    mean: float
    half: float
    """Half width of the interval; NaN below two values."""
    n: int

    @property
    def low(self) -> float:
        """Lower end of the interval."""
        return self.mean - self.half

    @property
    def high(self) -> float:
        """Upper end of the interval."""
        return self.mean + self.half


@dataclass(frozen=True)
class Difference(Estimate):
    """The mean of paired differences."""

    p: float
    """Of the paired t-test; NaN below two pairs, and where all differences are nought."""
    p_holm: float = math.nan
    """Adjusted for the other comparisons of the figure; NaN where there are fewer than `HOLM_FROM`."""


NO_DIFFERENCE = Difference(math.nan, math.nan, 0, math.nan)


def prepare() -> None:
    """Import what is slow to import, for who must not wait for the first interval."""
    _half((0.0, 1.0))


def estimate(values: Sequence[float]) -> Estimate:
    """Of the finite values among `values`."""
    found = [value for value in values if math.isfinite(value)]
    if not found:
        return Estimate(math.nan, math.nan, 0)
    return Estimate(_mean(found), _half(found), len(found))


def difference(of: Mapping[int, float], to: Mapping[int, float]) -> Difference:
    """Of one column to another, by seed: pairs are the seeds for which both are finite."""
    pairs = [of[seed] - to[seed] for seed in of if seed in to and math.isfinite(of[seed] - to[seed])]
    if not pairs:
        return NO_DIFFERENCE
    found = estimate(pairs)
    return Difference(found.mean, found.half, found.n, _p(pairs))


def holm(differences: Sequence[Difference], least: int = HOLM_FROM) -> list[Difference]:
    """The same with p adjusted after Holm, where at least `least` of them have one."""
    known = sorted((k for k, one in enumerate(differences) if math.isfinite(one.p)), key=lambda k: differences[k].p)
    adjusted = list(differences)
    if len(known) < least:
        return adjusted
    largest = 0.0
    for rank, k in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * differences[k].p))
        adjusted[k] = replace(differences[k], p_holm=largest)
    return adjusted


def _mean(values: Sequence[float]) -> float:
    return sum(value / len(values) for value in values)


def _deviation(values: Sequence[float]) -> float:
    """Sample standard deviation; nought where the values are equal but for rounding, as if computed exactly."""
    if len(values) < 2:
        return math.nan
    if max(values) == min(values):
        return 0.0
    mean = _mean(values)
    return math.hypot(*(value - mean for value in values)) / math.sqrt(len(values) - 1)


def _half(values: Sequence[float]) -> float:
    if len(values) < 2:
        return math.nan
    from scipy.special import stdtrit  # slow to import, and one run has no interval

    return float(stdtrit(len(values) - 1, (1 + LEVEL) / 2)) * _deviation(values) / math.sqrt(len(values))


def _p(pairs: Sequence[float]) -> float:
    deviation = _deviation(pairs)
    if len(pairs) < 2 or (deviation == 0 and _mean(pairs) == 0):
        return math.nan
    if deviation == 0:
        return 0.0
    from scipy.special import stdtr

    return 2 * float(stdtr(len(pairs) - 1, -abs(_mean(pairs)) * math.sqrt(len(pairs)) / deviation))
