"""Takes out of what was printed before a training the settings of it: they are no figures. Knows no format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from trainctl.engine.diagnosis.logs.batches import SIZES
from trainctl.engine.diagnosis.logs.names import Kind, meaning_of, words_of
from trainctl.engine.diagnosis.logs.table import Column, Floats, LogTable

MEASURED = frozenset(
    {Kind.TOTAL, Kind.TERM, Kind.RATE, Kind.ERROR, Kind.SCORE, Kind.CORRELATION, Kind.REWARD, Kind.ENTROPY}
)
"""Kinds that a line of its own before the training may measure."""
NEAR, NEIGHBOURS = 3, 2
"""Lines about a name in which that many others that come once make it one of a block of settings."""


def without_settings(table: LogTable) -> LogTable:
    """The table without names that come only before the first measurement that is made again.

    One that may be a measurement itself goes only from a block of them; a weight of a loss term and the size of a batch
    never, as they tell more of the figures. Rows without a figure have no place.
    """
    measured = [one for one in table.columns if len(one.values) > 1 and _kind(one) in MEASURED]
    begin = min((int(one.lines[0]) for one in measured), default=0)
    placed = np.isfinite(table.steps) | np.isfinite(table.epochs)
    before = [one for one in table.columns if len(one.values) and one.lines[-1] < begin and not placed[one.rows].any()]
    settings = {id(one) for one in before if _is_setting(one, before)}
    columns = tuple(one for one in table.columns if id(one) not in settings)
    told = np.zeros(table.num_rows, np.bool_)
    for one in columns:
        told[one.rows] = True
    return replace(table, columns=columns, steps=_where(told, table.steps), epochs=_where(told, table.epochs))


def _kind(one: Column) -> Kind:
    return meaning_of(one.name, one.split).kind


def _is_setting(one: Column, before: Sequence[Column]) -> bool:
    if _kind(one) is Kind.WEIGHT or words_of(one.name) in SIZES:
        return False
    near = sum(abs(int(other.lines[0] - one.lines[0])) <= NEAR for other in before) - 1
    return _kind(one) not in MEASURED or (near >= NEIGHBOURS and len(one.values) == 1)


def _where(told: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], places: Floats) -> Floats:
    return np.where(told, places, np.nan)
