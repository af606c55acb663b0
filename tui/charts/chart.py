"""The widget that shows a chart: turns cells into strips and puts the legend into the border.

Draws only when asked and only what changed. Knows no run; what to show is the `Content` it is given.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.content import Content as RichText
from textual.strip import Strip
from textual.widget import Widget

from trainctl.tui.charts.axis import short
from trainctl.tui.charts.plot import EMPTY_INK, LABEL_INK, Content, Line, draw
from trainctl.tui.charts.raster import (
    BAD_INK,
    HERE_INK,
    MARK_INK,
    NO_INK,
    RULE_INK,
    SPAN_INK,
    Glyphs,
    Raster,
)

NUM_SERIES_COLOURS = 8
FAINT_INK = 100
"""Ink of the secondary series: what is behind or ahead of the present."""

_CLASSES = {
    NO_INK: "chart--empty",
    BAD_INK: "chart--bad",
    SPAN_INK: "chart--span",
    RULE_INK: "chart--rule",
    MARK_INK: "chart--mark",
    HERE_INK: "chart--here",
    LABEL_INK: "chart--label",
    EMPTY_INK: "chart--label",
    FAINT_INK: "chart--faint",
}


class Chart(Widget, can_focus=True):
    """A chart with its legend in the border.

    Attributes:
        heading: name of the chart, first in its border.
        starts_log: whether the value axis is logarithmic at first.
        log_axis: whether it is now.
        glyphs: characters it is drawn with, for all charts of the process.
    """

    glyphs: ClassVar[Glyphs] = Glyphs.BRAILLE
    heading: ClassVar[str] = ""
    starts_log: ClassVar[bool] = False

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        *_CLASSES.values(),
        *(f"chart--series-{k}" for k in range(NUM_SERIES_COLOURS)),
    }
    DEFAULT_CSS = """
    Chart { height: 1fr; border: round $chart-border; border-title-color: $foreground;
            border-subtitle-color: $chart-label; }
    Chart:focus { border: round $accent; }
    Chart > .chart--bad { color: $chart-bad; text-style: bold; }
    Chart > .chart--span { color: $chart-span; }
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

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.log_axis = self.starts_log
        self.content = Content()
        self._raster: Raster | None = None
        self._drawn_size = (-1, -1)

    def on_mount(self) -> None:
        """Show the heading before the first data."""
        self._write_legend()

    def show_content(self, content: Content, note: str = "") -> None:
        """Draw this from now on; `note` stands in the lower border."""
        self.content = content
        self._raster = None
        self._write_legend()
        self.border_subtitle = RichText(note)
        self.refresh()

    def toggle_log(self) -> bool:
        """Switch between linear and logarithmic; returns whether it is logarithmic now."""
        self.log_axis = not self.log_axis
        self._raster = None
        self._write_legend()
        self.refresh()
        return self.log_axis

    def notify_style_update(self) -> None:
        """Colours changed with the theme."""
        super().notify_style_update()
        if self.is_mounted:
            self._write_legend()

    def render_line(self, y: int) -> Strip:
        """One row of cells."""
        raster = self._current_raster()
        if y >= len(raster.chars):
            return Strip.blank(self.size.width)
        chars, inks = raster.chars[y], raster.inks[y]
        edges = [0, *((inks[1:] != inks[:-1]).nonzero()[0] + 1), len(inks)]
        segments = [Segment("".join(chars[a:b]), self._style(int(inks[a]))) for a, b in pairwise(edges) if b > a]
        return Strip(segments, self.size.width)

    def as_text(self) -> str:
        """The chart as plain text, as it is drawn now."""
        return "\n".join(self._current_raster().lines())

    def _current_raster(self) -> Raster:
        size = (self.size.width, self.size.height)
        if self._raster is None or size != self._drawn_size:
            self._drawn_size = size
            self._raster = draw(replace(self.content, log=self.log_axis), *size, self.glyphs)
        return self._raster

    def _style(self, ink: int) -> Style:
        return self.get_component_rich_style(_CLASSES.get(ink) or f"chart--series-{ink % NUM_SERIES_COLOURS}")

    def _write_legend(self) -> None:
        parts: list[RichText] = [RichText.styled(self.heading, "bold")]
        if self.log_axis:
            parts.append(RichText.styled(" log", "dim"))
        # The first colour belongs to what matters most, though it is drawn last.
        for line in sorted(self.content.lines, key=lambda line: line.ink != 0):
            if line.legend:
                parts.append(self._legend_entry(line))
        self.border_title = RichText("").join(parts)

    def _legend_entry(self, line: Line) -> RichText:
        colour = f"$series-{line.ink % NUM_SERIES_COLOURS}" if line.ink != FAINT_INK else "$chart-label"
        last = getattr(line.series, "last", None)
        value = f" {short(last)}" if isinstance(last, float) else ""
        symbol = f"{line.symbol} " if line.symbol else ""
        return RichText.styled(f"  {symbol}{line.name}{value}", colour)
