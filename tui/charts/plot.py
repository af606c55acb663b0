"""What a chart shows: lines, positions, rules and marks. Data only; knows no cells, no colours, no Textual."""

from __future__ import annotations

import math
from dataclasses import dataclass

from trainctl.tui.charts.positions import XMap
from trainctl.tui.charts.pyramid import Series

HEADROOM = 0.08
"""Largest part of the x axis that a growing chart leaves free."""

Rule = float | tuple[float, str]
"""A horizontal line: its value, or its value and a label."""


@dataclass(frozen=True)
class Line:
    """One series of a chart.

    Args:
        name: for the legend.
        series: the data.
        ink: number of its colour, 0 or more.
        join: connected; false: separate points.
        legend: whether it stands in the legend.
        symbol: a character for each point, for few points that must be seen (`*` in plain ASCII).
        faint: in a weaker shade of its colour and behind the others: what was expected, another run.
        x_map: where its own steps lie on the x axis; none: where those of the chart lie.
        smooth: whether the chart's smoothing is meant for it; a plan is not noise.
        joins_symbols: the symbol stands at its newest point alone, and the points are joined where they lie.
        drawn: false: it stands in the legend alone, as it lies elsewhere than the axis.
        dashed: told apart from another line by its form, where there are no colours too.
    """

    name: str
    series: Series
    ink: int
    join: bool = True
    legend: bool = True
    symbol: str = ""
    faint: bool = False
    x_map: XMap | None = None
    smooth: bool = True
    joins_symbols: bool = False
    drawn: bool = True
    dashed: bool = False

    @property
    def smoothed(self) -> bool:
        """Whether the chart's smoothing changes it."""
        return self.smooth and self.join and not self.symbol


@dataclass(frozen=True)
class Strip:
    """A small row below the plot: a series on a scale of its own, over the same positions, and words.

    Args:
        lines: the series, which share the scale; the first names the strip.
        words: what stands beside the name: figures, the ones that matter most first.
    """

    lines: tuple[Line, ...]
    words: str = ""

    @property
    def name(self) -> str:
        """What it shows."""
        return self.lines[0].name


@dataclass(frozen=True)
class EventMark:
    """Something that happened at a position: a letter at the top, and a line below it unless it is minor.

    With a value `y` the letter stands at that value.

    Args:
        words: what it was, said where the user points at its column.
        name: what stands for it in the border where nobody points: the code of a finding.
    """

    x: float
    letter: str
    line: bool = True
    y: float | None = None
    words: str = ""
    name: str = ""


@dataclass(frozen=True)
class Content:
    """Everything a chart shows.

    Args:
        lines: in order of drawing; a later one gives the colour of a shared cell.
        window: steps the user looks at, [start, stop), before everything else.
        x_range: steps shown otherwise, [start, stop); none: the extent of the lines.
        x_map: what stands on the x axis; none: steps. All other positions are steps.
        log: logarithmic value axis (linear anyway where no value is positive).
        rules: horizontal lines: values, or values with a label.
        bands: shaded ranges of values.
        spans: shaded parts [start, stop) of the x axis.
        here: step of the "you are here" line.
        cursor: step the user points at.
        growing: more is to come: the axis ends a little beyond the last step and stays there for a while, so that what
            is drawn does not shift with every step.
        smoothing: 0 none to 9: the range faint, smoothed means over it.
        x_unit: word behind the last position where there is no map.
        empty: what to say where nothing can be drawn.
        strips: small rows below the plot, what matters most first. Without a line they are all there is.
        first_strip: strips that are scrolled past.
    """

    lines: tuple[Line, ...] = ()
    window: tuple[float, float] | None = None
    x_range: tuple[float, float] | None = None
    x_map: XMap | None = None
    log: bool = False
    marks: tuple[EventMark, ...] = ()
    rules: tuple[Rule, ...] = ()
    bands: tuple[tuple[float, float], ...] = ()
    spans: tuple[tuple[float, float], ...] = ()
    here: float | None = None
    cursor: float | None = None
    smoothing: int = 0
    growing: bool = False
    x_unit: str = "step"
    empty: str = "no step yet"
    strips: tuple[Strip, ...] = ()
    first_strip: int = 0

    @property
    def has_anything(self) -> bool:
        """Whether there is a sample to draw, wherever it lies: an axis alone says nothing."""
        lines = [*self.lines, *(line for strip in self.strips for line in strip.lines)]
        return any(line.series.extent[1] > line.series.extent[0] for line in lines)

    def span(self) -> tuple[float, float]:
        """What is shown of the x axis, in its own unit; both ends equal when there is nothing."""
        asked = self.window or self.x_range
        if asked is not None:
            return self.x_of(asked[0]), self.x_of(asked[1])
        lines = self.lines or [line for strip in self.strips for line in strip.lines]
        ends = [(line.series.extent, line.x_map or self.x_map) for line in lines if line.drawn]
        shown = [
            (x_map.x_of(start), x_map.x_of(stop)) if x_map else (start, stop)
            for (start, stop), x_map in ends
            if stop > start
        ]
        if not shown:
            return 0.0, 0.0
        start, stop = min(start for start, _ in shown), max(stop for _, stop in shown)
        return start, start + roomy(stop - start) if self.growing else stop

    @property
    def unit(self) -> str:
        """What stands on the x axis, in a word."""
        return self.x_map.unit if self.x_map else self.x_unit

    def by_importance(self) -> list[Line]:
        """Lines of the legend: the first colour belongs to what matters most, though it is drawn last."""
        return sorted((line for line in self.lines if line.legend), key=lambda line: (line.faint, line.ink != 0))

    def levels(self) -> tuple[float, ...]:
        """Values of the rules."""
        return tuple(rule[0] if isinstance(rule, tuple) else rule for rule in self.rules)

    def x_of(self, step: float) -> float:
        """Where a step lies on the x axis."""
        return self.x_map.x_of(float(step)) if self.x_map else float(step)


def roomy(span: float) -> float:
    """The next of a ladder of lengths, at most `HEADROOM` more than `span`."""
    if not 0 < span < math.inf:
        return span
    rung = math.ceil(math.log(span) / math.log1p(HEADROOM) - 1e-9)
    return max((1 + HEADROOM) ** rung, span)
