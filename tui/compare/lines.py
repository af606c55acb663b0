"""Which curves runs have in common, and the lines that draw one of them for each run. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from trainctl.tui.charts.plot import Line
from trainctl.tui.charts.pyramid import Points, Series
from trainctl.tui.run.results import WEIGHTS
from trainctl.tui.run.scene import Overlay, Scene, Unit
from trainctl.tui.run.view import RunView

FEW = 200
"""Up to so many validations each is a point."""
LAST = ("time", "epoch")
"""Columns that are no curves to compare."""


class Metric(NamedTuple):
    """A curve that can be compared."""

    name: str
    column: str
    """Series of the view; empty: a validation metric."""
    weights: str = ""
    """`raw` or `ema` of a validation metric."""

    def of(self, view: RunView) -> Series | None:
        """The curve of one run; none where it has none."""
        if self.column:
            return view.series.get(self.column)
        metric = self.name.removesuffix(" ema").removeprefix("val ")
        points = view.validation(self.weights, metric)
        return points if len(points) else None


def comparable_metrics(views: Sequence[RunView]) -> list[Metric]:
    """Every curve that at least one run has: loss, validation metrics, learning rate, norms, terms, the rest."""
    columns = list(dict.fromkeys(name for view in views for name in view.series if name not in LAST))
    columns.sort(key=lambda name: _order(name))
    results = [
        Metric(f"val {name}{' ema' if weights == 'ema' else ''}", "", weights)
        for name in dict.fromkeys(name for view in views for name in view.metrics())
        for weights in WEIGHTS
        if any(len(view.validation(weights, name)) for view in views)
    ]
    loss = [Metric(name, name) for name in columns if name == "loss"]
    rest = [Metric(name, name) for name in columns if name != "loss"]
    return [*loss, *results, *rest]


def metric_lines(runs: Sequence[Overlay], metric: Metric, scene: Scene) -> list[Line]:
    """A line for each run that has the curve, each along its own epochs or its own time; the first run on top."""
    lines: list[Line] = []
    for run in reversed(runs):
        series, x_map = metric.of(run.view), run.view.x_map(scene.unit)
        if series is None or (x_map is None and scene.unit is not Unit.STEP):
            continue
        few = isinstance(series, Points) and len(series) <= FEW
        lines.append(
            Line(run.name, series, run.ink, symbol="●" if few else "", x_map=x_map, smooth=bool(metric.column))
        )
    return lines


def _order(name: str) -> tuple[int, str]:
    first = ("loss", "lr", "grad_norm")
    return (first.index(name), name) if name in first else (len(first), name)
