"""Series to character cells: what goes where, and in whose colour. Pure, no Textual, no colours, no files.

A plot is drawn in layers: shaded ranges, horizontal and vertical lines, faint traces, then the traces in order. A cell
has one colour: where traces share one, the later gives the colour and the dots of both are kept, so that none has a
hole. Faint traces give way: a cell that another trace touches shows that one alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from trainctl.tui.charts.axis import Axis
from trainctl.tui.charts.blocks import Envelope
from trainctl.tui.charts.inks import BAD_INK, BAND_INK, CURSOR_INK, DIM_INK, MARK_INK, NO_INK, RULE_INK, SPAN_INK

Ints = NDArray[np.int64]
Bits = NDArray[np.uint8]


class Glyphs(StrEnum):
    """Which characters the terminal can show."""

    BRAILLE = "braille"
    BLOCK = "block"
    ASCII = "ascii"

    @property
    def dots(self) -> tuple[int, int]:
        """Dots per cell: (rows, columns)."""
        return {"braille": (4, 2), "block": (2, 2), "ascii": (2, 1)}[self.value]


@dataclass(frozen=True)
class Trace:
    """One series reduced to the dot columns of the plot, and the ink it is drawn in.

    Args:
        envelope: shape (width x dots per cell,).
        ink: number the cells carry, 0 or more.
        join: connect neighbours with a line; false: points only.
        symbol: character for each point instead of dots, for few points that must be seen.
        faint: in a weaker shade, and only in cells that no other trace needs.
        letter: stands at the right end, where lines cannot be told apart by colour.
        dashed: every other stretch of it is left out; that of a single point never.
    """

    envelope: Envelope
    ink: int
    join: bool = True
    symbol: str = ""
    faint: bool = False
    letter: str = ""
    dashed: bool = False

    @property
    def shade(self) -> int:
        """The ink its cells carry."""
        return self.ink + DIM_INK if self.faint else self.ink


@dataclass(frozen=True)
class Mark:
    """A vertical line in a column of cells, with a letter at its top, or at a value; or the letter alone."""

    column: int
    letter: str
    ink: int = MARK_INK
    line: bool = True
    value: float | None = None

    def stroke(self, plain: bool) -> str:
        """Character of its line."""
        if self.ink == CURSOR_INK:
            return "|" if plain else "│"
        return ":" if plain else "┊"


@dataclass(frozen=True)
class Raster:
    """Characters and inks of a plot, both of shape (height, width)."""

    chars: NDArray[np.str_]
    inks: Ints

    def lines(self) -> list[str]:
        """The text alone, a string per row."""
        return ["".join(row) for row in self.chars]


SEVERAL = "◈"
"""Stands where the points of several traces share a cell."""
_BRAILLE = np.array([chr(0x2800 + k) for k in range(256)])
_QUADRANTS = np.array(list(" ▘▝▀▖▌▞▛▗▚▐▜▄▙▟█"))
_ASCII = np.array(list(" '.:"))
_BRAILLE_BITS = ((0, 1, 2, 6), (3, 4, 5, 7))
"""Bit of each dot of a cell, by column and row; the order of Unicode's braille patterns, U+2800 and following."""
_QUADRANT_BITS = ((0, 2), (1, 3))
_ASCII_BITS = ((0, 1),)


def _stretches(bits: tuple[tuple[int, ...], ...]) -> NDArray[np.uint8]:
    """Bits of a cell's column from dot `first` up to dot `end`, shape (columns, rows + 1, rows + 1)."""
    rows = len(bits[0])
    found = np.zeros((len(bits), rows + 1, rows + 1), np.uint8)
    for column, order in enumerate(bits):
        for first in range(rows):
            for end in range(first + 1, rows + 1):
                found[column, first, end] = sum(1 << order[k] for k in range(first, end))
    return found


_TABLES = {
    Glyphs.BRAILLE: (_stretches(_BRAILLE_BITS), _BRAILLE),
    Glyphs.BLOCK: (_stretches(_QUADRANT_BITS), _QUADRANTS),
    Glyphs.ASCII: (_stretches(_ASCII_BITS), _ASCII),
}


def rasterise(
    traces: list[Trace],
    width: int,
    height: int,
    axis: Axis,
    *,
    glyphs: Glyphs = Glyphs.BRAILLE,
    marks: tuple[Mark, ...] = (),
    rules: tuple[float, ...] = (),
    bands: tuple[tuple[float, float], ...] = (),
    spans: tuple[tuple[int, int], ...] = (),
) -> Raster:
    """Draw traces and annotations into `height` x `width` cells.

    Args:
        traces: in order of drawing; a later one gives the colour of a shared cell.
        axis: value axis; what lies outside is drawn at the edge.
        marks: vertical lines, drawn behind the traces.
        rules: values at which a horizontal line is drawn behind the traces.
        bands: ranges of values that are shaded.
        spans: columns [start, stop) that are shaded.
    """
    chars = np.full((height, width), " ")
    inks = np.full((height, width), NO_INK, np.int64)
    if width <= 0 or height <= 0:
        return Raster(chars, inks)
    plain = glyphs is Glyphs.ASCII
    for start, stop in spans:
        part = np.s_[:, max(start, 0) : max(stop, 0)]
        chars[part], inks[part] = ("." if plain else "░"), SPAN_INK
    for low, high in bands:
        part = _rows_between(low, high, height, axis)
        chars[part], inks[part] = ("," if plain else "·"), BAND_INK
    for value in rules:
        row = row_of(value, height, axis)
        if row is not None:
            chars[row], inks[row] = ("-" if plain else "╌"), RULE_INK
    for mark in marks:
        if mark.line and 0 <= mark.column < width:
            chars[:, mark.column], inks[:, mark.column] = mark.stroke(plain), mark.ink
    _draw_traces(traces, chars, inks, axis, glyphs)
    _write_marks(marks, chars, inks, axis, glyphs)
    _write_bad(traces, chars, inks, glyphs)
    _write_letters(traces, chars, inks, axis, glyphs)
    return Raster(chars, inks)


def row_of(value: float, height: int, axis: Axis) -> int | None:
    """Row of cells a value lies in; none outside the axis."""
    place = axis.place(value)
    return min(int((1 - place) * height), height - 1) if 0 <= place <= 1 else None


def _rows_between(low: float, high: float, height: int, axis: Axis) -> slice:
    ends = axis.place(low), axis.place(high)
    if not (ends[0] < 1 and ends[1] > 0 and ends[0] <= ends[1]):
        return slice(0, 0)
    bottom, top = (min(max(end, 0.0), 1.0) for end in ends)
    return slice(int((1 - top) * height), max(math.ceil((1 - bottom) * height), int((1 - top) * height) + 1))


def _draw_traces(traces: list[Trace], chars: NDArray[np.str_], inks: Ints, axis: Axis, glyphs: Glyphs) -> None:
    """Faint traces first; their dots are forgotten, so that they do not blur the others."""
    has_symbol = np.zeros(chars.shape, np.bool_)
    for faint in (True, False):
        dots = np.zeros(chars.shape, np.uint8)
        for trace in traces:
            if trace.faint is not faint:
                continue
            if trace.symbol:
                _draw_symbols(trace, has_symbol, chars, inks, axis, glyphs)
            else:
                _draw_dots(trace, dots, chars, inks, axis, glyphs)


def _draw_dots(trace: Trace, dots: Bits, chars: NDArray[np.str_], inks: Ints, axis: Axis, glyphs: Glyphs) -> None:
    """Add a trace to `dots`, the dots drawn so far as bits of each cell."""
    cells = _cells(trace, chars.shape, axis, glyphs)
    if trace.dashed:
        cells[:, 1::2] = 0
    touched = np.nonzero(cells)
    dots |= cells
    chars[touched], inks[touched] = _TABLES[glyphs][1][dots[touched]], trace.shade


def _draw_symbols(
    trace: Trace, has_symbol: NDArray[np.bool_], chars: NDArray[np.str_], inks: Ints, axis: Axis, glyphs: Glyphs
) -> None:
    """A symbol in the cell of each point; where another one stands in it, the sign that says so."""
    top, bottom = (rows // glyphs.dots[0] for rows in dot_ranges(trace.envelope, len(chars) * glyphs.dots[0], axis))
    there = np.flatnonzero(bottom >= 0)
    for rows in (top, bottom):
        at = rows[there], there // glyphs.dots[1]
        is_shared = has_symbol[at] & (chars[at] != trace.symbol)
        chars[at] = np.where(is_shared, "%" if glyphs is Glyphs.ASCII else SEVERAL, trace.symbol)
        inks[at] = trace.shade
    for rows in (top, bottom):
        has_symbol[rows[there], there // glyphs.dots[1]] = True


def _cells(trace: Trace, shape: tuple[int, ...], axis: Axis, glyphs: Glyphs) -> Bits:
    """Dots a trace covers, as bits of each cell."""
    (height, width), (rows, columns) = shape, glyphs.dots
    assert len(trace.envelope.lo) == width * columns, "an envelope has one entry per column of dots"
    top, bottom = dot_ranges(trace.envelope, height * rows, axis)
    if trace.join:
        top, bottom = _joined(top, bottom, trace.envelope.bad)
    above = np.arange(height)[:, None] * rows
    first, end = (top - above).clip(0, rows), (bottom + 1 - above).clip(0, rows)
    stretches = _TABLES[glyphs][0]
    cells = np.zeros((height, width), np.uint8)
    for column in range(columns):
        cells |= stretches[column, first[:, column::columns], end[:, column::columns]]
    return cells


def dot_ranges(envelope: Envelope, rows: int, axis: Axis) -> tuple[Ints, Ints]:
    """First and last row of dots in each column; (rows, -1) where there is nothing to draw."""
    seen = ~np.isnan(envelope.lo)
    top, bottom = np.full(len(seen), rows), np.full(len(seen), -1)
    top[seen] = _rows_of(envelope.hi[seen], rows, axis)
    bottom[seen] = _rows_of(envelope.lo[seen], rows, axis)
    return top, bottom


def _rows_of(values: NDArray[np.float32], rows: int, axis: Axis) -> Ints:
    exact = values.astype(np.float64)
    if axis.log:
        low, high = np.log(axis.lo), np.log(axis.hi)
        place = (np.log(np.maximum(exact, axis.lo)) - low) / (high - low)
    else:
        place = (exact / 2 - axis.lo / 2) / (axis.hi / 2 - axis.lo / 2)
    return np.rint((1 - place.clip(0, 1)) * (rows - 1)).astype(np.int64)


def _joined(top: Ints, bottom: Ints, bad: NDArray[np.bool_]) -> tuple[Ints, Ints]:
    """Fill columns without a sample along a straight line, then let each column reach its left neighbour.

    Nothing is drawn across a sample that was not finite.
    """
    there = np.flatnonzero(bottom >= 0)
    if len(there) < 2:
        return top, bottom
    top, bottom = top.copy(), bottom.copy()
    broken = np.cumsum(bad)
    whole = (broken[there[1:]] == broken[there[:-1]]) & ~bad[there[:-1]]
    between = np.flatnonzero(bottom[: there[-1]] < 0)
    between = between[between > there[0]]
    between = between[whole[np.searchsorted(there, between) - 1]]
    middle = np.interp(between, there, (top[there] + bottom[there]) / 2)
    top[between] = bottom[between] = np.rint(middle).astype(np.int64)
    left = np.flatnonzero((bottom[:-1] >= 0) & (bottom[1:] >= 0) & ~bad[:-1] & ~bad[1:])
    return _touched(top, bottom, left)


def _touched(top: Ints, bottom: Ints, left: Ints) -> tuple[Ints, Ints]:
    """Extend each column right of `left` up or down until it touches its neighbour."""
    right = left + 1
    reach_up, reach_down = top.copy(), bottom.copy()
    reach_up[right] = np.where(top[right] > bottom[left] + 1, bottom[left] + 1, top[right])
    reach_down[right] = np.where(bottom[right] < top[left] - 1, top[left] - 1, bottom[right])
    return reach_up, reach_down


def _write_marks(marks: tuple[Mark, ...], chars: NDArray[np.str_], inks: Ints, axis: Axis, glyphs: Glyphs) -> None:
    """The letter of each mark, over everything but another letter; a value outside the axis is at its edge."""
    for mark in marks:
        if 0 <= mark.column < chars.shape[1] and mark.letter:
            value = None if mark.value is None else np.array([mark.value], np.float32)
            row = 0 if value is None else int(_cell_rows(value, chars.shape[0], axis, glyphs)[0])
            chars[row, mark.column], inks[row, mark.column] = mark.letter[0], mark.ink


def _cell_rows(values: NDArray[np.float32], height: int, axis: Axis, glyphs: Glyphs) -> Ints:
    """Row of cells in which the dot of each value would be."""
    return _rows_of(values, height * glyphs.dots[0], axis) // glyphs.dots[0]


def _write_bad(traces: list[Trace], chars: NDArray[np.str_], inks: Ints, glyphs: Glyphs) -> None:
    """A cross at the top of each column that holds a sample that is not finite."""
    for trace in traces:
        columns = np.unique(np.flatnonzero(trace.envelope.bad) // glyphs.dots[1])
        chars[0, columns], inks[0, columns] = ("x" if glyphs is Glyphs.ASCII else "×"), BAD_INK


def _write_letters(traces: list[Trace], chars: NDArray[np.str_], inks: Ints, axis: Axis, glyphs: Glyphs) -> None:
    """The letter of each trace at its last sample, or as near to it on the left as no other letter stands."""
    taken: set[tuple[int, int]] = set()
    for trace in traces:
        there = np.flatnonzero(~np.isnan(trace.envelope.mean)) if trace.letter else np.empty(0, np.int64)
        rows = _cell_rows(trace.envelope.mean[there], chars.shape[0], axis, glyphs)
        cells = zip(rows[::-1].tolist(), (there[::-1] // glyphs.dots[1]).tolist(), strict=True)
        cell = next((cell for cell in cells if cell not in taken), None)
        if cell:
            taken.add(cell)
            chars[cell], inks[cell] = trace.letter, trace.ink  # a letter is read, whatever its line is
