"""A chart's content as inline SVG that fits any width: paths are stretched, strokes, dots and letters are not. Pure.

Each line is a range (least to greatest of the steps behind a column) with its mean over it, so that a spike of a single
step stays visible however long the run was. A gap says that nothing finite was there.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainctl.tui.charts.axis import Axis, fit_axis, same_notation, short, ticks
from trainctl.tui.charts.blocks import Envelope
from trainctl.tui.charts.plot import Content, EventMark, Line
from trainctl.tui.charts.positions import position_label, position_ticks
from trainctl.tui.report.html import Html, element, joined

FINE = 10
"""Units of a picture for a pixel of height: whole numbers are short."""
ROOM = 0.04
"""Part of the value axis that is left free above and below."""
LOG_FROM = 50.0
"""Positive values whose greatest is so many times the least are drawn on a logarithmic axis, where that is allowed."""
DOTS = 60
"""Up to so many points of a line are dots."""
BAND_FROM = 8
"""Height of a range, in units, from which it is drawn: a thinner one is hidden by the line."""
LETTER_GAP = 0.018
"""Part of the width between the letters of two marks."""
MOST_Y_TICKS, MOST_X_TICKS = 5, 6

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Mark(EventMark):
    """Something that happened, with words for who points at it."""

    words: str = ""
    ink: str = ""
    """Class of its colour; empty: the ordinary one."""


@dataclass(frozen=True)
class Curve:
    """A line as it lies in the columns of the picture."""

    line: Line
    found: Envelope


@dataclass(frozen=True)
class Frame:
    """Where values and positions lie."""

    start: float
    stop: float
    axis: Axis
    height: int
    """In pixels."""
    columns: int

    def across(self, x: float) -> float:
        """Part of the width."""
        return min(max((x - self.start) / (self.stop - self.start), 0.0), 1.0)

    def down(self, value: float) -> float:
        """Pixels from the top."""
        return (1.0 - min(max(self.axis.place(value), 0.0), 1.0)) * self.height

    def rows(self, values: NDArray[np.float32]) -> Doubles:
        """Units from the top; NaN stays NaN."""
        axis, at = self.axis, values.astype(np.float64)
        with np.errstate(all="ignore"):
            if axis.log:
                part = (np.log(np.where(at > 0, at, np.nan)) - np.log(axis.lo)) / (np.log(axis.hi) - np.log(axis.lo))
                part = np.where(at <= 0, 0.0, part)
            else:
                part = (at / 2 - axis.lo / 2) / (axis.hi / 2 - axis.lo / 2)
        return np.round((1.0 - np.clip(part, 0.0, 1.0)) * self.height * FINE)


@dataclass(frozen=True)
class Drawing:
    """A chart as it was drawn."""

    svg: Html
    curves: tuple[Curve, ...]
    is_log: bool


def draw(content: Content, *, title: str, name: str, columns: int, height: int, may_log: bool) -> Drawing | None:
    """The chart; None where it has nothing to show.

    Args:
        content: what it shows; smoothing, window, cursor and growth are not for paper.
        title: its heading, for who cannot see it.
        name: of the figure, unique in the page.
        columns: into how many the width is divided.
        height: of the plotted area, in pixels.
        may_log: whether the value axis may be logarithmic.
    """
    start, stop = content.span()
    if not start < stop:
        return None
    curves = [Curve(line, _envelope(line, content, start, stop, columns)) for line in content.lines if line.drawn]
    axis = _axis(curves, content, may_log=may_log)
    if axis is None:
        return None
    frame = Frame(start, stop, axis, height, columns)
    label, told = f"{name}-t", f"{name}-d"
    parts = [
        element("title", title, id=label),
        element("desc", description(curves), id=told),
        *_grid(frame, content),
        _stretched(frame, content, curves),
        *_marks(frame, content),
    ]
    svg = element(
        "svg", *parts, class_="plot", width="100%", height=height, role="img", aria_labelledby=f"{label} {told}"
    )
    return Drawing(svg, tuple(curves), axis.log)


def description(curves: Sequence[Curve]) -> str:
    """The lines in words: from where to where, and between which values."""
    return "; ".join(f"{curve.line.name}: {words}" for curve in curves if (words := _course_words(curve.found)))


def _course_words(found: Envelope) -> str:
    known, limits = found.mean[np.isfinite(found.mean)], found.limits
    if limits is None or not len(known):
        return ""
    first, last, low, high = (short(float(value)) for value in (known[0], known[-1], *limits))
    return f"{first} to {last}, least {low}, greatest {high}{', not finite in parts' if found.bad.any() else ''}"


def _envelope(line: Line, content: Content, start: float, stop: float, columns: int) -> Envelope:
    return line.series.envelope(start, stop, columns, line.x_map or content.x_map)


def _axis(curves: Sequence[Curve], content: Content, *, may_log: bool) -> Axis | None:
    """A value axis with room; rules count where they lie near what was measured."""
    lows = np.concatenate([curve.found.lo[np.isfinite(curve.found.lo)] for curve in curves] or [np.empty(0)])
    highs = np.concatenate([curve.found.hi[np.isfinite(curve.found.hi)] for curve in curves] or [np.empty(0)])
    if not len(lows):
        return None
    low, high = float(lows.min()), float(highs.max())
    for level in content.levels():
        if low - (high - low) <= level <= high + (high - low):
            low, high = min(low, level), max(high, level)
    positive = lows[lows > 0]
    if may_log and len(positive) and low >= 0 and high / float(positive.min()) >= LOG_FROM:
        axis = fit_axis(float(positive.min()), high, log=True)
        if axis.log:
            room = (axis.hi / axis.lo) ** ROOM
            return Axis(axis.lo / room, axis.hi * room, log=True)
    if 0 <= low < high / 3:
        low = 0.0
    axis = fit_axis(low, high)
    room = (axis.hi / 2 - axis.lo / 2) * 2 * ROOM
    return Axis(axis.lo - (room if low else 0.0), axis.hi + room) if np.isfinite(room) else axis


# --- what is stretched -----------------------------------------------------------------------------------------------


def _stretched(frame: Frame, content: Content, curves: Sequence[Curve]) -> Html:
    inner = [*_spans(frame, content), *_bad_parts(frame, curves)]
    bold = [curve for curve in curves if not curve.line.faint]
    for curve in (*(curve for curve in curves if curve.line.faint), *reversed(bold)):  # the first one on top
        inner += _curve(frame, curve)
    box = f"0 0 {frame.columns} {frame.height * FINE}"
    size = {"width": "100%", "height": frame.height, "viewBox": box, "preserveAspectRatio": "none"}
    return element("svg", *inner, **size)


def _curve(frame: Frame, curve: Curve) -> Iterator[Html]:
    line, found = curve.line, curve.found
    ink = f"i{line.ink}" + (" faint" if line.faint else "")
    low, high, mean = frame.rows(found.hi), frame.rows(found.lo), frame.rows(found.mean)
    runs = list(_pieces(found))
    if any((high[piece] - low[piece]).max() >= BAND_FROM for piece in runs):
        yield element("path", class_=f"band {ink}", d="".join(_area(piece, low, high) for piece in runs))
    yield element("path", class_=f"line {ink}", d="".join(_polyline(piece, mean) for piece in runs))
    if line.symbol and sum(map(len, runs)) <= DOTS:
        points = (f"M{x} {int(y)}h.01" for piece in runs for x, y in zip(piece, mean[piece], strict=True))
        yield element("path", class_=f"dots {ink}", d="".join(points))


def _pieces(found: Envelope) -> Iterator[NDArray[np.int64]]:
    """Columns of each unbroken piece: a column with nothing finite breaks it, one without any sample does not."""
    known = np.flatnonzero(np.isfinite(found.mean))
    if not len(known):
        return
    broken = np.cumsum(found.bad & ~np.isfinite(found.mean))
    yield from np.split(known, np.flatnonzero(np.diff(broken[known]) > 0) + 1)


def _polyline(piece: NDArray[np.int64], rows: Doubles) -> str:
    at = rows[piece].astype(np.int64)
    return f"M{piece[0]} {at[0]}" + (_steps(piece, at) or "h.01")


def _area(piece: NDArray[np.int64], low: Doubles, high: Doubles) -> str:
    """There along the greatest values, back along the least."""
    there, back = low[piece].astype(np.int64), high[piece].astype(np.int64)
    both, at = np.concatenate((piece, piece[::-1])), np.concatenate((there, back[::-1]))
    return f"M{both[0]} {at[0]}{_steps(both, at)}z"


def _steps(across: NDArray[np.int64], down: NDArray[np.int64]) -> str:
    """A path from its second point on, each relative to the one before."""
    moves = zip(np.diff(across).tolist(), np.diff(down).tolist(), strict=True)
    return "l" + " ".join(f"{x} {y}" for x, y in moves).replace(" -", "-") if len(across) > 1 else ""


def _spans(frame: Frame, content: Content) -> Iterator[Html]:
    for start, stop in content.spans:
        left, right = (frame.across(content.x_of(x)) * frame.columns for x in (start, stop))
        d = f"M{left:.1f} 0H{right:.1f}V{frame.height * FINE}H{left:.1f}z"
        yield element("path", class_="span", d=d)


def _bad_parts(frame: Frame, curves: Sequence[Curve]) -> Iterator[Html]:
    """Where the newest value of a line is not finite, as shaded parts of the axis."""
    bad = np.zeros(frame.columns, np.bool_)
    for curve in curves:
        bad |= curve.found.bad
        known = np.flatnonzero(curve.found.bad | np.isfinite(curve.found.mean))
        for start, stop in itertools.pairwise(known.tolist()):
            bad[start:stop] |= curve.found.bad[start]  # a log may tell every tenth step
    edges = np.flatnonzero(np.diff(np.concatenate(([0], bad.astype(np.int8), [0]))))
    shapes = (f"M{left} 0H{right}V{frame.height * FINE}H{left}z" for left, right in edges.reshape(-1, 2).tolist())
    if len(edges):
        yield element("path", class_="bad", d="".join(shapes))


# --- what is not -----------------------------------------------------------------------------------------------------


def _grid(frame: Frame, content: Content) -> Iterator[Html]:
    values = ticks(frame.axis, MOST_Y_TICKS)
    for value, words in zip(values, same_notation(values, log=frame.axis.log), strict=True):
        y = f"{frame.down(value):.1f}"
        yield element("line", class_="grid", x1=0, x2="100%", y1=y, y2=y)
        yield element("text", words, class_="y", x=-7, y=y, dy=".32em")
    for rule in content.rules:
        value, words = rule if isinstance(rule, tuple) else (rule, "")
        if 0 <= frame.axis.place(value) <= 1:
            y = frame.down(value)
            yield element("line", class_="rule", x1=0, x2="100%", y1=f"{y:.1f}", y2=f"{y:.1f}")
            yield element("text", words, class_="rule", x="100%", y=f"{y - 3:.1f}")
    base = frame.height
    yield element("line", class_="axis", x1=0, x2="100%", y1=base, y2=base)
    yield from _x_labels(frame, content.unit, base + 16)


def _x_labels(frame: Frame, unit: str, y: int) -> Iterator[Html]:
    """Round positions below the axis."""
    step = (frame.stop - frame.start) / 100
    for x in position_ticks(frame.start, frame.stop, MOST_X_TICKS, unit):
        place = f"{frame.across(x) * 100:.2f}%"
        yield element("line", class_="axis", x1=place, x2=place, y1=frame.height, y2=frame.height + 4)
        yield element("text", position_label(x, unit, step), class_="x", x=place, y=y)
    yield element("text", unit, class_="y", x=-7, y=y)


def _marks(frame: Frame, content: Content) -> Iterator[Html]:
    last = -1.0
    for mark in content.marks:
        part, words = frame.across(content.x_of(mark.x)), mark.words if isinstance(mark, Mark) else ""
        place, ink = f"{part * 100:.2f}%", mark.ink if isinstance(mark, Mark) else ""
        if mark.y is not None:
            tip = element("title", words)
            yield element("text", mark.letter, tip, class_="best", x=place, y=f"{frame.down(mark.y) - 6:.1f}")
            continue
        if mark.line:
            yield element("line", class_=f"mark {ink}".strip(), x1=place, x2=place, y1=0, y2=frame.height)
        if part - last >= LETTER_GAP:
            last = part
            yield element("text", mark.letter, element("title", words), class_=f"mark {ink}".strip(), x=place, y=-4)


def key(entries: Sequence[tuple[str, str, str]]) -> Html:
    """The legend: class of the swatch, name, and what else is said of it."""
    items = [
        element(
            "li",
            element("i", class_=f"swatch {ink}", aria_hidden="true"),
            name,
            *([element("b", more)] if more else []),
        )
        for ink, name, more in entries
    ]
    return element("ul", *items, class_="key") if items else joined(())
