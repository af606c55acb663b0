"""The loss and what it is made of, with the validation results as points. Reads no files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, cast

import numpy as np

from trainctl.engine.runs.events import EventKind
from trainctl.tui.charts.chart import Chart
from trainctl.tui.charts.plot import Line
from trainctl.tui.charts.pyramid import Points
from trainctl.tui.run.scene import LossMode, Scene
from trainctl.tui.run.view import RunView
from trainctl.tui.widgets.charting import part_ink, scened
from trainctl.tui.widgets.overlay_lines import overlay_lines

SUMMED = (LossMode.WEIGHTED, LossMode.RAW)
"""Modes in which the terms stand on the axis of the total."""
WORDS = {
    LossMode.WEIGHTED: "terms × weight",
    LossMode.RAW: "raw terms",
    LossMode.SHARE: "share",
    LossMode.WEIGHT: "weights of the terms",
}
RAW_INK = 3
EMA_INK = 4


class LossPanel(Chart):
    """Total, each term, validation of raw and averaged weights, and what the preset's document expects."""

    heading: ClassVar[str] = "Loss"

    def show(self, view: RunView, scene: Scene) -> None:
        """Draw the present state."""
        mode = scene.loss_mode
        lines = [*expected_lines(view, scene), *term_lines(view, mode)]
        if mode in SUMMED:
            lines += overlay_lines(scene, "loss")
            if "loss" in view.series:
                lines.append(Line("total", view.series["loss"], 0))
            lines += validation_lines(view)
        self.show_content(scened(view, scene, lines), note(view, mode))


def note(view: RunView, mode: LossMode) -> str:
    """What must be known to read the chart."""
    parts = [f"× not finite from step {view.first_nonfinite}"] if view.first_nonfinite is not None else []
    if view.layout and len(view.layout.terms) > 1:
        parts.append(WORDS[mode])
    return " · ".join(parts)


def term_lines(view: RunView, mode: LossMode) -> Iterator[Line]:
    """A line per term; none where the only term is the total itself."""
    terms = view.layout.terms if view.layout else ()
    if len(terms) < 2:
        return
    for k, name in enumerate(terms):
        series = view.series.get(f"{mode}.{name}")
        if series is None and mode is LossMode.WEIGHTED:
            series = view.series.get(f"raw.{name}")  # of a log of another tool, whose weights nobody knows
        if series is not None:
            yield Line(name, series, part_ink(k))


def validation_lines(view: RunView) -> Iterator[Line]:
    """Validation losses as points."""
    for which, name, ink, symbol in (("raw", "val", RAW_INK, "●"), ("ema", "val ema", EMA_INK, "◆")):
        points = view.validation(which, "loss")
        if len(points) and np.isfinite(points.y).any():
            yield Line(name, points, ink, symbol=symbol, smooth=False)


def expected_lines(view: RunView, scene: Scene) -> Iterator[Line]:
    """What the preset's document expects of the loss by epoch, faint behind the rest."""
    per_epoch = view.plan.steps_per_epoch if view.plan else 0
    if not per_epoch or scene.loss_mode not in SUMMED:
        return
    for name, ink in (("loss", 0), ("val_loss", RAW_INK)):
        pairs = expected(view).get(name)
        if pairs:
            epochs, values = np.array(pairs, np.float64).T
            yield Line(f"{name} expected", Points(epochs * per_epoch, values), ink, faint=True, smooth=False)


def expected(view: RunView) -> Mapping[str, list[list[float]]]:
    """Curves of the preset's document: [epoch, value] pairs by name; empty where it names none."""
    for event in reversed(view.of_kind(EventKind.START)):
        curves: Any = event.data.get("expected")
        if isinstance(curves, Mapping):
            return cast("Mapping[str, list[list[float]]]", curves)
    return {}
