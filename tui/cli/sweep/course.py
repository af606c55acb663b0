"""How a trial's run does by one metric, validation by validation, as the run writes them. Judges nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from trainctl.engine.errors import UserError
from trainctl.engine.runs.events import Event, EventKind, EventReader, current_events
from trainctl.engine.runs.layout import RunPaths
from trainctl.tui.run.results import WEIGHTS

Direction = Literal["max", "min"]


class NoMetricError(UserError):
    """A run is validated, but not by the metric that is looked for."""


@dataclass(frozen=True)
class Objective:
    """What is looked for."""

    metric: str
    direction: Direction

    def better(self, one: float, other: float) -> bool:
        """Whether `one` is better than `other`."""
        return one > other if self.direction == "max" else one < other


@dataclass(frozen=True)
class Reached:
    """A validation: the better of raw and averaged weights."""

    epoch: int
    value: float
    """NaN: neither is finite."""


class Course:
    """Follows the validations of one run.

    Attributes:
        best: the best finite value so far; None: there is none.
        last: the newest validation; None: there is none.
        is_stopped: whether somebody's `stop` took effect.
    """

    def __init__(self, run: RunPaths, objective: Objective) -> None:
        self._run, self._objective = run, objective
        self._reader = EventReader(run)
        self._generation = 0
        self._events: list[Event] = []
        self.best: Reached | None = None
        self.last: Reached | None = None
        self.is_stopped = False

    def read_new(self) -> list[Reached]:
        """The validations since the last call.

        Raises:
            NoMetricError: the run has other metrics; names them.
            DamagedFileError: its events cannot be read.
        """
        new = self._reader.read_new()
        if self._reader.generation != self._generation:
            self._generation, self._events = self._reader.generation, []
        self._events.extend(new)
        if new:
            self._look_back()
        return [self._reached(event) for event in new if event.kind is EventKind.VALIDATION]

    def _look_back(self) -> None:
        """What the events so far come to, without what a resume took back."""
        events = current_events(self._events)
        reached = [self._reached(event) for event in events if event.kind is EventKind.VALIDATION]
        self.last = reached[-1] if reached else None
        self.best = None
        for one in reached:
            if math.isfinite(one.value) and (self.best is None or self._objective.better(one.value, self.best.value)):
                self.best = one
        self.is_stopped = any(event.kind is EventKind.COMMAND and event.data.get("verb") == "stop" for event in events)

    def _reached(self, event: Event) -> Reached:
        metric = self._objective.metric
        measured = [_figures(event.data.get(weights)) for weights in WEIGHTS]
        if not any(metric in figures for figures in measured):
            known = ", ".join(dict.fromkeys(name for figures in measured for name in figures)) or "none"
            raise NoMetricError(f"{self._run.root.name} has no validation metric {metric!r}", f"it has: {known}")
        values = [float(figures[metric]) for figures in measured if _is_finite(figures.get(metric))]
        if not values:
            return Reached(event.whole("epoch"), math.nan)
        return Reached(event.whole("epoch"), max(values) if self._objective.direction == "max" else min(values))


def _figures(value: Any) -> Mapping[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
