"""Smoothing of column means, for seeing the trend of a noisy series. Pure; knows no cells and no series."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trainctl.tui.charts.blocks import Bools, Envelope

STRONGEST = 9
WIDEST = 0.1
"""Half width of the moving mean at the strongest level, as a part of the plot's width."""
GROWTH = 1.55
"""How much wider that part is at each level."""
PASSES = 3
"""Three passes of a moving mean are close to a Gaussian of their common variance."""

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]


def half_width(level: int, columns: int) -> int:
    """Columns the moving mean reaches to either side; grows with the level, 0 at level 0."""
    level = min(max(level, 0), STRONGEST)
    return level + round(columns * WIDEST * GROWTH ** (level - STRONGEST)) if level else 0


def smoothed(envelope: Envelope, level: int, *, log: bool = False) -> Envelope:
    """The trend of an envelope: a line, where it has samples.

    The kernel is cut off at columns with a sample that is not finite and at the ends, and made to sum to one there,
    so that nothing is invented across a gap and the ends do not fall off.

    Args:
        level: 0 none to 9.
        log: average logarithms, so that the trend lies in the middle of what a log axis shows; what is not positive
            is left out.
    """
    means = envelope.mean.astype(np.float64)
    present = ~np.isnan(means)
    if log:
        present &= means > 0
        means = np.log(means, where=present, out=np.zeros_like(means))
    means = np.where(present, means, 0.0)
    reach = half_width(level, len(means))
    if present.any() and reach:
        trend = means
        left, right = _windows(envelope.bad, reach)
        for _ in range(PASSES):
            trend = _moving_mean(trend, present, left, right)
        # Rounding must not lead out of what was there.
        means = trend.clip(means[present].min(), means[present].max())
    values = np.where(present, np.exp(means) if log else means, np.nan).astype(np.float32)
    return Envelope(values, values, envelope.bad, values)


def _windows(bad: Bools, reach: int) -> tuple[Ints, Ints]:
    """First and one past the last column averaged for each column; a bad column stands alone."""
    at = np.arange(len(bad))
    first = np.maximum.accumulate(np.where(bad, at + 1, 0))
    last = np.minimum.accumulate(np.where(bad, at, len(bad))[::-1])[::-1]
    left, right = np.maximum(at - reach, first), np.minimum(at + reach + 1, last)
    return np.where(bad, at, left), np.where(bad, at + 1, right)


def _moving_mean(values: Doubles, present: Bools, left: Ints, right: Ints) -> Doubles:
    sums = np.concatenate(([0.0], np.cumsum(np.where(present, values, 0.0))))
    counts = np.concatenate(([0], np.cumsum(present)))
    return (sums[right] - sums[left]) / np.maximum(counts[right] - counts[left], 1)
