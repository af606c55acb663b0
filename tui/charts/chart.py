"""The widget that shows a chart: turns cells into strips and puts the legend into the border.

Draws only when asked and only what changed. Knows no run; what to show is the `Content` it is given.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import ClassVar

import numpy as np
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.content import Content as RichText
from textual.events import Resize
from textual.geometry import Region
from textual.strip import Strip
from textual.visual import Visual

from trainctl.tui.charts.drawing import Drawing, draw
from trainctl.tui.charts.framed import BORDER_WORDS, Framed, frame_css
from trainctl.tui.charts.inks import (
    BAD_INK,
    BAND_INK,
    CURSOR_INK,
    DIM_INK,
    EMPTY_INK,
    HERE_INK,
    LABEL_INK,
    MARK_INK,
    NO_INK,
    RULE_INK,
    SPAN_INK,
)
from trainctl.tui.charts.labels import Frame
from trainctl.tui.charts.legend import GAP, Entry, entries, fitting, subtitle
from trainctl.tui.charts.mouse import Pointable
from trainctl.tui.charts.plot import Content
from trainctl.tui.charts.pyramid import Points
from trainctl.tui.charts.raster import Glyphs
from trainctl.tui.charts.room import FRAME_ROWS, Demand
from trainctl.tui.plain import fitted
from trainctl.tui.spoken import said

NUM_SERIES_COLOURS = 8
LEAST_GUTTER = 6
"""Columns in which most labels have room: more are taken only where one has not."""
FAINTNESS = 0.5
"""How far what is faint is blended into the background."""
Look = tuple[int, int, Glyphs, bool, int]
"""What a drawing depends on beside its content: width, height, characters, letters for colours, columns on the left."""
STRIP_ROWS, MOST_STRIPS = 2, 4
"""Rows that a panel asks for each strip, and strips for which it does."""
FAINT_INK = 100
"""Ink of the secondary series: what is behind or ahead of the present."""

_CLASSES = {
    NO_INK: "chart--empty",
    BAD_INK: "chart--bad",
    SPAN_INK: "chart--span",
    BAND_INK: "chart--band",
    RULE_INK: "chart--rule",
    MARK_INK: "chart--mark",
    HERE_INK: "chart--here",
    CURSOR_INK: "chart--cursor",
    LABEL_INK: "chart--label",
    EMPTY_INK: "chart--label",
    FAINT_INK: "chart--faint",
}


class Gutter:
    """Columns left of the plots of charts that stand under one another: as many as the widest of their labels takes.

    Args:
        grew: called when a label needed more, so that the other charts draw themselves anew.
    """

    def __init__(self, grew: Callable[[], object] = lambda: None) -> None:
        self.width = LEAST_GUTTER
        self._grew = grew

    def claim(self, wanted: int) -> bool:
        """A chart wants so many columns; returns whether there are more now."""
        if wanted <= self.width:
            return False
        self.width = wanted
        self._grew()
        return True


class Chart(Framed, Pointable, can_focus=True):
    """A chart with its legend in the border.

    Attributes:
        heading: name of the chart, first in its border.
        starts_log: whether the value axis is logarithmic at first.
        weight: of its part in the rows that no panel needs.
        least_rows: of plot and axis, below which it says too little.
        wanted_rows: with which it can be read, before other panels have more than their least; 0: no more than that.
        log_axis: whether it is now.
        glyphs: characters it is drawn with, for all charts of the process.
        plain_ink: whether there are no colours, so that lines need letters; for all charts of the process.
    """

    glyphs: ClassVar[Glyphs] = Glyphs.BRAILLE
    plain_ink: ClassVar[bool] = False
    heading: ClassVar[str] = ""
    starts_log: ClassVar[bool] = False
    weight: ClassVar[int] = 2
    least_rows: ClassVar[int] = 3
    wanted_rows: ClassVar[int] = 0

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        *_CLASSES.values(),
        *(f"chart--series-{k}" for k in range(NUM_SERIES_COLOURS)),
    }
    DEFAULT_CSS = (
        frame_css("Chart")
        + """
    Chart.-line, Chart.-line:focus { border: none; }
    Chart.-line:focus { background: $panel; }
    Chart > .chart--bad { color: $chart-bad; text-style: bold; }
    Chart > .chart--span { color: $chart-span; }
    Chart > .chart--band { color: $chart-span; }
    Chart > .chart--cursor { color: $accent; }
    Chart > .chart--rule { color: $chart-rule; }
    Chart > .chart--mark { color: $chart-mark; }
    Chart > .chart--here { color: $chart-here; text-style: bold; }
    Chart > .chart--label { color: $chart-label; }
    Chart > .chart--faint { color: $chart-faint; }
    Chart > .chart--series-0 { color: $series-0; }
    Chart > .chart--series-1 { color: $series-1; }
    Chart > .chart--series-2 { color: $series-2; }
    Chart > .chart--series-3 { color: $series-3; }
    Chart > .chart--series-4 { color: $series-4; }
    Chart > .chart--series-5 { color: $series-5; }
    Chart > .chart--series-6 { color: $series-6; }
    Chart > .chart--series-7 { color: $series-7; }
    """
    )

    def __init__(self, *, id: str | None = None) -> None:
        self._styles: dict[int, Style] = {}
        super().__init__(id=id)
        self.log_axis = self.starts_log
        self.content = Content()
        self._drawing: Drawing | None = None
        self._drawn_look: Look | None = None
        self._shown: Drawing | None = None
        self._is_due = False
        self._note = self._unseen = ""
        self._gutter = Gutter()
        self._line = ""

    def on_mount(self) -> None:
        """Show the heading before the first data."""
        self._write_legend()

    def share(self, gutter: Gutter) -> None:
        """Leave as much room for the labels as the charts above and below."""
        self._gutter = gutter

    def show_content(self, content: Content, note: str = "") -> None:
        """Draw this from now on; `note` stands in the lower border."""
        if self._line:
            self._line = ""
            self.remove_class("-line")
        self._note = note
        self._write_subtitle(content)
        # Points do not grow as other series do: the same points are the same picture.
        drawn = [*content.lines, *(line for strip in content.strips for line in strip.lines)]
        grows = not all(isinstance(line.series, Points) for line in drawn)
        if not grows and content == self.content and self._look == self._drawn_look:
            return
        self.content = content
        self._drawing = None
        self.draw_anew()  # what is asked for several times before it can be drawn is drawn once
        self._write_legend()

    def _draw_what_changed(self) -> None:
        """Ask for those rows only that differ from what stands on the screen."""
        self._is_due = False
        if not self.is_attached:
            return
        before, now = self._shown, self._current_drawing()
        if self._gutter.claim(now.wanted_gutter):
            now = self._current_drawing()
        self._shown = now
        if now.note != self._unseen:
            self._unseen = now.note
            self._write_subtitle(self.content)
        if before is None or before.chars.shape != now.chars.shape:
            self.refresh()
            return
        differ = (before.chars != now.chars) | (before.inks != now.inks)
        rows = np.flatnonzero(differ.any(axis=1)).tolist()
        if rows:
            self.refresh(*(Region(0, row, self.size.width, 1) for row in rows))

    def on_resize(self, event: Resize) -> None:
        """Another width has room for another legend."""
        self._write_legend()
        self._write_subtitle(self.content)

    def draw_anew(self) -> None:
        """Something that the drawing depends on has changed."""
        if not self._is_due:
            self._is_due = True
            self.call_next(self._draw_what_changed)

    def show_line(self, words: str) -> None:
        """Say this in a line of its own, without a plot, until there is a content again."""
        if words == self._line:
            return
        self._line, self.content, self._drawing = words, Content(empty=words), None
        self.add_class("-line")
        self.refresh()

    def demand(self, width: int) -> Demand:
        """A plot of a few rows with its axis; more make it finer."""
        del width
        if self._line:
            return Demand(1)
        wanted = self.wanted_rows + STRIP_ROWS * min(len(self.content.strips), MOST_STRIPS) if self.wanted_rows else 0
        return Demand(self.least_rows + FRAME_ROWS, wanted + FRAME_ROWS, weight=self.weight)

    def plot_frame(self) -> Frame | None:
        """Where the plot lies; none while there is nothing to draw."""
        return self._current_drawing().frame

    def toggle_log(self) -> bool:
        """Switch between linear and logarithmic; returns whether it is logarithmic now."""
        self.log_axis = not self.log_axis
        self._drawing = self._shown = None
        self._write_legend()
        self.call_next(self._draw_what_changed)
        return self.log_axis

    def _write_subtitle(self, content: Content) -> None:
        words = " · ".join(part for part in (self._unseen, self._note) if part)
        told = said(subtitle(content, words))
        self.set_subtitle(RichText(fitted(told, self.size.width - BORDER_WORDS) if self.size.width else told))

    def notify_style_update(self) -> None:
        """Colours changed with the theme."""
        super().notify_style_update()
        self._styles.clear()
        if self.is_mounted:
            self._write_legend()

    def render_line(self, y: int) -> Strip:
        """One row of cells."""
        if self._line:
            return self._line_strip() if y == 0 else Strip.blank(self.size.width, self.rich_style)
        drawing = self._current_drawing()
        if y >= len(drawing.chars):
            return Strip.blank(self.size.width, self.rich_style)
        text, inks = "".join(drawing.chars[y].tolist()), drawing.inks[y]
        edges = [0, *((inks[1:] != inks[:-1]).nonzero()[0] + 1).tolist(), len(inks)]
        segments = [Segment(text[a:b], self._style(int(inks[a]))) for a, b in pairwise(edges) if b > a]
        return Strip(segments, self.size.width)

    def _line_strip(self) -> Strip:
        heading = RichText.styled(f" {said(self.heading)}", "bold")
        line = RichText("").join([heading, RichText(f"{GAP}{said(self._line)}")])
        return Visual.to_strips(self, line, self.size.width, 1, self.visual_style, pad=True)[0]

    def as_text(self) -> str:
        """The chart as plain text, as it is drawn now."""
        return "\n".join(self._current_drawing().lines())

    def _current_drawing(self) -> Drawing:
        if self._drawing is None or self._look != self._drawn_look:
            width, height, glyphs, plain_ink, gutter = self._drawn_look = self._look
            content = replace(self.content, log=self.log_axis)
            self._drawing = draw(content, width, height, glyphs, plain_ink=plain_ink, gutter=gutter)
        return self._drawing

    @property
    def _look(self) -> Look:
        return self.size.width, self.size.height, self.glyphs, self.plain_ink, self._gutter.width

    def _style(self, ink: int) -> Style:
        if ink not in self._styles:
            self._styles[ink] = self._make_style(ink)
        return self._styles[ink]

    def _make_style(self, ink: int) -> Style:
        if ink >= DIM_INK:
            return self._weaker(self._style(ink - DIM_INK))
        return self.get_component_rich_style(_CLASSES.get(ink) or f"chart--series-{ink % NUM_SERIES_COLOURS}")

    def _weaker(self, style: Style) -> Style:
        """Half way to the background: not every terminal knows the attribute "dim", it is for those without colours."""
        if self.plain_ink or style.color is None or style.color.triplet is None:
            return style + Style(dim=True)
        colour = Color.from_rich_color(style.color).blend(self.background_colors[1], FAINTNESS, alpha=1)
        return style + Style(color=colour.rich_color)

    def _write_legend(self) -> None:
        heading, mode = said(self.heading), " log" if self.log_axis else ""
        found = entries(self.content, plain_ink=self.plain_ink)
        # Before the first layout nothing is known of the room; what is too much is cut off by the border itself.
        room = self.size.width - BORDER_WORDS - cell_len(heading + mode) if self.size.width else 10_000
        kept, left_out = fitting(found, room)
        parts = [RichText.styled(heading, "bold"), RichText.styled(mode, "$chart-label"), *map(self._entry, kept)]
        if left_out:
            parts.append(RichText.styled(f" +{left_out}", "$chart-label"))
        self.set_title(RichText("").join(parts))

    def _entry(self, entry: Entry) -> RichText:
        colour = "$chart-label" if entry.ink == FAINT_INK else f"$series-{entry.ink % NUM_SERIES_COLOURS}"
        # What is faint in the plot is not so here: it must be possible to read it.
        return RichText.styled(GAP + entry.text, f"{colour} italic" if entry.faint else colour)
