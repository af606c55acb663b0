"""Which columns of a log say where a row stands: its epoch, and the step or whatever else is counted.

Knows no format: the readers keep such names as columns, and this takes them out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from trainctl.engine.diagnosis.logs.names import Kind, is_plain_place, meaning_of, step_unit
from trainctl.engine.diagnosis.logs.table import Column, Floats, LogTable

UNITS = ("step", "iteration", "round", "timestep", "sample", "episode", "second")
"""What may be counted, the best first."""


def settle_places(table: LogTable) -> LogTable:
    """The table with its steps and epochs read from the columns that say them, which are no columns then."""
    epoch = _epoch(table)
    step = _step(table, has_epochs=epoch is not None or _is_known(table.epochs))
    taken = [column for column in (epoch, step) if column is not None]
    if not taken:
        return table
    return replace(
        table,
        columns=tuple(column for column in table.columns if not any(column is one for one in taken)),
        steps=table.steps if step is None else step.at_rows(table.num_rows),
        epochs=table.epochs if epoch is None else epoch.at_rows(table.num_rows),
        step_unit=table.step_unit if step is None else step_unit(step.name),
        step_name=table.step_name if step is None else step.name,
        epoch_name=table.epoch_name if epoch is None else epoch.name,
    )


def _epoch(table: LogTable) -> Column | None:
    if _is_known(table.epochs):
        return None
    return _first([column for column in table.columns if meaning_of(column.name).kind is Kind.EPOCH])


def _step(table: LogTable, has_epochs: bool) -> Column | None:
    if _is_known(table.steps):
        return None
    candidates: dict[str, list[Column]] = {unit: [] for unit in UNITS}
    for column in table.columns:
        unit = step_unit(column.name)
        if unit:
            candidates[unit].append(column)
    if has_epochs:
        del candidates["second"]
    return next((found for unit in candidates if (found := _first(candidates[unit])) is not None), None)


def _first(columns: Sequence[Column]) -> Column | None:
    """The first that is called so plainly, else the first that counts."""
    plain = [column for column in columns if is_plain_place(column.name)]
    return next(iter(plain), next((column for column in columns if _counts(column)), None))


def _counts(column: Column) -> bool:
    """Whether the values grow, as those of a counter do, but for a few new beginnings."""
    if len(column.values) < 2 or not np.isfinite(column.values).all():
        return False
    grown = np.diff(column.values)
    return bool((grown > 0).any()) and bool((grown < 0).mean() <= 0.1)


def _is_known(places: Floats) -> bool:
    return bool(np.isfinite(places).any())
