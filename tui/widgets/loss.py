"""The loss and what it is made of, with the validation results as points. Reads no files."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from trainctl.tui.charts.chart import FAINT_INK, Chart
from trainctl.tui.charts.plot import Content, Line
from trainctl.tui.scene import Scene
from trainctl.tui.view import RunView
from trainctl.tui.widgets.marks import event_marks

RAW_INK = 3
EMA_INK = 4


class LossPanel(Chart):
    """Total, each term times its weight, validation of raw and averaged weights."""

    heading: ClassVar[str] = "Loss"

    def show(self, view: RunView, scene: Scene) -> None:
        """Draw the present state."""
        lines = list(term_lines(view))
        if "loss" in view.series:
            lines.append(Line("total", view.series["loss"], 0))
        note = ""
        for which, name, ink, symbol in (("raw", "val", RAW_INK, "●"), ("ema", "val ema", EMA_INK, "◆")):
            points = view.validation(which, "loss")
            if len(points) and np.isfinite(points.y).any():
                lines.append(Line(name, points, ink, symbol=symbol))
        if view.first_nonfinite is not None:
            note = f"× not finite from step {view.first_nonfinite}"
        self.show_content(Content(lines=tuple(lines), marks=event_marks(view)), note)


def term_lines(view: RunView) -> list[Line]:
    """A line per weighted term; none where the only term is the total itself."""
    terms = view.layout.terms if view.layout else ()
    if len(terms) < 2:
        return []
    inks = [1, 2, 5, 6, 7]
    return [
        Line(name, view.series[f"weighted.{name}"], inks[k] if k < len(inks) else FAINT_INK)
        for k, name in enumerate(terms)
        if f"weighted.{name}" in view.series
    ]
