"""Words around and in a plot: values on the left, positions below, names of rules. Pure, no Textual."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from rich.cells import cell_len

from trainctl.tui.charts.axis import Axis, Labelled, same_notation
from trainctl.tui.charts.inks import BAND_INK, CURSOR_INK, HERE_INK, LABEL_INK, NO_INK, RULE_INK, SPAN_INK
from trainctl.tui.charts.plot import Content
from trainctl.tui.charts.positions import XMap, position_label, position_ticks
from trainctl.tui.charts.raster import Raster, row_of
from trainctl.tui.spoken import said

CELLS_PER_TICK = 14
"""Positions stand at least this far apart: no label is longer."""
FREE_INKS = (NO_INK, RULE_INK, SPAN_INK, BAND_INK)


@dataclass(frozen=True)
class Frame:
    """Where the plot lies within the chart, and which part of the x axis it shows.

    Args:
        gutter: columns of cells left of the plot.
        room: columns of the plot.
        start: first position, in the unit of the x axis.
        stop: one past the last.
        x_map: from steps to the x axis.
    """

    gutter: int
    room: int
    start: float
    stop: float
    x_map: XMap | None = None

    def column_of(self, x: float) -> int:
        """Column of the plot in which a position lies; outside [0, room) when it is not shown."""
        part = (x - self.start) / (self.stop - self.start)
        return math.floor(part * self.room) if -1 <= part <= 2 else -1 if part < 0 else self.room

    def column_of_step(self, step: float) -> int:
        """Column of the plot in which a step lies."""
        return self.column_of(self.x_map.x_of(float(step)) if self.x_map else step)

    def line_at_step(self, step: float) -> int | None:
        """Column of a vertical line at a step, the very end counting to the last column; none where it is not shown."""
        column = self.column_of_step(step)
        x = self.x_map.x_of(float(step)) if self.x_map else step
        return min(column, self.room - 1) if column >= 0 and x <= self.stop else None

    def step_at(self, column: int) -> int | None:
        """The step in the middle of a column of the chart; none beside the plot."""
        at = column - self.gutter
        if not 0 <= at < self.room:
            return None
        x = self.start + (at + 0.5) / self.room * (self.stop - self.start)
        return math.floor(self.x_map.step_of(x) if self.x_map else x)


def value_labels(labelled: Labelled) -> dict[int, str]:
    """Round values by row, all in one notation."""
    values = labelled.rows.values()
    return dict(zip(labelled.rows, same_notation(values, log=labelled.axis.log), strict=True))


def write_positions(whole: Raster, content: Content, frame: Frame) -> None:
    """Last and first position in the last row, where we are or point at, and round ones as far as there is room."""
    width, unit = whole.chars.shape[1], content.unit
    span = frame.stop - frame.start
    counts_steps = content.x_map is None or unit == "step"
    end = max(math.floor(frame.stop - 1), frame.start) if counts_steps else frame.stop
    word, exact = ("", span / 100) if unit == "time" else (f" {said(unit)}", span / 1000)
    right = f"{position_label(end, unit, exact)}{word}"
    write(whole, -1, max(width - cell_len(right), 0), right, LABEL_INK)
    _write_if_free(whole, frame.gutter, position_label(frame.start, unit, exact), LABEL_INK, margin=0)
    if content.cursor is not None:
        _write_pointer(whole, content, frame, content.cursor, CURSOR_INK)
    elif content.here is not None:
        _write_pointer(whole, content, frame, content.here, HERE_INK)
    found = position_ticks(frame.start, frame.stop, frame.room // CELLS_PER_TICK, unit)
    for x in found:
        text = position_label(x, unit, found[1] - found[0] if len(found) > 1 else span / 10)
        _write_if_free(whole, frame.gutter + frame.column_of(x) - len(text) // 2, text, LABEL_INK)


def _write_pointer(whole: Raster, content: Content, frame: Frame, step: float, ink: int) -> None:
    """The position under a vertical line, with an arrow to it, on whichever side there is room."""
    column = frame.line_at_step(step)
    if column is None:
        return
    text = position_label(content.x_of(step), content.unit, (frame.stop - frame.start) / frame.room)
    at = frame.gutter + column
    if not _write_if_free(whole, at, f"^{text}", ink) and at - len(text) > frame.gutter:
        _write_if_free(whole, at - len(text), f"{text}^", ink)


def _write_if_free(whole: Raster, column: int, text: str, ink: int, margin: int = 1) -> bool:
    """Write into the last row where nothing stands, nor beside it; returns whether it was done."""
    width = whole.chars.shape[1]
    if column < 0 or column + len(text) > width:
        return False
    if (whole.inks[-1, max(column - margin, 0) : column + len(text) + 1] != NO_INK).any():
        return False
    write(whole, -1, column, text, ink)
    return True


def write_rule_labels(body: Raster, content: Content, axis: Axis) -> None:
    """The name of each rule at its right end, or above or below it, where no line is in the way."""
    height, width = body.chars.shape
    for rule in content.rules:
        value, label = (rule[0], said(rule[1])) if isinstance(rule, tuple) else (rule, "")
        row = row_of(value, height, axis)
        if row is None or not label or cell_len(label) >= width:
            continue
        start = width - cell_len(label)
        free = np.isin(body.inks, FREE_INKS)
        rows = [at for at in (row, row - 1, row + 1) if 0 <= at < height]
        place = next(((at, start) for at in rows if free[at, start:].all()), None) or _last_free(free[row], row, label)
        if place:
            write(body, *place, label, RULE_INK)


def _last_free(free: np.ndarray[tuple[int], np.dtype[np.bool_]], row: int, label: str) -> tuple[int, int] | None:
    """The rightmost stretch of a row that has room for a label."""
    blocked, room = np.concatenate(([0], np.cumsum(~free))), cell_len(label)
    starts = np.flatnonzero(blocked[room:] == blocked[:-room])
    return (row, int(starts[-1])) if len(starts) else None


def write(whole: Raster, row: int, column: int, text: str, ink: int) -> None:
    """Put text into a row of cells, cut at the right edge; a wide character leaves the cell behind it empty."""
    cells = list(text) if text.isascii() else [cell for char in text for cell in _cells_of(char)]
    end = min(column + len(cells), whole.chars.shape[1])
    whole.chars[row, column:end] = cells[: end - column]
    whole.inks[row, column:end] = ink


def _cells_of(char: str) -> list[str]:
    width = cell_len(char)
    return [char, ""] if width == 2 else [char] if width else []
