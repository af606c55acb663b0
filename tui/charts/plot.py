"""A whole chart as cells: value labels on the left, positions below, the raster between. Pure, no Textual."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from trainctl.tui.charts.axis import Axis, fit_axis, short, ticks
from trainctl.tui.charts.blocks import Envelope
from trainctl.tui.charts.positions import XMap
from trainctl.tui.charts.pyramid import Series
from trainctl.tui.charts.raster import HERE_INK, MARK_INK, NO_INK, Glyphs, Mark, Raster, Trace, rasterise

Rule = float | tuple[float, str]

LABEL_INK = -7
"""Numbers on the axes."""
EMPTY_INK = -8
"""The words where there is nothing to draw."""


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

    def trace(self, envelope: Envelope, glyphs: Glyphs) -> Trace:
        """The line reduced to columns."""
        symbol = "*" if self.symbol and glyphs is Glyphs.ASCII else self.symbol
        return Trace(envelope, self.ink, self.join, symbol)


@dataclass(frozen=True)
class EventMark:
    """Something that happened at a position: a letter at the top, and a line below it unless it is minor."""

    x: float
    letter: str
    line: bool = True


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
        smoothing: 0 none to 9: the range faint, smoothed means over it.
        x_unit: word behind the last position where there is no map.
        empty: what to say where nothing can be drawn.
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
    x_unit: str = "step"
    empty: str = "no step yet"

    def span(self) -> tuple[float, float]:
        """What is shown of the x axis, in its own unit; both ends equal when there is nothing."""
        asked = self.window or self.x_range
        if asked is not None:
            return self.x_of(asked[0]), self.x_of(asked[1])
        ends = [(line.series.extent, line.x_map or self.x_map) for line in self.lines]
        shown = [
            (x_map.x_of(start), x_map.x_of(stop)) if x_map else (start, stop)
            for (start, stop), x_map in ends
            if stop > start
        ]
        if not shown:
            return 0.0, 0.0
        return min(start for start, _ in shown), max(stop for _, stop in shown)

    def levels(self) -> tuple[float, ...]:
        """Values of the rules."""
        return tuple(rule[0] if isinstance(rule, tuple) else rule for rule in self.rules)

    def x_of(self, step: float) -> float:
        """Where a step lies on the x axis."""
        return self.x_map.x_of(float(step)) if self.x_map else float(step)


def draw(content: Content, width: int, height: int, glyphs: Glyphs = Glyphs.BRAILLE) -> Raster:
    """The chart in exactly `height` x `width` cells, labels included."""
    start, stop = content.span()
    if stop <= start or width < 4 or height < 2:
        return _message(content.empty, width, height)
    # The labels decide how much room is left, and the room decides which labels there are: fit twice.
    axis = _value_axis(content, _envelopes(content, start, stop, width * glyphs.dots[1]))
    labels = _value_labels(axis, height - 1)
    gutter = min(max((len(text) for text in labels.values()), default=0) + 1, width // 2)
    room = width - gutter
    envelopes = _envelopes(content, start, stop, room * glyphs.dots[1])
    body = rasterise(
        [line.trace(envelope, glyphs) for line, envelope in zip(content.lines, envelopes, strict=True)],
        room,
        height - 1,
        axis,
        glyphs=glyphs,
        marks=_marks(content, start, stop, room),
        rules=content.levels(),
        spans=tuple(
            (_column(content.x_of(a), start, stop, room), _column(content.x_of(b), start, stop, room))
            for a, b in content.spans
        ),
    )
    whole = _blank(width, height)
    whole.chars[: height - 1, gutter:], whole.inks[: height - 1, gutter:] = body.chars, body.inks
    for row, text in labels.items():
        _write(whole, row, 0, text[: gutter - 1].rjust(gutter - 1), LABEL_INK)
    _write_positions(whole, content, start, stop, gutter)
    return whole


def _envelopes(content: Content, start: float, stop: float, columns: int) -> list[Envelope]:
    return [line.series.envelope(start, stop, columns, line.x_map or content.x_map) for line in content.lines]


def _value_axis(content: Content, envelopes: list[Envelope]) -> Axis:
    """The range of what is drawn, rules included as long as they do not flatten the rest."""
    limits = [envelope.limits for envelope in envelopes]
    lows = [pair[0] for pair in limits if pair] or [0.0]
    highs = [pair[1] for pair in limits if pair] or [1.0]
    low, high = min(lows), max(highs)
    for value in content.levels():
        if high < value <= high + 2 * (high - low):
            high = value
    if content.log and high > 0:
        positive = [envelope.lo[envelope.lo > 0] for envelope in envelopes]
        smallest = [float(values.min()) for values in positive if len(values)]
        # A column may reach down to zero: what is positive in it is at most its upper end.
        above = [envelope.hi[envelope.hi > 0] for envelope in envelopes]
        smallest += [float(values.min()) for values in above if len(values)]
        return fit_axis(min(smallest), high, log=True)
    return fit_axis(low, high)


def _value_labels(axis: Axis, rows: int) -> dict[int, str]:
    labels: dict[int, str] = {}
    for value in ticks(axis, max(min(rows // 2, 7), 2)):
        row = min(max(round((1 - axis.place(value)) * (rows - 1)), 0), rows - 1)
        labels.setdefault(row, short(value))
    return labels


def _column(x: float, start: float, stop: float, room: int) -> int:
    return math.floor((x - start) / (stop - start) * room)


def _marks(content: Content, start: float, stop: float, room: int) -> tuple[Mark, ...]:
    marks = [
        Mark(_column(content.x_of(mark.x), start, stop, room), mark.letter, MARK_INK, mark.line)
        for mark in content.marks
    ]
    if content.here is not None:
        marks.append(Mark(min(_column(content.x_of(content.here), start, stop, room), room - 1), "", HERE_INK))
    return tuple(marks)


def _write_positions(whole: Raster, content: Content, start: float, stop: float, gutter: int) -> None:
    """First and last position in the last row, and where we are, as far as there is room."""
    height, width = whole.chars.shape
    left, right = short(start), f"{short(max(stop - 1, start), 4)} {content.x_unit}"
    if gutter + len(left) + 1 + len(right) > width:
        left = ""
    _write(whole, height - 1, max(width - len(right), 0), right[:width], LABEL_INK)
    _write(whole, height - 1, gutter, left, LABEL_INK)
    if content.here is None:
        return
    number, column = short(content.here, 6), _column(content.x_of(content.here), start, stop, width - gutter)
    at = gutter + min(column, width - gutter - 1)
    fits = at + len(number) + 1 < width - len(right)
    text, first = (f"^{number}", at) if fits else (f"{number}^", at - len(number))
    free = whole.inks[height - 1, max(first - 1, 0) : first + len(text) + 1] == NO_INK
    if first > gutter and free.all():
        _write(whole, height - 1, first, text, HERE_INK)


def _message(text: str, width: int, height: int) -> Raster:
    whole = _blank(width, height)
    if height > 0 and width > 0:
        text = text[:width]
        _write(whole, (height - 1) // 2, (width - len(text)) // 2, text, EMPTY_INK)
    return whole


def _blank(width: int, height: int) -> Raster:
    shape = (max(height, 0), max(width, 0))
    return Raster(np.full(shape, " "), np.full(shape, NO_INK, np.int64))


def _write(whole: Raster, row: int, column: int, text: str, ink: int) -> None:
    end = min(column + len(text), whole.chars.shape[1])
    whole.chars[row, column:end] = list(text[: end - column])
    whole.inks[row, column:end] = ink
