"""What stands on the x axis instead of steps: epochs, or seconds since the start. Knows no chart and no file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainctl.engine.runs.events import Event

MAX_KNOTS = 2_048
"""Knots of a map; between two it is a straight line."""

Doubles = NDArray[np.float64]
Knots = tuple[Doubles, Doubles]
"""Steps and what stands for them, both ascending, shape (n,)."""


class TimeKnots:
    """When the steps were finished, thinned to about `MAX_KNOTS` pairs whatever the length of the run.

    Attributes:
        version: goes up with every change.
    """

    def __init__(self) -> None:
        self.version = 0
        self._spacing = 1
        self._steps = np.empty(0)
        self._times = np.empty(0)
        self._ends: list[tuple[float, float]] = []

    def extend(self, steps: NDArray[Any], times: NDArray[Any]) -> None:
        """Append steps with their seconds since the start, shape (n,) each."""
        if not len(steps):
            return
        self.version += 1
        newest = (float(steps[-1]), float(times[-1]))
        self._ends = [self._ends[0] if self._ends else (float(steps[0]), float(times[0])), newest]
        chosen = steps % self._spacing == 0
        self._steps = np.concatenate((self._steps, steps[chosen].astype(np.float64)))
        self._times = np.concatenate((self._times, times[chosen].astype(np.float64)))
        while len(self._steps) > MAX_KNOTS:
            self._spacing *= 2
            chosen = self._steps % self._spacing == 0
            self._steps, self._times = self._steps[chosen], self._times[chosen]

    def knots(self) -> Knots | None:
        """The pairs, first and newest step included; None while there are fewer than two."""
        if not self._ends:
            return None
        (first, began), (newest, ended) = self._ends
        inner = (self._steps > first) & (self._steps < newest)
        steps = np.concatenate(([first], self._steps[inner], [newest]))
        times = np.concatenate(([began], self._times[inner], [ended]))
        # The clock of a machine may be set back; what is finished later is never shown as earlier.
        return (steps, np.maximum.accumulate(times)) if newest > first else None


def epoch_knots(steps_per_epoch: int, epochs: Iterable[Event]) -> Knots | None:
    """Finished epochs over steps, from the plan's `steps_per_epoch` (0: unknown) and the events at the ends of epochs.

    None where neither tells. The line goes on at the plan's pace, so a chart can show the epochs to come.
    """
    pairs = [(0.0, 0.0)]
    for event in epochs:
        number = event.data.get("epoch")
        if isinstance(number, (int, float)) and event.step > pairs[-1][0] and number > pairs[-1][1]:
            pairs.append((float(event.step), float(number)))
    if steps_per_epoch > 0:
        pairs.append((pairs[-1][0] + steps_per_epoch, pairs[-1][1] + 1.0))
    if len(pairs) < 2:
        return None
    table = np.array(pairs, np.float64)
    if len(table) > MAX_KNOTS:
        table = table[np.unique(np.linspace(0, len(table) - 1, MAX_KNOTS).astype(np.int64))]
    return table[:, 0], table[:, 1]
