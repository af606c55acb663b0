"""The loss over the learning rate of a range test, as cells, on a logarithmic x axis. Pure, no Textual.

The charts of a run have steps on their x axis; here it is the common logarithm of the learning rate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainctl.tui.charts.axis import Axis, fit_axis, row_axis
from trainctl.tui.charts.inks import HERE_INK, LABEL_INK, MARK_INK, NO_INK
from trainctl.tui.charts.labels import value_labels, write
from trainctl.tui.charts.pyramid import Points
from trainctl.tui.charts.raster import Glyphs, Mark, Raster, Trace, rasterise

RAW_INK, SMOOTHED_INK = 100, 0
HEADROOM = 1.5
"""How far above the first loss the axis reaches, in falls of the loss; what is beyond is drawn at the edge."""


@dataclass(frozen=True)
class RateMark:
    """A learning rate with a letter; the one that matters most is drawn strongest."""

    lr: float
    letter: str
    is_main: bool = False


@dataclass(frozen=True)
class Sweep:
    """A range test as far as it is.

    Args:
        start: first learning rate.
        end: last one it may reach.
        lrs: learning rates so far.
        losses: loss at each.
        smoothed: averaged loss at each.
        marks: learning rates to mark.
    """

    start: float
    end: float
    lrs: Sequence[float] = ()
    losses: Sequence[float] = ()
    smoothed: Sequence[float] = ()
    marks: tuple[RateMark, ...] = ()


def draw_sweep(sweep: Sweep, width: int, height: int, glyphs: Glyphs = Glyphs.BRAILLE) -> Raster:
    """Loss raw and smoothed, marks, values and decades, in exactly `height` x `width` cells."""
    whole = _blank(width, height)
    if width < 12 or height < 3:
        return whole
    found = loss_axis(sweep)
    labelled = row_axis(found, height - 1, glyphs.dots[0]) if found else None
    axis, labels = (labelled.axis, value_labels(labelled)) if labelled else (None, {})
    gutter = max((len(text) for text in labels.values()), default=0) + 1
    room = width - gutter
    first, last = math.log10(sweep.start), math.log10(sweep.end)
    span = (first, last + (last - first) / room)
    if axis is not None:
        traces = [
            Trace(_points(sweep.lrs, values).envelope(*span, room * glyphs.dots[1]), ink)
            for values, ink in ((sweep.losses, RAW_INK), (sweep.smoothed, SMOOTHED_INK))
        ]
        body = rasterise(traces, room, height - 1, axis, glyphs=glyphs, marks=_marks(sweep, span, room))
        whole.chars[: height - 1, gutter:], whole.inks[: height - 1, gutter:] = body.chars, body.inks
    for row, text in labels.items():
        write(whole, row, 0, text.rjust(gutter - 1), LABEL_INK)
    _write_decades(whole, span, gutter, room)
    return whole


def loss_axis(sweep: Sweep) -> Axis | None:
    """The range that shows the fall of the loss: a divergence must not flatten it. None before any finite loss."""
    values = np.array([*sweep.losses, *sweep.smoothed], np.float64)
    finite = values[np.isfinite(values)]
    if not len(finite):
        return None
    begin = [value for value in sweep.smoothed if math.isfinite(value)][:1] or [float(finite[0])]
    low, high = float(finite.min()), float(finite.max())
    fall = begin[0] - low
    return fit_axis(low, min(high, begin[0] + HEADROOM * fall) if fall > 0 else high)


def decades(start: float, stop: float, most: int) -> list[int]:
    """At most `most` whole powers of ten between two exponents, evenly apart."""
    first, last = math.ceil(start - 1e-9), math.floor(stop + 1e-9)
    count = last - first + 1
    if count < 1 or most < 1:
        return []
    return list(range(first, last + 1, math.ceil(count / most)))


def _points(lrs: Sequence[float], values: Sequence[float]) -> Points:
    return Points(np.log10(np.array(lrs, np.float64)), np.array(values, np.float64))


def _marks(sweep: Sweep, span: tuple[float, float], room: int) -> tuple[Mark, ...]:
    """Marks in their columns; the main one last, over the others."""
    return tuple(
        Mark(_column(math.log10(mark.lr), span, room), mark.letter, HERE_INK if mark.is_main else MARK_INK)
        for mark in sorted(sweep.marks, key=lambda mark: mark.is_main)
        if mark.lr > 0
    )


def _column(exponent: float, span: tuple[float, float], room: int) -> int:
    return math.floor((exponent - span[0]) / (span[1] - span[0]) * room + 1e-9)


def _write_decades(whole: Raster, span: tuple[float, float], gutter: int, room: int) -> None:
    free = gutter
    for exponent in decades(*span, room // 9):
        text = f"1e{exponent}"
        at = gutter + _column(exponent, span, room)
        at = min(at, gutter + room - len(text))
        if at >= free:
            write(whole, -1, at, text, LABEL_INK)
            free = at + len(text) + 1


def _blank(width: int, height: int) -> Raster:
    shape = (max(height, 0), max(width, 0))
    return Raster(np.full(shape, " "), np.full(shape, NO_INK, np.int64))


def as_numbers(values: Sequence[float | None]) -> NDArray[np.float64]:
    """Numbers as they come out of JSON, where null is what was not finite."""
    return np.array([math.nan if value is None else value for value in values], np.float64)
