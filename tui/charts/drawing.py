"""A whole chart as cells: value labels on the left, positions below, the raster between. Pure, no Textual."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trainctl.tui.charts.axis import Axis, Labelled, fit_axis, row_axis
from trainctl.tui.charts.blocks import Envelope, Floats
from trainctl.tui.charts.inks import CURSOR_INK, EMPTY_INK, HERE_INK, LABEL_INK, MARK_INK, NO_INK
from trainctl.tui.charts.labels import Frame, value_labels, write, write_positions, write_rule_labels
from trainctl.tui.charts.legend import line_letters, mark_words
from trainctl.tui.charts.plot import Content, Line
from trainctl.tui.charts.raster import Glyphs, Mark, Raster, Trace, rasterise
from trainctl.tui.charts.smoothing import smoothed
from trainctl.tui.charts.strips import strip_plan, without_room, write_strips
from trainctl.tui.plain import columns, cut, printable
from trainctl.tui.spoken import said

LIKELY_GUTTER = 5
MOST_NAMED = 3


@dataclass(frozen=True)
class Drawing(Raster):
    """A chart in cells, and where its plot lies; no frame when there was nothing to draw."""

    frame: Frame | None = None
    note: str = ""
    """What the marks say, and what of the content cannot be seen on this axis."""
    wanted_gutter: int = 0
    """Columns that the value labels take, whatever there is of them."""


def draw(
    content: Content,
    width: int,
    height: int,
    glyphs: Glyphs = Glyphs.BRAILLE,
    *,
    plain_ink: bool = False,
    gutter: int = 0,
) -> Drawing:
    """The chart in exactly `height` x `width` cells, labels included.

    Args:
        plain_ink: there are no colours: each line carries its letter of the legend.
        gutter: columns left of the plot at least, where charts stand under one another.
    """
    letters = line_letters(content) if plain_ink else [""] * len(content.lines)
    letters = [letter for letter, line in zip(letters, content.lines, strict=True) if line.drawn]
    content = replace(content, lines=tuple(line for line in content.lines if line.drawn))
    start, stop = content.span() if content.has_anything else (0.0, 0.0)
    if not stop > start or width < 4 or height < 2:
        return _message(content.empty, width, height)
    has_plot = bool(content.lines) or not content.strips
    plan = strip_plan(len(content.strips), height, has_plot=has_plot)
    rows = height - 1 - plan.height if has_plot else 0
    envelopes, labelled, labels, gutter = _fitted(content, start, stop, width, rows, glyphs, gutter)
    frame = Frame(gutter, width - gutter, start, stop, content.x_map)
    axis, marks = labelled.axis, _marks(content, frame)
    parts = zip(content.lines, envelopes, letters, strict=True)
    smoothing = content.smoothing
    traces = [trace for a, b, letter in parts for trace in _traces(a, b, smoothing, axis, glyphs, letter)]
    body = rasterise(
        traces,
        frame.room,
        rows,
        axis,
        glyphs=glyphs,
        marks=marks,
        rules=content.levels(),
        bands=content.bands,
        spans=tuple((frame.column_of_step(a), frame.column_of_step(b)) for a, b in content.spans),
    )
    write_rule_labels(body, content, axis)
    whole = _blank(width, height, frame)
    whole.chars[:rows, gutter:], whole.inks[:rows, gutter:] = body.chars, body.inks
    for row, text in labels.items():
        write(whole, row, 0, text[: gutter - 1].rjust(gutter - 1), LABEL_INK)
    write_strips(whole, content, plan, rows, frame, marks, glyphs)
    write_positions(whole, content, frame)
    note = _joined(mark_words(content, frame), _unseen(content, envelopes, axis), without_room(content, plan))
    return replace(whole, note=note, wanted_gutter=_wanted_gutter(labels))


def _joined(*notes: str) -> str:
    return " · ".join(words for words in notes if words)


def _unseen(content: Content, envelopes: list[Envelope], axis: Axis) -> str:
    """What a logarithmic axis cannot show, in words."""
    if not content.log:
        return ""
    if not axis.log:
        return "nothing above 0: linear axis"
    limits = [envelope.limits for envelope in envelopes]
    below = [line.name for line, ends in zip(content.lines, limits, strict=True) if ends is not None and ends[0] <= 0]
    more = f" and {len(below) - MOST_NAMED} more" if len(below) > MOST_NAMED else ""
    return f"0 or less, not on a log axis: {printable(', '.join(below[:MOST_NAMED]))}{more}" if below else ""


def _fitted(
    content: Content, start: float, stop: float, width: int, rows: int, glyphs: Glyphs, least: int
) -> tuple[list[Envelope], Labelled, dict[int, str], int]:
    """Envelopes for the room the value labels leave; the labels follow from the envelopes: guess, then correct."""
    gutter = min(max(LIKELY_GUTTER, least), width // 2)
    envelopes = _envelopes(content, start, stop, (width - gutter) * glyphs.dots[1])
    labelled = row_axis(_value_axis(content, envelopes), rows, glyphs.dots[0])
    labels = value_labels(labelled)
    needed = min(max(_wanted_gutter(labels), least), width // 2)
    if needed != gutter:
        envelopes = _envelopes(content, start, stop, (width - needed) * glyphs.dots[1])
    return envelopes, labelled, labels, needed


def _wanted_gutter(labels: Mapping[int, str]) -> int:
    return max((len(text) for text in labels.values()), default=0) + 1


def _envelopes(content: Content, start: float, stop: float, columns: int) -> list[Envelope]:
    return [line.series.envelope(start, stop, columns, line.x_map or content.x_map) for line in content.lines]


def _traces(line: Line, envelope: Envelope, smoothing: int, axis: Axis, glyphs: Glyphs, letter: str) -> list[Trace]:
    """The line as it is, or its faint range and the trend over it; of what is faint anyway, the trend alone."""
    symbol = line.symbol
    if symbol and glyphs is Glyphs.ASCII:
        symbol = letter or "*"
    if symbol and line.joins_symbols:
        newest = np.flatnonzero(~np.isnan(envelope.mean))[-1:]
        only = replace(envelope, lo=_only(envelope.lo, newest), hi=_only(envelope.hi, newest))
        joined = Trace(envelope, line.ink, faint=line.faint, dashed=line.dashed)
        # No letter: the symbol stands where it would.
        return [joined, Trace(only, line.ink, symbol=symbol)]
    if not (smoothing > 0 and line.smoothed):
        return [Trace(envelope, line.ink, line.join, symbol, line.faint, letter)]
    trend = Trace(smoothed(envelope, smoothing, log=axis.log), line.ink, faint=line.faint, letter=letter)
    return [trend] if line.faint else [Trace(envelope, line.ink, faint=True), trend]


def _only(values: Floats, at: NDArray[np.int64]) -> Floats:
    """Values at some places alone, NaN elsewhere."""
    found = np.full_like(values, np.nan)
    found[at] = values[at]
    return found


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
        # A column may reach down to zero: what is positive in it is at most its upper end.
        ends = [end[end > 0] for envelope in envelopes for end in (envelope.lo, envelope.hi)]
        smallest = [float(values.min()) for values in ends if len(values)]
        return fit_axis(min(smallest, default=high), high, log=True)
    return fit_axis(low, high)


def _marks(content: Content, frame: Frame) -> tuple[Mark, ...]:
    marks = [
        Mark(frame.column_of_step(mark.x), mark.letter, MARK_INK if mark.y is None else HERE_INK, mark.line, mark.y)
        for mark in content.marks
    ]
    for step, ink in ((content.here, HERE_INK), (content.cursor, CURSOR_INK)):
        column = None if step is None else frame.line_at_step(step)
        if column is not None:
            marks.append(Mark(column, "", ink))
    return tuple(marks)


def _message(text: str, width: int, height: int) -> Drawing:
    whole = _blank(width, height)
    if height > 0 and width > 0:
        text = cut(said(text), width)
        write(whole, (height - 1) // 2, (width - columns(text)) // 2, text, EMPTY_INK)
    return whole


def _blank(width: int, height: int, frame: Frame | None = None) -> Drawing:
    shape = (max(height, 0), max(width, 0))
    return Drawing(np.full(shape, " "), np.full(shape, NO_INK, np.int64), frame)
