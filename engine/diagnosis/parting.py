"""Where one curve leaves another that is known to be good, by more than noise and pace explain. Pure arithmetic.

Two healthy trainings under two seeds are noisy, and one of them is a little faster: at each place the good curve may
have any value that it has within a factor `SHIFT` of it. Beyond that the difference counts where it is more than
`NOISES` deviations of both, more than `PROGRESS` of all the good curve ever moved and more than `LEVEL` of its height,
over `WINDOW` of what both curves have.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from trainctl.engine.diagnosis.logs.metrics import jitter

Floats = NDArray[np.float64]
BINS, LEAST = 24, 6
"""Stretches in which curves are compared, and the values of both from which on they are."""
SHIFT = 1.5
NOISES, PROGRESS, LEVEL = 4.0, 0.15, 0.02
WINDOW, SHORTEST = 0.2, 3
"""Share of the stretches, and their number, over which they have to be apart."""


@dataclass(frozen=True)
class Curve:
    """Finite values at places in ascending order, shape (n,) each."""

    x: Floats
    y: Floats


@dataclass(frozen=True)
class Apart:
    """Where they part."""

    at: float
    share: float
    here: float
    good: float
    noise: float
    is_to_the_end: bool


def parting(here: Curve, good: Curve, *, worse: int, least: float = 0.0) -> Apart | None:
    """Where `here` parts from `good`; None: nowhere.

    Args:
        here: what is judged.
        good: what it is held against; at least `LEAST` values of each lie in the range of both, see `are_comparable`.
        worse: 1: above is worse, -1: below is; 0: either side counts.
        least: difference that always has to be exceeded.
    """
    low, high = _range(here, good)
    edges = _edges(here, good, low, high)
    x, mine, theirs, many = _levels(here, good, edges)
    if len(x) < SHORTEST:
        return None
    noise = math.hypot(_noise(here, mine, many), _noise(good, theirs, many))
    below, above = _allowed(good, x, theirs)
    needed = max(NOISES * noise, PROGRESS * _progress(good), least)
    needed = max(needed, LEVEL * float(np.median(np.abs(theirs)))) if worse else needed
    over, under = mine - above > needed, below - mine > needed
    is_apart = over if worse > 0 else under if worse < 0 else over | under
    first, stop = _first_long(is_apart, max(SHORTEST, math.ceil(WINDOW * len(x))))
    if first is None:
        return None
    levels = float(np.median(mine[first:stop])), float(np.median(theirs[first:stop]))
    share = float(x[first] / high) if high > 0 else 0.0  # the first epoch ends where many steps were made
    return Apart(float(x[first]), share, *levels, noise, stop == len(x))


def are_comparable(here: Curve, good: Curve) -> bool:
    """Whether there are values enough where both have some."""
    if not len(here.x) or not len(good.x):
        return False
    low, high = _range(here, good)
    return all(np.count_nonzero((one.x >= low) & (one.x <= high)) >= LEAST for one in (here, good))


def _range(here: Curve, good: Curve) -> tuple[float, float]:
    return max(float(here.x[0]), float(good.x[0])), min(float(here.x[-1]), float(good.x[-1]))


def _edges(here: Curve, good: Curve, low: float, high: float) -> Floats:
    """As many stretches as the shorter curve has values, at most `BINS`, each place in the middle of its own."""
    count = min(BINS, *(int(np.count_nonzero((one.x >= low) & (one.x <= high))) for one in (here, good)))
    half = (high - low) / max(count - 1, 1) / 2
    return np.linspace(low - half, high + half, count + 1)


def _levels(here: Curve, good: Curve, edges: Floats) -> tuple[Floats, Floats, Floats, float]:
    """Places, medians of both, and how many values a stretch has, of the stretches in which both have some."""
    rows: list[tuple[float, float, float, int]] = []
    for start, stop in pairwise(edges.tolist()):
        inside = [(one.x >= start) & (one.x < stop) for one in (here, good)]
        if all(part.any() for part in inside):
            place = float(here.x[inside[0]][0])
            mine, theirs = (float(np.median(one.y[part])) for one, part in zip((here, good), inside, strict=True))
            rows.append((place, mine, theirs, min(int(part.sum()) for part in inside)))
    table = np.array(rows, np.float64).reshape(-1, 4)
    return table[:, 0], table[:, 1], table[:, 2], float(np.median(table[:, 3])) if len(table) else 1.0


def _noise(curve: Curve, levels: Floats, many: float) -> float:
    return max(jitter(levels), jitter(curve.y) / math.sqrt(many))


def _progress(good: Curve) -> float:
    low, high = np.percentile(good.y, [5, 95])
    return float(high - low)


def _allowed(good: Curve, x: Floats, theirs: Floats) -> tuple[Floats, Floats]:
    """Lowest and highest level of the good curve about each place."""
    near = [theirs[(x >= place / SHIFT) & (x <= place * SHIFT)] for place in x]
    beyond = [good.y[(good.x > x[-1]) & (good.x <= place * SHIFT)] for place in x]
    ends = [np.array([np.median(part)]) if len(part) else part for part in beyond]
    found = [np.concatenate(pair) for pair in zip(near, ends, strict=True)]
    return np.array([part.min() for part in found]), np.array([part.max() for part in found])


def _first_long(is_apart: NDArray[np.bool_], length: int) -> tuple[int | None, int]:
    """Begin and end of the first stretch of at least `length` places."""
    start: int | None = None
    for k, apart in enumerate([*is_apart.tolist(), False]):
        if apart:
            start = k if start is None else start
        elif start is not None:
            if k - start >= length:
                return start, k
            start = None
    return None, 0
