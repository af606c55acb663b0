"""The widget that shows a chart: turns cells into strips and puts the legend into the border.

Draws only when asked and only what changed. Knows no run; what to show is the `Content` it is given.
"""

from __future__ import annotations

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

from trainctl.tui.charts.drawing import Drawing, draw
from trainctl.tui.charts.framed import Framed, frame_css
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
from trainctl.tui.charts.legend import GAP, MORE, Entry, entries, fitting, subtitle
from trainctl.tui.charts.mouse import Pointable
from trainctl.tui.charts.plot import Content
from trainctl.tui.charts.pyramid import Points
from trainctl.tui.charts.raster import Glyphs

NUM_SERIES_COLOURS = 8
FAINTNESS = 0.5
"""How far what is faint is blended into the background."""
Look = tuple[int, int, Glyphs, bool]
"""What a drawing depends on beside its content: width, height, characters, letters for colours."""
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


class Chart(Framed, Pointable, can_focus=True):
    """A chart with its legend in the border.

    Attributes:
        heading: name of the chart, first in its border.
        starts_log: whether the value axis is logarithmic at first.
        log_axis: whether it is now.
        glyphs: characters it is drawn with, for all charts of the process.
        plain_ink: whether there are no colours, so that lines need letters; for all charts of the process.
    """

    glyphs: ClassVar[Glyphs] = Glyphs.BRAILLE
    plain_ink: ClassVar[bool] = False
    heading: ClassVar[str] = ""
    starts_log: ClassVar[bool] = False

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        *_CLASSES.values(),
        *(f"chart--series-{k}" for k in range(NUM_SERIES_COLOURS)),
    }
    DEFAULT_CSS = (
        frame_css("Chart")
        + """
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

    def on_mount(self) -> None:
        """Show the heading before the first data."""
        self._write_legend()

    def show_content(self, content: Content, note: str = "") -> None:
        """Draw this from now on; `note` stands in the lower border."""
        self._note = note
        self._write_subtitle(content)
        # Points do not grow as other series do: the same points are the same picture.
        grows = not all(isinstance(line.series, Points) for line in content.lines)
        if not grows and content == self.content and self._look == self._drawn_look:
            return
        self.content = content
        self._drawing = None
        if not self._is_due:
            # What is asked for several times before it can be drawn is drawn once.
            self._is_due = True
            self.call_next(self._draw_what_changed)
        self._write_legend()

    def _draw_what_changed(self) -> None:
        """Ask for those rows only that differ from what stands on the screen."""
        self._is_due = False
        if not self.is_attached:
            return
        before, now = self._shown, self._current_drawing()
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
        self.set_subtitle(RichText(subtitle(content, words)))

    def notify_style_update(self) -> None:
        """Colours changed with the theme."""
        super().notify_style_update()
        self._styles.clear()
        if self.is_mounted:
            self._write_legend()

    def render_line(self, y: int) -> Strip:
        """One row of cells."""
        drawing = self._current_drawing()
        if y >= len(drawing.chars):
            return Strip.blank(self.size.width, self.rich_style)
        text, inks = "".join(drawing.chars[y].tolist()), drawing.inks[y]
        edges = [0, *((inks[1:] != inks[:-1]).nonzero()[0] + 1).tolist(), len(inks)]
        segments = [Segment(text[a:b], self._style(int(inks[a]))) for a, b in pairwise(edges) if b > a]
        return Strip(segments, self.size.width)

    def as_text(self) -> str:
        """The chart as plain text, as it is drawn now."""
        return "\n".join(self._current_drawing().lines())

    def _current_drawing(self) -> Drawing:
        if self._drawing is None or self._look != self._drawn_look:
            width, height, glyphs, plain_ink = self._drawn_look = self._look
            content = replace(self.content, log=self.log_axis)
            self._drawing = draw(content, width, height, glyphs, plain_ink=plain_ink)
        return self._drawing

    @property
    def _look(self) -> Look:
        return self.size.width, self.size.height, self.glyphs, self.plain_ink

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
        mode = " log" if self.log_axis else ""
        found = entries(self.content, plain_ink=self.plain_ink)
        # Before the first layout nothing is known of the room; what is too much is cut off by the border itself.
        room = self.size.width - 2 - cell_len(self.heading + mode) if self.size.width else 10_000
        kept, all_kept = fitting(found, room)
        parts = [RichText.styled(self.heading, "bold"), RichText.styled(mode, "dim"), *map(self._entry, kept)]
        if not all_kept:
            parts.append(RichText.styled(GAP + MORE, "$chart-label"))
        self.set_title(RichText("").join(parts))

    def _entry(self, entry: Entry) -> RichText:
        colour = "$chart-label" if entry.ink == FAINT_INK else f"$series-{entry.ink % NUM_SERIES_COLOURS}"
        return RichText.styled(GAP + entry.text, f"{colour} {1 - FAINTNESS:.0%}" if entry.faint else colour)
