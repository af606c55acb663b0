"""How gradient norms, and the first updates, go from step to step, which means over many steps do not show.

Plain data and NumPy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from trainctl.engine.runs.record import Records

NEWEST = 200
"""Steps whose neighbours are compared."""
FEWEST = 40
FIRST = 10
"""Steps at the beginning in which a rate that is too high does its damage."""


@dataclass(frozen=True)
class NormFacts:
    """The gradient norm of a run, step by step."""

    first: float
    """Median of the first two steps."""
    last: float
    """Median of the newest steps."""
    roughness: float
    """Median over the newest steps of how far the norm is from that of the step before, relative to it."""
    num_steps: int


def recorded_norms(beginning: Records, newest: Records) -> NormFacts | None:
    """The facts of a run; None: too few steps, or norms that are 0 or not finite.

    Args:
        beginning: its first records.
        newest: its last ones; they may be the same.
    """
    first = np.asarray(beginning["grad_norm"][:2], np.float64)
    late: np.ndarray[Any, np.dtype[np.float64]] = np.asarray(newest["grad_norm"][-NEWEST:], np.float64)
    if len(late) < FEWEST or len(first) < 2 or not (np.isfinite(late).all() and np.isfinite(first).all()):
        return None
    if (late <= 0).any() or first.min() <= 0:
        return None
    steps = np.abs(np.diff(late)) / late[:-1]
    return NormFacts(float(np.median(first)), float(np.median(late)), float(np.median(steps)), int(newest[-1]["step"]))


@dataclass(frozen=True)
class BeginningFacts:
    """What the first steps of a run did to it."""

    ratio: float
    """Largest update relative to the weights in the first ten."""
    loss: float
    """Before the first update."""
    highest: float
    """Largest loss of the first twenty; infinite where one of them is."""


def recorded_beginning(beginning: Records) -> BeginningFacts | None:
    """The facts of a run; None: its first steps are not there, or have no update ratio, or a loss below 0.

    Args:
        beginning: its first records.
    """
    ratios = np.asarray(beginning["update_ratio"][:FIRST], np.float64)
    losses = np.asarray(beginning["loss"][: 2 * FIRST], np.float64)
    is_first = len(beginning) >= FIRST and int(beginning["step"][0]) == 1
    if not is_first or np.isnan(ratios).any() or not np.isfinite(losses[0]) or np.nanmin(losses) < 0:
        return None
    return BeginningFacts(float(ratios.max()), float(losses[0]), float(np.nanmax(losses)))
