"""The F1 of each class on the validation data: the newest, the best, and over time. Reads no files."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from textual.content import Content

from trainctl.tui.charts.plot import Line
from trainctl.tui.charts.pyramid import Points
from trainctl.tui.plain import columns, padded
from trainctl.tui.run.scene import Scene
from trainctl.tui.run.view import RunView
from trainctl.tui.spoken import said
from trainctl.tui.widgets.charting import scened
from trainctl.tui.widgets.figures import CHART_ROWS, FiguresPanel, chart_rows, is_plain

METRIC = "f1."
"""Beginning of the metrics."""
FIGURES = 20
"""Columns beside name and bar: newest and best."""
LEAST_BAR = 6
"""Columns that a name leaves its bar."""
MOST_LINES = 8
"""Classes that are drawn over time: as many as there are colours, the weakest."""


@dataclass(frozen=True)
class ClassScore:
    """Of one class, by validation."""

    name: str
    points: Points
    """Over the steps."""
    last: float
    """NaN where the newest validation has none."""
    best: float
    best_step: int


class ClassScorePanel(FiguresPanel):
    """A bar for each class, a tick at its best; weak ones stand out by their length."""

    heading: ClassVar[str] = "F1 by class"

    def num_figures(self, view: RunView) -> int:
        """A row for each class."""
        return max(len(class_scores(view)), 1)

    def title(self, view: RunView) -> str:
        """What the bars are."""
        averaged = ", averaged weights" if which_weights(view) == "ema" else ""
        full, tick = ("#", "|") if is_plain() else ("█", "│")
        return f"{full} newest  {tick} best{averaged}"

    def note(self, view: RunView) -> str:
        """Mean over the classes, and the weakest."""
        found = [score for score in class_scores(view) if math.isfinite(score.last)]
        if not found:
            return ""
        weakest = min(found, key=lambda score: score.last)
        mean = sum(score.last for score in found) / len(found)
        return f"mean {mean:.3f}, weakest {weakest.name} {weakest.last:.3f}"

    def stamp(self, view: RunView) -> object:
        """Validations so far."""
        return tuple((score.name, len(score.points), score.last) for score in class_scores(view))

    def nothing(self, view: RunView | None) -> str:
        """There is no result, or none by class."""
        return "no validation yet" if view is None or not view.metrics() else "this run measures no class by itself"

    def rows(self, view: RunView, scene: Scene, width: int, height: int) -> list[Content]:
        """A row for each class; where there is room, a chart of them."""
        found = class_scores(view)
        left = height - len(found)
        if not found or left < CHART_ROWS:
            return _score_rows(found, width, height)
        weakest = sorted(found, key=lambda score: score.last)[:MOST_LINES]
        drawn = [score for score in found if score in weakest]
        lines = [Line(score.name, score.points, k, smooth=False) for k, score in enumerate(drawn)]
        return [*_score_rows(found, width, len(found)), *chart_rows(scened(view, scene, lines), width, left)]


def has_class_scores(view: RunView) -> bool:
    """Whether a validation measured classes one by one."""
    return any(name.startswith(METRIC) for name in view.metrics())


def which_weights(view: RunView) -> str:
    """Those whose validation gave the best checkpoint."""
    return view.best.which if view.best is not None else "raw"


def class_scores(view: RunView) -> list[ClassScore]:
    """Of each class, in the order in which the task names them."""
    which = which_weights(view)
    found: list[ClassScore] = []
    for metric in view.metrics():
        points = view.validation(which, metric)
        if not metric.startswith(METRIC) or not len(points):
            continue
        finite = np.isfinite(points.y)
        at = int(np.where(finite, points.y, -np.inf).argmax())
        best, step = (float(points.y[at]), int(points.x[at])) if finite.any() else (math.nan, 0)
        found.append(ClassScore(metric.removeprefix(METRIC), points, float(points.y[-1]), best, step))
    return found


def _score_rows(found: list[ClassScore], width: int, height: int) -> list[Content]:
    """Rows of the classes, the weakest ones where there is not room for all."""
    shown = found
    if len(found) > height:
        kept = sorted(found, key=lambda score: score.last)[: max(height - 1, 1)]
        shown = [score for score in found if score in kept]
    names = max(min(max((columns(score.name) for score in shown), default=0), width - FIGURES - LEAST_BAR), 1)
    step = max((len(str(score.best_step)) for score in shown), default=1)
    rows = [_score_row(score, names, step, width) for score in shown]
    if len(shown) < len(found) and height > 1:
        rows.append(Content.styled(said(f"and {len(found) - len(shown)} more, none weaker"), "$chart-label"))
    return rows


def _score_row(score: ClassScore, names: int, step_width: int, width: int) -> Content:
    """Name, bar with the tick of the best, and both figures."""
    best = f"  {said(f'best {_figure(score.best)} at step {score.best_step}')}"
    best += " " * (step_width - len(str(score.best_step)))
    full, tick = ("#", "|") if is_plain() else ("█", "│")
    room = width - names - len(f" {_figure(score.last)}") - 1
    if room - columns(best) < 8:
        best = f"  {said(f'best {_figure(score.best)}')}"
    bar = max(room - columns(best), 1)
    cells = [full] * (round(score.last * bar) if score.last > 0 else 0)
    cells = (cells + [" "] * bar)[:bar]
    if score.best > 0:
        cells[min(round(score.best * bar), bar - 1)] = tick
    return Content("").join(
        [
            Content.styled(padded(score.name, names) + " ", "$foreground"),
            Content.styled("".join(cells), "$series-0"),
            Content.styled(f" {_figure(score.last)}", "bold $error" if not score.last > 0 else "$foreground"),
            Content.styled(best, "$chart-label"),
        ]
    )


def _figure(value: float) -> str:
    """Three places, as wide as any other."""
    return f"{value:.3f}" if math.isfinite(value) else "    -"
