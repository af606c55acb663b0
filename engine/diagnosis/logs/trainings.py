"""Which rows of a log are one training, where several stand one after the other, and which of them is judged.

Knows no format.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from trainctl.engine.diagnosis.logs.labels import runs_of
from trainctl.engine.diagnosis.logs.names import TEST, VAL, Kind, meaning_of
from trainctl.engine.diagnosis.logs.table import Column, Floats, Ints, LogTable

LEAST_EPOCHS, LEAST_STEPS = 5, 10
"""Values of the main figure from which on a training can be judged."""
LEAST_PLACES = 3
"""Places that a training goes through before another one can begin: lines out of order are none."""
RETURNED = 0.5
"""Share of the way back to its beginning that a loss goes where a step that begins anew is of another training: within
an epoch it goes on where it was."""
_LED_BY = (Kind.TOTAL, Kind.TERM, Kind.RATE, Kind.ERROR, Kind.SCORE, Kind.REWARD)
"""Kinds of the figure that is followed, the best first."""
_WITHIN = "batch"


@dataclass(frozen=True)
class _Training:
    """A training of several."""

    start: int
    """Its first row."""
    end: int
    """The row behind its last."""
    places: Floats
    """Of the main figure's values."""


def one_training(table: LogTable) -> LogTable:
    """The table of the last training that is long enough to be judged, else of the longest; it says so in its notes.

    Another training begins where a name such as `run_id` says so, and where the epochs, or the steps of a log without
    epochs, go back to where they began and follow the same course. A training that is resumed goes back less far.
    """
    table = _of_one_run(table)
    has_epochs = bool(np.isfinite(table.epochs).any())
    places = table.epochs if has_epochs else table.steps
    main = _main(table, places)
    if main is None or (not has_epochs and table.step_unit == _WITHIN):
        return table
    at = np.flatnonzero(np.isfinite(places[main.rows]))
    starts = _starts(places[main.rows[at]])
    if not has_epochs:
        starts = starts if _returns(main.values[at], starts) else []
    if not starts:
        return table
    rows = main.rows[at]
    first = _first_row(places, -1, int(rows[0]))  # what has no place before it is the end of one that is not shown
    bounds = [first, *(_first_row(places, int(rows[start - 1]), int(rows[start])) for start in starts), table.num_rows]
    cuts = [0, *starts, len(at)]
    trainings = [
        _Training(bounds[index], bounds[index + 1], places[rows[cuts[index] : cuts[index + 1]]])
        for index in range(len(cuts) - 1)
    ]
    return _cut(table, trainings, "epochs" if has_epochs else f"{table.step_unit}s")


def _of_one_run(table: LogTable) -> LogTable:
    """The rows of one of the runs that the log names; of runs of a row each there is no course: the last is kept."""
    starts = runs_of(table.labels, table.epochs, table.steps) if table.labels else []
    if not starts:
        return table
    has_epochs = bool(np.isfinite(table.epochs).any())
    main = _main(table, table.epochs if has_epochs else table.steps)
    bounds = [0, *starts, table.num_rows]
    inner = np.array(starts, np.int64)
    told = np.bincount(np.searchsorted(inner, main.rows, side="right"), minlength=len(bounds) - 1) if main else None
    counts = np.diff(bounds) if told is None else told
    long = np.flatnonzero(counts >= (LEAST_EPOCHS if has_epochs else LEAST_STEPS))
    index = int(long[-1]) if len(long) else int(len(counts) - 1 - np.argmax(counts[::-1]))
    judged = "the last" if index == len(counts) - 1 else f"number {index + 1}"
    names = ", ".join(name for name, said in table.labels.items() if len(set(said)) > 1)
    note = f"{len(counts)} runs by {names}; {judged}, rows {bounds[index] + 1} to {bounds[index + 1]}, is judged"
    if len(counts) == table.num_rows:
        note = f"{len(counts)} runs by {names}, a row each: results, and no course"
    return replace(_rows_of(table, bounds[index], bounds[index + 1]), notes=(*table.notes, note))


def _main(table: LogTable, places: Floats) -> Column | None:
    """The figure that is followed: of the training, with the most values that have a place."""
    for kind in _LED_BY:
        found = [
            one
            for one in table.columns
            if (told := meaning_of(one.name, one.split)).kind is kind and told.split not in (VAL, TEST)
        ]
        if found:
            return max(found, key=lambda one: int(np.isfinite(places[one.rows]).sum()))
    return None


def _starts(places: Floats) -> list[int]:
    """Where the places go back to the beginning of the training before and take the same course again."""
    if not (np.diff(places) < 0).any():
        return []
    at = np.concatenate(([0], np.flatnonzero(np.diff(places)) + 1))
    course: list[float] = places[at].tolist()
    starts: list[int] = []
    begin, second, seen = course[0], np.inf, set[float]()
    for index, place in enumerate(course):
        follows = index + 1 == len(course) or course[index + 1] <= second
        if index and place < course[index - 1] and place <= begin and len(seen) >= LEAST_PLACES and follows:
            starts.append(int(at[index]))
            begin, second, seen = place, np.inf, set[float]()
        if len(seen) < LEAST_PLACES:
            seen.add(place)
        second = min(second, place) if place > begin else second
    return starts


def _returns(values: Floats, starts: Sequence[int]) -> bool:
    """Whether a figure goes back at each start to where it began, as it does not between the epochs of a training."""
    for before, start in zip([0, *starts], starts, strict=False):
        few = max(1, min((start - before) // 10, 10))
        first, last = np.median(values[before : before + few]), np.median(values[start - few : start])
        moved, back = first - last, np.median(values[start : start + few]) - last
        if not np.isfinite(moved) or moved == 0 or back / moved < RETURNED:
            return False
    return bool(starts)


def _first_row(places: Floats, last: int, first: int) -> int:
    """The first row of a training that has its main figure in row `first`, the one before in row `last`."""
    between = np.flatnonzero(places[last + 1 : first] == places[first])
    return last + 1 + int(between[0]) if len(between) else first


def _cut(table: LogTable, trainings: Sequence[_Training], unit: str) -> LogTable:
    least = LEAST_EPOCHS if unit == "epochs" else LEAST_STEPS
    long = [index for index, one in enumerate(trainings) if len(one.places) >= least]
    index = long[-1] if long else max(range(len(trainings)), key=lambda index: len(trainings[index].places))
    chosen = trainings[index]
    low, high = float(np.min(chosen.places)), float(np.max(chosen.places))
    if not long:
        judged = f"the longest, number {index + 1}, {unit} {low:g} to {high:g}, is judged"
    elif index == len(trainings) - 1:
        judged = f"the last, {unit} {low:g} to {high:g}, is judged"
    else:
        judged = f"number {index + 1}, {unit} {low:g} to {high:g}, is judged, as those after it are too short"
    note = f"{len(trainings)} trainings one after the other; {judged}"
    return replace(_rows_of(table, chosen.start, chosen.end), notes=(*table.notes, note))


def _rows_of(table: LogTable, start: int, end: int) -> LogTable:
    kept = slice(start, end)
    columns = [_within(one, kept) for one in table.columns]
    return replace(
        table,
        num_rows=end - start,
        columns=tuple(one for one in columns if len(one.values)),
        steps=table.steps[kept],
        epochs=table.epochs[kept],
        times=None if table.times is None else table.times[kept],
        labels={name: said[kept] for name, said in table.labels.items()},
    )


def _within(column: Column, kept: slice) -> Column:
    bounds: Ints = np.array([kept.start, kept.stop], np.int64)
    first, last = np.searchsorted(column.rows, bounds)
    part = column.only(slice(int(first), int(last)))
    return replace(part, rows=part.rows - kept.start)
