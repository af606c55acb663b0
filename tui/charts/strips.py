"""Small rows below a plot, each with a scale of its own, over the same positions as the plot. Pure, no Textual."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from trainctl.tui.charts.axis import fit_axis, short
from trainctl.tui.charts.blocks import Envelope
from trainctl.tui.charts.inks import LABEL_INK
from trainctl.tui.charts.labels import Frame, write
from trainctl.tui.charts.plot import Content, Strip
from trainctl.tui.charts.raster import Glyphs, Mark, Raster, Trace, rasterise
from trainctl.tui.charts.smoothing import smoothed
from trainctl.tui.plain import columns, cut, fitted, printable
from trainctl.tui.spoken import said

LEAST_PLOT = 3
"""Rows of the plot that strips leave it at least."""
MOST_ROWS = 6
"""Of a strip where there is no plot."""
PARTS = ((3, 0.6, 8), (2, 0.5, 5), (1, 0.34, LEAST_PLOT))
"""Rows of a strip, and of the height what the plot keeps then, as a part and in rows."""


@dataclass(frozen=True)
class StripPlan:
    """How many strips are shown, with so many rows each."""

    shown: int
    rows: int
    larger: int = 0
    """Of the first so many: one row more."""

    @property
    def height(self) -> int:
        """Rows of all."""
        return self.shown * self.rows + self.larger

    def rows_of(self, k: int) -> int:
        """Of the k-th that is shown."""
        return self.rows + (k < self.larger)


def strip_plan(count: int, height: int, *, has_plot: bool = True) -> StripPlan:
    """As many strips as leave the plot its part of `height` rows, all of them large where that is possible.

    Without a plot they have all rows but that of the positions.
    """
    if not has_plot:
        room = max(height - 1, 0)
        rows = min(max(room // max(count, 1), 1), MOST_ROWS)
        shown = min(count, room // rows)
        return StripPlan(shown, rows, min(room - shown * rows, shown) if rows < MOST_ROWS else 0)
    for rows, part, least in PARTS:
        if height - 1 - count * rows >= max(part * (height - 1), least):
            return StripPlan(count, rows)
    shown = height - 1 - math.ceil(max(PARTS[-1][1] * (height - 1), LEAST_PLOT))
    return StripPlan(min(max(shown, 0), count), 1)


def without_room(content: Content, plan: StripPlan) -> str:
    """What is not drawn for want of rows, in words; where some are, the last of them says it."""
    return "" if plan.shown or not content.strips else f"+{len(content.strips)} in rows of their own"


def write_strips(
    whole: Raster, content: Content, plan: StripPlan, top: int, frame: Frame, marks: tuple[Mark, ...], glyphs: Glyphs
) -> None:
    """Draw the strips from row `top` on. The last one says how many there is no room for."""
    silent = tuple(replace(mark, letter="") for mark in marks)
    shown = content.strips[content.first_strip : content.first_strip + plan.shown]
    for k, strip in enumerate(shown):
        left_out = len(content.strips) - content.first_strip - len(shown) if k == len(shown) - 1 else 0
        row, rows = top + k * plan.rows + min(k, plan.larger), plan.rows_of(k)
        drawn = row if rows == 1 else row + 1
        height = max(rows - 1, 1)
        envelopes = _envelopes(strip, content, frame, glyphs)
        limits = _limits(envelopes)
        body = _drawn(content, strip, envelopes, limits, frame.room, height, silent, glyphs)
        part = np.s_[drawn : drawn + height, frame.gutter :]
        whole.chars[part], whole.inks[part] = body.chars, body.inks
        _write_words(whole, row, strip, limits, left_out, frame, envelopes if rows == 1 else [])


def _envelopes(strip: Strip, content: Content, frame: Frame, glyphs: Glyphs) -> list[Envelope]:
    room = frame.room * glyphs.dots[1]
    return [line.series.envelope(frame.start, frame.stop, room, line.x_map or content.x_map) for line in strip.lines]


def _limits(envelopes: list[Envelope]) -> tuple[float, float] | None:
    known = [envelope.limits for envelope in envelopes if envelope.limits]
    return (min(low for low, _ in known), max(high for _, high in known)) if known else None


def _drawn(
    content: Content,
    strip: Strip,
    envelopes: list[Envelope],
    limits: tuple[float, float] | None,
    width: int,
    height: int,
    marks: tuple[Mark, ...],
    glyphs: Glyphs,
) -> Raster:
    low, high = limits or (0.0, 1.0)
    axis = fit_axis(low, high, log=content.log and low > 0)
    traces = [
        Trace(
            smoothed(envelope, content.smoothing, log=axis.log) if content.smoothing and line.smoothed else envelope,
            line.ink,
            line.join,
            dashed=line.dashed,
        )
        for line, envelope in zip(strip.lines, envelopes, strict=True)
    ]
    return rasterise(traces[::-1], width, height, axis, glyphs=glyphs, marks=marks)


def _write_words(
    whole: Raster,
    row: int,
    strip: Strip,
    limits: tuple[float, float] | None,
    left_out: int,
    frame: Frame,
    covered: list[Envelope],
) -> None:
    """Name, figures and scale. In the row of the curve (`covered`) they stand where there is less of it."""
    room = frame.room - (2 if covered else 0)
    more = f"  +{left_out}" if left_out else ""
    name = cut(strip.name, room - len(more))
    rest = f"  {printable(strip.words)}" if strip.words else ""
    if columns(name + rest) + len(more) > room:
        shorten = fitted if "  " in rest[2:] else cut  # between two parts, where there are several
        rest = shorten(rest, max(room - columns(name) - len(more), 0))
    ends = f"{short(limits[0])} to {short(limits[1])}" if limits and limits[1] > limits[0] else ""
    scale = f"   {said(ends)}" if ends else ""
    if not covered and columns(name + rest + scale) + len(more) <= room:
        rest += scale
    rest += more
    at = frame.gutter
    if covered and _is_early(covered):
        at += room - columns(name + rest)
        write(whole, row, at, " ", LABEL_INK)
        at += 1
    write(whole, row, at, name, strip.lines[0].ink)
    write(whole, row, at + columns(name), rest, LABEL_INK)
    end = at + columns(name + rest)
    if covered and end < whole.chars.shape[1]:
        write(whole, row, end, " ", LABEL_INK)


def _is_early(envelopes: list[Envelope]) -> bool:
    """Whether the newest value stands in the left half."""
    last = max((int(np.flatnonzero(~np.isnan(envelope.mean))[-1:].sum()) for envelope in envelopes), default=0)
    return last < len(envelopes[0].mean) / 2
