"""Times several loops against each other, interleaved: A B C, B C A, … so that a busy machine hits all of them.

What is compared is always the ratio within a round; absolute times only say on what machine it was. Knows
nothing of what the loops do.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

WARMUP_STEPS = 20
SETTLE_S = 0.02
"""Pause before each slice, not timed, in which other threads and processes finish what the last one left."""


class Measured(Protocol):
    """What can be told to take some steps."""

    @property
    def key(self) -> str:
        """Name in results."""
        ...

    @property
    def label(self) -> str:
        """Name for people."""
        ...

    def take(self, steps: int) -> float:
        """Take so many steps; returns the seconds they took."""
        ...


@dataclass(frozen=True)
class Ratio:
    """One loop's time over another's: median, least and greatest of the rounds."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f} … {self.high:.2f})"

    def as_overhead(self) -> str:
        """The excess in percent."""
        return f"{100 * (self.median - 1):+7.1f} %  ({100 * (self.low - 1):+.1f} … {100 * (self.high - 1):+.1f})"


@dataclass
class Timings:
    """Seconds per step of each loop in each round."""

    labels: dict[str, str]
    seconds: dict[str, list[float]] = field(default_factory=dict[str, list[float]])

    def median(self, key: str) -> float:
        """Median seconds per step."""
        return statistics.median(self.seconds[key])

    def least(self, key: str) -> float:
        """Seconds per step of the fastest slice: what the loop takes when nothing else runs."""
        return min(self.seconds[key])

    def ratio(self, key: str, reference: str) -> Ratio:
        """Time of `key` over time of `reference`, round by round."""
        ratios = [a / b for a, b in zip(self.seconds[key], self.seconds[reference], strict=True)]
        return Ratio(statistics.median(ratios), min(ratios), max(ratios))


def interleave(contenders: Sequence[Measured], rounds: int, slice_s: float) -> Timings:
    """Time `contenders`, each about `slice_s` seconds a round.

    Args:
        contenders: what is compared.
        rounds: number of rounds; each starts with another contender.
        slice_s: aimed-at length of a slice; the number of steps is settled once, before the first round.
    """
    steps = {c.key: _steps_in(c, slice_s) for c in contenders}
    timings = Timings({c.key: c.label for c in contenders}, {c.key: [] for c in contenders})
    for shift in range(rounds):
        start = shift % len(contenders)
        for contender in [*contenders[start:], *contenders[:start]]:
            time.sleep(SETTLE_S)
            taken = contender.take(steps[contender.key])
            timings.seconds[contender.key].append(taken / steps[contender.key])
    return timings


def _steps_in(contender: Measured, slice_s: float) -> int:
    first = contender.take(1)
    if slice_s == 0:
        return 1
    contender.take(min(WARMUP_STEPS, max(1, int(slice_s / first))))
    count = 1
    while (taken := contender.take(count)) < slice_s / 4:
        count *= 2
    return max(1, round(count * slice_s / taken))
