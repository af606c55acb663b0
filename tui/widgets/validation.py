"""The task's metrics on the validation data, the best marked, with what a constant answer reaches as a floor.

Reads no files.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, cast

import numpy as np

from trainctl.engine.runs.events import EventKind
from trainctl.tui.charts.axis import short
from trainctl.tui.charts.chart import Chart
from trainctl.tui.charts.plot import EventMark, Line
from trainctl.tui.charts.pyramid import Points
from trainctl.tui.run.scene import Scene
from trainctl.tui.run.view import WEIGHTS, RunView
from trainctl.tui.widgets import class_scores
from trainctl.tui.widgets.charting import part_ink, scened
from trainctl.tui.widgets.loss import EMA_INK, RAW_INK
from trainctl.tui.widgets.overlay_lines import overlay_lines

MOST_OTHERS = 4
BEST_LETTER = "★"
ELSEWHERE = "off axis"
ROOM = 0.1
"""Part of a value by which others may lie beside it, however little it changes."""
NO_RESULT = "no validation yet"


class ValidationPanel(Chart):
    """The monitored metric of raw and averaged weights; the other metrics faint."""

    heading: ClassVar[str] = "Validation"

    def show(self, view: RunView, scene: Scene) -> None:
        """Draw the present state."""
        metric = monitored(view)
        if metric is None:
            self.show_content(scened(view, scene, [], empty=NO_RESULT))
            return
        best = view.best
        floor = constants(view).get(metric)
        lines = [
            *overlay_lines(scene, lambda other: other.validation("raw", metric), smooth=False),
            *other_lines(view, metric),
            *monitored_lines(view, metric),
        ]
        content = scened(
            view,
            scene,
            lines,
            marks=(EventMark(float(best.step), BEST_LETTER, line=False, y=best.value),) if best else (),
            rules=() if floor is None else ((floor, "constant"),),
            empty=NO_RESULT,
        )
        self.show_content(content, note(view, floor))


def monitored(view: RunView) -> str | None:
    """The metric that decides which checkpoint is best; before any did, the first that is no loss."""
    if view.best is not None:
        return view.best.metric
    names = view.metrics()
    terms = {"loss", *(view.layout.terms if view.layout else ())}
    return next((name for name in names if name not in terms), names[0] if names else None)


def monitored_lines(view: RunView, metric: str) -> Iterator[Line]:
    """Raw and averaged weights."""
    for which, name, ink, symbol in (("raw", metric, RAW_INK, "●"), ("ema", f"{metric} ema", EMA_INK, "◆")):
        points = view.validation(which, metric)
        if len(points):
            yield Line(name, points, ink, symbol=symbol, smooth=False, joins_symbols=True)


def other_lines(view: RunView, metric: str) -> Iterator[Line]:
    """The other metrics, but neither losses nor those of single classes, which have a panel of their own.

    Those that lie elsewhere than the monitored one are named with their value, and do not bend its axis.
    """
    terms = {"loss", metric, *(view.layout.terms if view.layout else ())}
    others = [name for name in view.metrics() if name not in terms and not name.startswith(class_scores.METRIC)]
    around = _reach(view, metric)
    for k, name in enumerate(others[:MOST_OTHERS]):
        points = view.validation("raw", name)
        if not len(points):
            continue
        low, high = _ends(points)
        fits = around is not None and around[0] <= low and high <= around[1]
        words = name if fits else f"{name} {ELSEWHERE}"
        yield Line(words, points, part_ink(k), faint=True, smooth=False, drawn=fits)


def _reach(view: RunView, metric: str) -> tuple[float, float] | None:
    """Values that may be drawn beside the monitored metric without pressing it flat; none while it has no value."""
    ends = [_ends(view.validation(which, metric)) for which in WEIGHTS]
    known = [value for pair in ends for value in pair if math.isfinite(value)]
    if not known:
        return None
    low, high = min(known), max(known)
    room = max(high - low, ROOM * max(abs(low), abs(high)))
    return low - room, high + room


def _ends(points: Points) -> tuple[float, float]:
    """Smallest and largest finite value; NaN where there is none."""
    finite = points.y[np.isfinite(points.y)]
    return (float(finite.min()), float(finite.max())) if len(finite) else (math.nan, math.nan)


def constants(view: RunView) -> Mapping[str, float]:
    """What one answer for every sample reaches, by metric; empty where the task does not say."""
    for event in reversed(view.of_kind(EventKind.START)):
        found: Any = event.data.get("constant")
        if isinstance(found, Mapping):
            return cast("Mapping[str, float]", found)
    return {}


def note(view: RunView, floor: float | None) -> str:
    """The best result and the floor, in words."""
    best = view.best
    parts = []
    if best is not None:
        parts.append(f"{BEST_LETTER} best {best.metric} {short(best.value, 4)} ({best.which}) at step {best.step}")
    if floor is not None:
        parts.append(f"constant answer {short(floor, 3)}")
    return " · ".join(parts)
