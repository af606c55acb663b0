"""Where each row of a log lies in the training: its optimiser step and its epoch. Knows no meaning of a name.

Logs count steps, or batches that begin anew in each epoch, or epochs alone, or nothing. A counter that falls back is a
training that was resumed: what it did before, beyond where it went on, is taken back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trainctl.engine.diagnosis.logs.table import Column, Floats, Ints, LogTable

MOST_STEP = 2**32 - 2
"""A record counts steps in 32 bits."""
MOST_EPOCH = 10**9
MOSTLY = 0.99
"""Share of the rows that must agree on what the counter is."""
RESTARTS = 0.9
"""Share of a counter's falls at which a new epoch begins, for it to count within an epoch."""
STRAY = 10
"""Rows before a last one that falls back, for it to be a stray and no new beginning."""

Mask = NDArray[np.bool_]


def joined(table: LogTable) -> LogTable:
    """The table with neighbouring rows of one step as one row, unless a name had two values there.

    Where no step is known, of one epoch.
    """
    steps, epochs = table.steps, table.epochs
    if table.num_rows < 2 or table.step_unit == "second":
        return table
    is_same_epoch = epochs[1:] == epochs[:-1]
    has_no_step = np.isnan(steps[1:]) & np.isnan(steps[:-1])
    unsaid = np.isnan(epochs[1:]) | np.isnan(epochs[:-1])
    is_same = ((steps[1:] == steps[:-1]) & (is_same_epoch | unsaid)) | (has_no_step & is_same_epoch)
    if not is_same.any():
        return table
    group = np.concatenate(([0], np.cumsum(~is_same)))
    clashes = np.zeros(group[-1] + 1, bool)
    for column in table.columns:
        of = group[column.rows]
        clashes[of[1:][of[1:] == of[:-1]]] = True
    is_same &= ~clashes[group[1:]]
    group = np.concatenate(([0], np.cumsum(~is_same)))
    first = np.flatnonzero(np.concatenate(([True], ~is_same)))
    return replace(
        table,
        num_rows=len(first),
        columns=tuple(_moved(column, group) for column in table.columns),
        steps=steps[first],
        epochs=np.fmax.reduceat(epochs, first),
        times=None if table.times is None else np.fmax.reduceat(table.times, first),
    )


def _moved(column: Column, group: Ints) -> Column:
    return replace(column, rows=group[column.rows])


@dataclass(frozen=True)
class Placed:
    """Training rows with their places."""

    rows: Ints
    """Those that stand, shape (n,), ascending."""
    steps: Ints
    """Of each, strictly ascending."""
    epochs: Ints
    """Of each, from 1, never falling; 0: unknown."""
    num_taken_back: int
    unit: str
    """What a step counts: `step`, `iteration`, `epoch`, `row` ..."""
    steps_per_epoch: int
    """0: unknown."""
    _all_rows: Ints
    """With those taken back."""
    _lowest_after: Floats
    """Least counter from each of them on."""
    _counts: Floats
    """Counter of every row of the table; NaN: unknown."""
    _all_epochs: Ints

    def of(self, rows: Ints) -> tuple[Mask, Ints, Ints]:
        """Of any rows of the table: which of them stand, and the step and epoch of each, shape (k,)."""
        before = np.searchsorted(self.rows, rows, side="right") - 1
        is_after = before >= 0
        near = np.maximum(before, 0)
        own = self._counts[rows]
        at = np.where(is_after, self.steps[near], 0) if len(self.steps) else np.zeros(len(rows), np.int64)
        steps = np.where(np.isfinite(own), np.nan_to_num(own), at).astype(np.int64)
        later = np.searchsorted(self._all_rows, rows, side="right")
        lowest = np.append(self._lowest_after, np.inf)[later]
        stands = np.where(np.isfinite(own), lowest >= steps, (lowest > steps) | ~is_after)
        said = self._all_epochs[rows]
        epochs = self.epochs[near] if len(self.epochs) else np.zeros(len(rows), np.int64)
        return stands, steps, np.where(said > 0, said, epochs)


def placed(table: LogTable, rows: Ints) -> Placed:
    """The places of the training rows `rows` (ascending) of a table, and of every other by them."""
    said = _whole_epochs(table.epochs)
    epochs = _carried(said)
    counts, unit, per_epoch = _counter(table, rows, epochs)
    if per_epoch:
        epochs = _carried(_new_epochs(table, rows)) if not epochs.any() else epochs
        counts = np.where(np.isfinite(counts), (np.maximum(epochs, 1) - _first(epochs)) * per_epoch + counts, np.nan)
    of_rows = counts[rows]
    kept = np.isfinite(of_rows)
    rows, of_rows = rows[kept], of_rows[kept]
    if len(rows) > STRAY and of_rows[-1] <= of_rows[-2]:
        rows, of_rows = rows[:-1], of_rows[:-1]
    lowest = np.minimum.accumulate(of_rows[::-1])[::-1]
    stands = of_rows < np.append(lowest[1:], np.inf)
    return Placed(
        rows=rows[stands],
        steps=of_rows[stands].astype(np.int64),
        epochs=np.maximum.accumulate(epochs[rows[stands]]) if stands.any() else np.empty(0, np.int64),
        num_taken_back=int((~stands).sum()),
        unit=unit,
        steps_per_epoch=per_epoch,
        _all_rows=rows,
        _lowest_after=lowest,
        _counts=counts,
        _all_epochs=said,
    )


def _whole_epochs(epochs: Floats) -> Ints:
    """The number of each row's epoch from 1; 0: unknown. 0.5 and 1.0 are of the first, as is 0 where that comes."""
    is_known = np.isfinite(epochs) & (epochs >= 0) & (epochs < MOST_EPOCH)
    found = np.zeros(len(epochs), np.int64)
    known = epochs[is_known]
    if not len(known):
        return found
    if (known == np.floor(known)).all():
        found[is_known] = known.astype(np.int64) + (1 if known.min() == 0 else 0)
    else:
        found[is_known] = np.maximum(np.ceil(known), 1).astype(np.int64)
    return found


def _carried(epochs: Ints) -> Ints:
    """With the epoch before in the rows that have none, and the first one in those before it."""
    at = np.where(epochs > 0, np.arange(len(epochs)), 0)
    carried = epochs[np.maximum.accumulate(at)] if len(epochs) else epochs
    return np.where(carried > 0, carried, _first(epochs) if epochs.any() else 0)


def _first(epochs: Ints) -> int:
    known = epochs[epochs > 0]
    return int(known[0]) if len(known) else 1


def _counter(table: LogTable, rows: Ints, epochs: Ints) -> tuple[Floats, str, int]:
    """The counter of every row, what it counts, and its length in an epoch where it begins anew in each (else 0)."""
    steps = table.steps
    if table.step_unit != "second" and _is_counter(steps[rows]):
        told = steps[rows][np.isfinite(steps[rows])]
        has_epochs = bool(epochs.any())
        if _begins_anew(told, epochs[rows][np.isfinite(steps[rows])], table.step_unit):
            return steps, "step", _length(table, told)
        if has_epochs or table.step_unit != "batch" or (np.diff(told) > 0).all():
            return _within_range(steps), table.step_unit if table.step_unit != "batch" else "step", 0
    rises = np.diff(epochs[rows]) > 0
    if epochs.any() and len(rows) and (not len(rises) or rises.mean() >= MOSTLY):
        return np.where(epochs > 0, epochs, np.nan).astype(np.float64), "epoch", 0
    numbers = np.full(table.num_rows, np.nan)
    numbers[rows] = np.arange(1, len(rows) + 1)
    return numbers, "row", 0


def _is_counter(steps: Floats) -> bool:
    """Whether nearly all rows have a whole number that a record can hold, and it is not always the same."""
    if not len(steps):
        return False
    known = steps[np.isfinite(steps)]
    is_whole = (known == np.floor(known)) & (known >= 0) & (known <= MOST_STEP)
    if is_whole.sum() < MOSTLY * len(steps):
        return False
    return len(known) == 1 or bool((known != known[0]).any())


def _within_range(steps: Floats) -> Floats:
    with np.errstate(invalid="ignore"):
        is_usable = (steps >= 0) & (steps <= MOST_STEP) & (steps == np.floor(steps))
    return np.where(is_usable, steps, np.nan)


def _begins_anew(steps: Floats, epochs: Ints, unit: str) -> bool:
    """Whether the counter begins anew in each epoch."""
    falls = np.flatnonzero(np.diff(steps) < 0)
    if not len(falls):
        return unit == "batch" and bool((np.diff(epochs) > 0).any())
    if not epochs.any():
        return unit == "batch"
    return bool((np.diff(epochs)[falls] > 0).mean() >= RESTARTS)


def _new_epochs(table: LogTable, rows: Ints) -> Ints:
    """An epoch for each time the counter of the training rows begins anew."""
    found = np.zeros(table.num_rows, np.int64)
    told = rows[np.isfinite(table.steps[rows])]
    found[told] = 1 + np.concatenate(([0], np.cumsum(np.diff(table.steps[told]) < 0)))
    return found


def _length(table: LogTable, steps: Floats) -> int:
    """Steps of an epoch: as the log says, or by the largest counter and the distance at which it was logged."""
    if table.batches and table.batches >= steps.max():
        return table.batches
    distance = np.diff(steps)
    distance = distance[distance > 0]
    usual = int(np.median(distance)) if len(distance) else 1
    return int(steps.max()) - int(steps.min()) + max(usual, 1)
