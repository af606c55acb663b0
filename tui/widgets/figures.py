"""A panel of rows: figures with bars now, and where there is room a chart of them over time. Knows no metric."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import ClassVar

import numpy as np
from textual.content import Content
from textual.widget import Widget

from trainctl.tui.charts.chart import LEAST_GUTTER, NUM_SERIES_COLOURS, Chart
from trainctl.tui.charts.drawing import Drawing, draw
from trainctl.tui.charts.framed import frame_css, write_frame
from trainctl.tui.charts.inks import BAD_INK, DIM_INK, MARK_INK
from trainctl.tui.charts.legend import GAP, entries
from trainctl.tui.charts.plot import Content as ChartContent
from trainctl.tui.charts.raster import Glyphs
from trainctl.tui.charts.room import FRAME_ROWS, Demand
from trainctl.tui.run.scene import Scene
from trainctl.tui.run.view import RunView
from trainctl.tui.spoken import said
from trainctl.tui.widgets.lines import cut_line

CHART_ROWS = 7
"""Rows from which on there is room for a chart with an axis."""
LEGEND_ROWS = 2
LEAST_ROWS, MOST_ROWS = 4, 24


class FiguresPanel(Widget, can_focus=True):
    """A frame with rows of text; drawn anew only when the run or the look at it changed."""

    heading: ClassVar[str] = ""
    DEFAULT_CSS = frame_css("FiguresPanel")

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._view: RunView | None = None
        self._scene = Scene()
        self._shown: object = None

    def on_mount(self) -> None:
        """Show the heading before the first data."""
        self.border_title = Content.styled(said(self.heading), "bold")

    def on_resize(self) -> None:
        """What fits into the border may be other words."""
        self._shown = None
        if self._view is not None:
            self.show(self._view, self._scene)

    def show(self, view: RunView, scene: Scene) -> None:
        """Draw the present state."""
        self._view, self._scene = view, scene
        title, below = self.title(view), self.note(view)
        # A copy: the scene is changed in place, and would always equal itself.
        look = (replace(scene, overlays=()), Chart.glyphs, Chart.plain_ink)
        shown = (view.step, view.is_over, view.plan, self.stamp(view), title, below, look)
        if shown == self._shown:
            return
        self._shown = shown
        write_frame(self, self.heading, title, below)
        self.refresh()

    def render(self) -> Content:
        """The rows, or why there are none."""
        view = self._view
        rows = self.rows(view, self._scene, self.size.width, self.size.height) if view is not None else []
        if view is None or not rows:
            return Content.styled(said(self.nothing(view)), "$chart-label")
        return Content("\n").join(rows)

    def demand(self, width: int) -> Demand:
        """The figures; a chart of them with the rest."""
        del width
        rows = self.num_figures(self._view) if self._view is not None else 1
        return Demand(min(rows, LEAST_ROWS) + FRAME_ROWS, min(rows, MOST_ROWS) + FRAME_ROWS, weight=1)

    def num_figures(self, view: RunView) -> int:
        """Rows of figures, without a chart."""
        return 1

    def title(self, view: RunView) -> str:
        """What stands behind the heading."""
        return ""

    def note(self, view: RunView) -> str:
        """What stands in the lower border."""
        return ""

    def stamp(self, view: RunView) -> object:
        """What else the rows depend on; equal as long as they need not be drawn anew."""
        return None

    def nothing(self, view: RunView | None) -> str:
        """What is said where there are no rows."""
        return "no step yet"

    def rows(self, view: RunView, scene: Scene, width: int, height: int) -> list[Content]:
        """What is shown in so many columns and rows; empty: nothing."""
        return []


def is_plain() -> bool:
    """Whether only plain characters may be drawn."""
    return Chart.glyphs is Glyphs.ASCII


def chart_rows(content: ChartContent, width: int, height: int) -> list[Content]:
    """A chart below its legend, `height` rows together."""
    legend = list(_legend_rows(content, width))[:LEGEND_ROWS]
    room = max(height - len(legend), 1)
    drawing = draw(content, width, room, Chart.glyphs, plain_ink=Chart.plain_ink, gutter=LEAST_GUTTER)
    return [*legend, *_styled_rows(drawing)]


def _legend_rows(content: ChartContent, width: int) -> Iterator[Content]:
    """The lines of a chart with their values, no entry cut in two where it fits a row."""
    row = Content("")
    for entry in entries(content, plain_ink=Chart.plain_ink):
        text = Content.styled(entry.text, style_of(entry.ink))
        if row and row.cell_length + len(GAP) + text.cell_length > width:
            yield row
            row = Content("")
        row = row + Content(GAP) + text if row else text
    if row:
        yield cut_line(row, width)


def _styled_rows(drawing: Drawing) -> Iterator[Content]:
    for chars, inks in zip(drawing.chars, drawing.inks, strict=True):
        text = "".join(chars.tolist())
        edges: Sequence[int] = [0, *(np.flatnonzero(inks[1:] != inks[:-1]) + 1).tolist(), len(inks)]
        yield Content("").join(Content.styled(text[a:b], style_of(int(inks[a]))) for a, b in pairwise(edges))


def style_of(ink: int) -> str:
    """Style of a chart's ink."""
    ink = ink % DIM_INK if ink >= DIM_INK else ink
    if ink >= 0:
        return f"$series-{ink % NUM_SERIES_COLOURS}"
    return {MARK_INK: "$chart-mark", BAD_INK: "$chart-bad"}.get(ink, "$chart-label")
