"""How a training stood at its end: the level of its loss after each quarter, and what was left of its rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]
FEWEST = 24
"""Steps, or blocks of steps, whose quarters can be told apart."""


@dataclass(frozen=True)
class EndFacts:
    """The training loss by quarters of the run."""

    levels: tuple[float, ...]
    """At first, after each of three quarters, and at the end; medians over a tenth of the steps around."""
    rate_share: float
    """Learning rate at the end, relative to its highest."""
    start_share: float = 1.0
    """The same of the beginning."""
    peak_at: float = 0.0
    """Share of the steps after which it was highest for the first time."""
    rising: float = 0.0
    """Share of the steps at which it was not lower than before."""

    @property
    def late(self) -> float:
        """Share of all that the loss has fallen which the last quarter brought; NaN: it has not fallen."""
        return self._share(3)

    @property
    def before(self) -> float:
        """The same of the quarter before."""
        return self._share(2)

    def _share(self, quarter: int) -> float:
        fallen = self.levels[0] - self.levels[-1]
        return (self.levels[quarter] - self.levels[quarter + 1]) / fallen if fallen > 0 else float("nan")


def end_facts(losses: Floats, rates: Floats) -> EndFacts | None:
    """The facts of a course; None: too few steps, or a loss that is not finite, or negative.

    Args:
        losses: training loss of each step, or the mean over equally many, shape (n,).
        rates: learning rate at each, shape (n,).
    """
    if len(losses) < FEWEST or not np.isfinite(losses).all() or losses.min() < 0 or not rates.max() > 0:
        return None
    half = max(len(losses) // 20, 2)
    places = [half, *(share * (len(losses) - 1) // 4 for share in (1, 2, 3)), len(losses) - half]
    levels = tuple(float(np.median(losses[max(place - half, 0) : place + half])) for place in places)
    return EndFacts(
        levels,
        rate_share=float(rates[-1] / rates.max()),
        start_share=float(rates[0] / rates.max()),
        peak_at=float(rates.argmax() / (len(rates) - 1)),
        rising=float((np.diff(rates) >= 0).mean()),
    )
