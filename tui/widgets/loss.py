"""The loss with the validation results, and below it what it is made of, a row for each term. Reads no files."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, cast

import numpy as np

from trainctl.engine.runs.events import EventKind
from trainctl.tui.charts.axis import short
from trainctl.tui.charts.chart import Chart
from trainctl.tui.charts.plot import Line, Strip
from trainctl.tui.charts.pyramid import Points
from trainctl.tui.charts.raster import Glyphs
from trainctl.tui.run.scene import LossMode, Scene
from trainctl.tui.run.view import RunView
from trainctl.tui.spoken import said
from trainctl.tui.widgets.charting import part_ink, scened
from trainctl.tui.widgets.overlay_lines import overlay_lines

WORDS = {
    LossMode.WEIGHTED: "terms × weight",
    LossMode.RAW: "raw terms",
    LossMode.SHARE: "share",
    LossMode.WEIGHT: "weights of the terms",
}
FEW = 6
"""Terms that keep their order: of more the largest come first, as there may not be room for all."""
RAW_INK = 3
EMA_INK = 4


class LossPanel(Chart):
    """Total, validation of raw and averaged weights, what the preset's document expects, and each term by itself."""

    heading: ClassVar[str] = "Loss"
    weight: ClassVar[int] = 6
    least_rows: ClassVar[int] = 4
    wanted_rows: ClassVar[int] = 8

    def show(self, view: RunView, scene: Scene) -> None:
        """Draw the present state."""
        lines = [*expected_lines(view), *overlay_lines(scene, "loss")]
        if "loss" in view.series:
            lines.append(Line(said("total"), view.series["loss"], 0))
        lines += validation_lines(view)
        content = scened(view, scene, lines, strips=tuple(term_strips(view, scene)))
        self.show_content(content, note(view, scene.loss_mode))


def term_strips(view: RunView, scene: Scene) -> list[Strip]:
    """A row for each term, its curve as the mode says; of many the largest first."""
    terms = [(line, _share(view, scene, line.name)) for line in term_lines(view, scene.loss_mode)]
    if len(terms) > FEW:
        terms.sort(key=lambda term: -abs(term[1]) if math.isfinite(term[1]) else 0.0)
    return [Strip((line,), term_words(view, scene, line.name)) for line, _ in terms]


def term_words(view: RunView, scene: Scene, name: str) -> str:
    """How much of the loss a term is: weight, value, their product, and its share of all."""
    weight, raw, weighted = (_value(view, scene, f"{mode}.{name}") for mode in ("weight", "raw", "weighted"))
    share = _share(view, scene, name)
    if math.isnan(weight) or math.isnan(weighted):
        return short(raw)
    times = "x" if Chart.glyphs is Glyphs.ASCII else "×"
    part = f"  {share:.0%}" if math.isfinite(share) else ""
    return f"{short(weight)} {times} {short(raw)} = {short(weighted)}{part}"


def _share(view: RunView, scene: Scene, name: str) -> float:
    return _value(view, scene, f"share.{name}")


def _value(view: RunView, scene: Scene, name: str) -> float:
    """Of a series where the user points, else the newest; NaN where it is not recorded."""
    series = view.series.get(name)
    if series is None:
        return math.nan
    return series.last if scene.cursor is None else series.at(scene.cursor)


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
    """Validation losses, joined; those of averaged weights dashed."""
    for which, name, ink, symbol in (("raw", "val", RAW_INK, "●"), ("ema", "val ema", EMA_INK, "◆")):
        points = view.validation(which, "loss")
        if len(points) and np.isfinite(points.y).any():
            is_ema = which == "ema"
            yield Line(said(name), points, ink, symbol=symbol, smooth=False, joins_symbols=True, dashed=is_ema)


def expected_lines(view: RunView) -> Iterator[Line]:
    """What the preset's document expects of the loss by epoch, faint behind the rest."""
    per_epoch = view.plan.steps_per_epoch if view.plan else 0
    if not per_epoch:
        return
    for name, ink in (("loss", 0), ("val_loss", RAW_INK)):
        pairs = expected(view).get(name)
        if pairs:
            epochs, values = np.array(pairs, np.float64).T
            yield Line(said(f"{name} expected"), Points(epochs * per_epoch, values), ink, faint=True, smooth=False)


def expected(view: RunView) -> Mapping[str, list[list[float]]]:
    """Curves of the preset's document: [epoch, value] pairs by name; empty where it names none."""
    for event in reversed(view.of_kind(EventKind.START)):
        curves: Any = event.data.get("expected")
        if isinstance(curves, Mapping):
            return cast("Mapping[str, list[list[float]]]", curves)
    return {}
