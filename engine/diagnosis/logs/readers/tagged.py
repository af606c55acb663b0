"""Gathers values that come one by one, each with its name, step and time, and makes one table of them. Knows no format.

So tools write that call a function for each value: TensorBoard, MLflow, W&B, trackio.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from trainctl.engine.diagnosis.logs.table import Column, Ints, LogTable

MOST_TAGS = 20_000
LEAST_STEP, MOST_STEP = -(2**62), 2**62


@dataclass
class Scalars:
    """Values of one name in their order."""

    steps: array[int] = field(default_factory=lambda: array("q"))
    times: array[float] = field(default_factory=lambda: array("d"))
    values: array[float] = field(default_factory=lambda: array("d"))

    def add(self, step: int, time: float, value: float) -> None:
        """Append a value; one of an earlier step takes back what came after it, as where a training was resumed."""
        if self.steps and step < self.steps[-1]:
            keep = int(np.searchsorted(np.array(self.steps, np.int64), step))
            del self.steps[keep:], self.times[keep:], self.values[keep:]
        self.steps.append(step)
        self.times.append(time)
        self.values.append(value)


@dataclass
class Tagged:
    """Values by the part of the training they are of, and name."""

    scalars: dict[tuple[str, str], Scalars] = field(default_factory=dict[tuple[str, str], Scalars])

    def add(self, tag: str, step: int, value: float, time: float = float("nan"), split: str = "") -> None:
        """Append a value; `time` in seconds since 1970, NaN: unknown."""
        key = (split, tag)
        found = self.scalars.get(key)
        if found is None:
            if len(self.scalars) >= MOST_TAGS:
                return
            found = self.scalars[key] = Scalars()
        found.add(min(max(step, LEAST_STEP), MOST_STEP), time, value)

    def table(self, source: Path | str, format: str) -> LogTable:
        """What was logged at one step as one row."""
        of_one_step = all(len(set(one.steps[:2])) <= 1 and one.steps[:1] == one.steps[-1:] for one in self._all())
        if of_one_step and any(len(one.values) > 1 for one in self._all()):
            return self._without_steps(source, format)
        parts = [np.array(one.steps, np.int64) for one in self._all()]
        every = np.unique(np.concatenate([np.empty(0, np.int64), *parts]))
        times = np.full(len(every), np.nan)
        columns: list[Column] = []
        for (split, tag), one in self.scalars.items():
            rows = np.searchsorted(every, np.array(one.steps, np.int64))
            columns.append(_column(split, tag, one, rows))
            times[rows] = np.fmax(times[rows], np.array(one.times, np.float64))
        unknown = np.full(len(every), np.nan)
        steps = every.astype(np.float64)
        return LogTable(str(source), format, len(every), tuple(columns), steps, epochs=unknown, times=times)

    def _all(self) -> list[Scalars]:
        return list(self.scalars.values())

    def _without_steps(self, source: Path | str, format: str) -> LogTable:
        """Of a training that never said its step: the first values of all names are of the first row, and so on."""
        size = max(len(one.values) for one in self._all())
        columns = [_column(split, tag, one, np.arange(len(one.values))) for (split, tag), one in self.scalars.items()]
        unknown = np.full(size, np.nan)
        return LogTable(str(source), format, size, tuple(columns), steps=unknown, epochs=unknown)


def _column(split: str, tag: str, scalars: Scalars, rows: Ints) -> Column:
    nothing = np.zeros(len(rows))
    return Column(tag, split, rows, np.array(scalars.values, np.float64), nothing.astype(np.int64), nothing)
