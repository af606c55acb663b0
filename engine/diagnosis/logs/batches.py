"""What a log says of the batches themselves: their size, the classes in them, the things in a sample. No rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from trainctl.engine.diagnosis.logs.names import words_of
from trainctl.engine.diagnosis.logs.table import Column, Floats, LogTable

SIZES = (["batch", "size"], ["train", "batch", "size"], ["batchsize"])
"""Names of the samples in a batch, by their words."""
MOSTLY = 0.9
"""Share of the rows in which it must be the same: the last batch of an epoch may be smaller."""
CLASSES = "classes"
"""First word of the names under which the samples of each class in a batch are counted: `classes.cat`."""
COUNTED = frozenset({"units", "tokens", "length", "lengths", "len", "frames", "utterances", "words", "items"})
LAST = "last"

Counts = np.ndarray[Any, np.dtype[np.int64]]


def told_batch_size(table: LogTable) -> int | None:
    """The size of the batches that a log prints in its rows; None: it does not, or they differ."""
    for column in table.columns:
        if words_of(column.name) not in SIZES or not _are_counts(column.values):
            continue
        sizes, times = np.unique(column.values, return_counts=True)
        if times.max() >= MOSTLY * len(column.values) and sizes[times.argmax()] > 1:
            return int(sizes[times.argmax()])
    return None


def class_counts(columns: Sequence[Column], num_rows: int) -> tuple[tuple[str, ...], Counts] | None:
    """The classes, and how many samples of each are in the batch of each row, shape (batches, classes).

    None: no classes are counted, or something else is under such names.
    """
    told = [one for one in columns if words_of(one.name)[:1] == [CLASSES] and len(words_of(one.name)) > 1]
    if len(told) < 2 or not all(_are_counts(one.values) for one in told):
        return None
    placed = np.stack([one.at_rows(num_rows) for one in told], axis=1)
    counts = placed[np.isfinite(placed).all(1)].astype(np.int64)
    counts = counts[counts.sum(1) > 1]
    return (tuple(_class(one.name) for one in told), counts) if len(counts) else None


def counts_of_last(columns: Sequence[Column]) -> tuple[Column | None, Column | None]:
    """The things in the last sample of each batch, and in the whole batch; None: not counted."""
    counted = [one for one in columns if set(words_of(one.name)) & COUNTED and _are_counts(one.values)]
    last = [one for one in counted if LAST in words_of(one.name)]
    whole = [one for one in counted if last and _without_last(last[0]) == words_of(one.name)]
    return next(iter(last), None), next(iter(whole), None)


def _without_last(column: Column) -> list[str]:
    return [word for word in words_of(column.name) if word != LAST]


def _class(name: str) -> str:
    """The class in `classes.cat`, `classes/cat` or `classes_cat`."""
    return name[len(CLASSES) + 1 :]


def _are_counts(values: Floats) -> bool:
    return bool(len(values) and np.isfinite(values).all() and (values >= 0).all() and (values == np.rint(values)).all())
