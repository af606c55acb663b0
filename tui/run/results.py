"""Validation results of a run as series, and the best of them. Grows event by event; knows no file and no widget."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, cast

import numpy as np

from trainctl.engine.runs.events import Event
from trainctl.engine.runs.summary import Summary
from trainctl.tui.charts.pyramid import Points

WEIGHTS = ("raw", "ema")
"""The sets of weights that are validated: those in training, and their average where one is kept."""


class BestResult(NamedTuple):
    """The best validation so far."""

    metric: str
    value: float
    step: int
    which: str
    """Weights that reached it: `raw` or `ema`."""


class Results:
    """What `validation` events say.

    Attributes:
        metrics: names of the metrics, in the order in which they first appeared.
        chosen: the newest event that says it is the best so far.
    """

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.metrics: list[str] = []
        self.chosen: Event | None = None
        self._pairs: dict[tuple[str, str], tuple[array[float], array[float]]] = {}
        self._points: dict[tuple[str, str], Points] = {}
        for event in events:
            self.add(event)

    def add(self, event: Event) -> None:
        """Append a `validation` event."""
        self.chosen = event if event.data.get("best") else self.chosen
        for which in WEIGHTS:
            for metric, value in _measured(event, which).items():
                if (which, metric) not in self._pairs:
                    self.metrics += [metric] if metric not in self.metrics else []
                    self._pairs[which, metric] = (array("d"), array("d"))
                steps, values = self._pairs[which, metric]
                steps.append(event.step)
                values.append(_number(value))
                self._points.pop((which, metric), None)

    def points(self, which: str, metric: str) -> Points:
        """A metric over the steps; the same object until there is a new result."""
        key = (which, metric)
        if key not in self._points:
            steps, values = self._pairs.get(key, (array("d"), array("d")))
            self._points[key] = Points(np.array(steps, np.float64), np.array(values, np.float64))
        return self._points[key]

    def best(self, summary: Summary | None) -> BestResult | None:
        """The validation that gave the best checkpoint; None before it, or where nobody says by which metric.

        Args:
            summary: how the run ended, if it has; names the metric where the event does not.
        """
        event = self.chosen
        if event is None:
            return None
        metric = event.data.get("monitor")
        numbers = {which: _number(_measured(event, which).get(str(metric))) for which in WEIGHTS}
        finite = {which: value for which, value in numbers.items() if math.isfinite(value)}
        if finite:
            choose = min if event.data.get("monitor_mode") == "min" else max
            which = choose(finite, key=lambda name: finite[name])
            return BestResult(str(metric), finite[which], event.step, which)
        best = summary.best if summary else None
        if best is None:
            return None
        named = [which for which in WEIGHTS if _measured(event, which).get(best.metric) == best.value]
        return BestResult(best.metric, best.value, event.step, named[0]) if named else None


def _measured(event: Event, which: str) -> Mapping[str, Any]:
    found = event.data.get(which)
    return cast("Mapping[str, Any]", found) if isinstance(found, dict) else {}


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else math.nan
