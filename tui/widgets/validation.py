"""The task's metrics on the validation data, the best marked, with what a constant answer reaches as a floor.

Reads no files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, cast

from trainctl.engine.runs.events import EventKind
from trainctl.tui.charts.axis import short
from trainctl.tui.charts.chart import Chart
from trainctl.tui.charts.plot import EventMark, Line, Strip
from trainctl.tui.charts.pyramid import Series
from trainctl.tui.run.scene import Scene
from trainctl.tui.run.view import WEIGHTS, RunView
from trainctl.tui.widgets import class_scores
from trainctl.tui.widgets.charting import part_ink, scened
from trainctl.tui.widgets.loss import EMA_INK, RAW_INK
from trainctl.tui.widgets.marks import finding_marks
from trainctl.tui.widgets.overlay_lines import overlay_lines

BEST_LETTER = "★"
NO_RESULT = "no validation yet"


class ValidationPanel(Chart):
    """The monitored metric of raw and averaged weights; below it a row for each of the other metrics."""

    heading: ClassVar[str] = "Validation"
    weight: ClassVar[int] = 3
    least_rows: ClassVar[int] = 4
    wanted_rows: ClassVar[int] = 6

    def show(self, view: RunView, scene: Scene) -> None:
        """Draw the present state."""
        metric = monitored(view)
        if metric is None:
            self.show_content(scened(view, scene, [], empty=NO_RESULT))
            return
        floor = constants(view).get(metric)
        lines = [
            *overlay_lines(scene, lambda other: other.validation("raw", metric), smooth=False),
            *monitored_lines(view, metric),
        ]
        content = scened(
            view,
            scene,
            lines,
            marks=(*finding_marks(view), *best_mark(view)),
            rules=() if floor is None else ((floor, "constant"),),
            empty=NO_RESULT,
            strips=tuple(other_strips(view, scene, metric)),
        )
        self.show_content(content, note(view, floor))


def best_mark(view: RunView) -> Iterator[EventMark]:
    """The best result at its value."""
    best = view.best
    if best is not None:
        yield EventMark(float(best.step), BEST_LETTER, line=False, y=best.value, words=f"best {short(best.value, 4)}")


def monitored(view: RunView) -> str | None:
    """The metric that decides which checkpoint is best; before any did, the first that is no loss."""
    if view.best is not None:
        return view.best.metric
    names = view.metrics()
    terms = {"loss", *(view.layout.terms if view.layout else ())}
    return next((name for name in names if name not in terms), names[0] if names else None)


def monitored_lines(view: RunView, metric: str) -> Iterator[Line]:
    """Raw and averaged weights: joined, the latter dashed, so that no colour is needed to tell them apart."""
    for which, name, ink, symbol in (("raw", metric, RAW_INK, "●"), ("ema", f"{metric} ema", EMA_INK, "◆")):
        points = view.validation(which, metric)
        if len(points):
            is_ema = which == "ema"
            yield Line(name, points, ink, symbol=symbol, smooth=False, joins_symbols=True, dashed=is_ema)


def other_strips(view: RunView, scene: Scene, metric: str) -> Iterator[Strip]:
    """A row on a scale of its own for each other metric, but for losses and for those of single classes, which have
    panels of their own. Those of a further validation set stand together, in a colour of their own."""
    terms = {"loss", *(view.layout.terms if view.layout else ())}
    others = [name for name in view.metrics() if name not in terms and name != metric and not _is_detail(name, terms)]
    sets = list(dict.fromkeys(["", *map(_set_of, others)]))
    others.sort(key=lambda name: sets.index(_set_of(name)))  # otherwise they stay in order
    for k, name in enumerate(others):
        ink = part_ink(sets.index(_set_of(name)) if len(sets) > 1 else k)
        lines = [
            Line(name, points, ink, smooth=False, dashed=which == "ema")
            for which in WEIGHTS
            if len(points := view.validation(which, name))
        ]
        if lines:
            values = [_at(scene, line.series) for line in lines]
            ema = f"  ema {short(values[1], 4)}" if len(values) > 1 else ""
            yield Strip(tuple(lines), f"{short(values[0], 4)}{ema}")


def _set_of(metric: str) -> str:
    """The further validation set that a metric is of; empty: it is of the first."""
    return metric.rpartition("/")[0]


def _is_detail(name: str, terms: set[str]) -> bool:
    """Whether it is a term of the loss of a further set, or of a single class."""
    plain = name.rpartition("/")[2]
    return plain.startswith(class_scores.METRIC) or (plain != "loss" and plain in terms)


def _at(scene: Scene, series: Series) -> float:
    return series.last if scene.cursor is None else series.at(scene.cursor)


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
