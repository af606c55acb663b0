"""An imported run as the log that it was made of: its series under the names they had, judged as any log is.

Gets records, events and what `meta.json` says of the series; knows no rule, no file and no tool.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import numpy as np

from trainctl.engine.diagnosis.facts.run import RecordFacts
from trainctl.engine.diagnosis.logs.facts import LogFacts, read_facts
from trainctl.engine.diagnosis.logs.numbers import half_units
from trainctl.engine.diagnosis.logs.roles import Role, parse_roles
from trainctl.engine.diagnosis.logs.table import Column, Floats, Ints, LogTable
from trainctl.engine.errors import UserError
from trainctl.engine.runs.events import Event
from trainctl.engine.runs.record import Records
from trainctl.engine.runs.store import StoredRecords

ORIGIN = "imported_from"
"""Key of `meta.json` that only an imported run has."""
RESULT = "result:"
"""Before the name of what is told by validations, in the places of `meta.json`; others are fields of a record."""
BLOCK = 1 << 16
"""Records read at once."""
EXACT = 1 << 16
"""Values up to which it is looked up how many digits each was printed with."""
NO_STEP = ("row", "epoch", "")
"""What a step of an imported run may be where the log itself counted none."""
_ENTRY = re.compile(r"(.+)\[(\d+)\]")


def imported_log(stored: StoredRecords, validations: Iterable[Event], meta: Mapping[str, Any], source: str) -> LogFacts:
    """The log that a run was made of.

    Args:
        stored: its records.
        validations: its events of that kind, oldest first.
        meta: content of `meta.json`.
        source: what to call the run.
    """
    told = _Told(meta)
    fields = {place: field for place in told.places if (field := _field(place, stored.dtype)) is not None}
    steps, epochs, recorded = _read(stored, fields)
    held = list(validations)
    at = np.array([event.step for event in held], np.float64)
    every = np.unique(np.concatenate([steps, at]))
    of_rows = np.full(len(every), np.nan)
    of_rows[np.searchsorted(every, at)] = [float(event.whole("epoch")) for event in held]
    rows = np.searchsorted(every, steps)
    of_rows[rows] = epochs
    columns = [told.column(place, rows, values) for place, values in recorded.items()]
    columns += _results(held, np.searchsorted(every, at), told)
    unknown = np.full(len(every), np.nan)
    table = LogTable(
        source=source,
        format=f"imported from {told.tool}" if told.tool else "imported",
        num_rows=len(every),
        columns=tuple(column for column in columns if len(column.values)),
        steps=unknown if told.unit in NO_STEP else every,
        epochs=np.where(of_rows > 0, of_rows, np.nan),
        batches=told.batches,
        step_unit="step" if told.unit in NO_STEP else told.unit,
    )
    return _facts(table, told.roles)


def imported_records(stored: StoredRecords, state: str, *, is_crashed: bool) -> RecordFacts:
    """How far an imported run goes; what the records say is in its log."""
    return RecordFacts(
        num_steps=len(stored),
        state=state,
        first_nonfinite=None,
        groups=(),
        frozen=(),
        max_grad_norm=math.nan,
        first_loss=math.nan,
        last_loss=math.nan,
        last_step=int(stored[-1]["step"]) if len(stored) else 0,
        is_crashed=is_crashed,
    )


class _Told:
    """What `meta.json` says of the log; the file may hold anything."""

    def __init__(self, meta: Mapping[str, Any]) -> None:
        origin = _mapping(meta.get(ORIGIN))
        self.tool, self.roles = str(origin.get("tool", "")), str(origin.get("columns", ""))
        self.unit = str(meta.get("step_unit", ""))
        batches = meta.get("batches")
        self.batches = batches if isinstance(batches, int) and 0 < batches < 2**31 else None
        found: Any = meta.get("series")
        entries = [_mapping(entry) for entry in (cast("list[Any]", found) if isinstance(found, list) else [])]
        self.places = {str(entry["at"]): entry for entry in entries if isinstance(entry.get("at"), str)}

    def column(self, place: str, rows: Ints, values: Floats) -> Column:
        """A series under the name that the log has for it."""
        entry = self.places.get(place, {})
        lines = np.zeros(len(values), np.int64)
        units = _units(entry.get("half_unit"), values)
        name, split = str(entry.get("name", place.removeprefix(RESULT))), str(entry.get("split", ""))
        return Column(name, split, rows, values, lines, units, bool(entry.get("percent")))


def _mapping(value: Any) -> Mapping[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _field(place: str, dtype: np.dtype[np.void]) -> tuple[str, int | None] | None:
    """The field of a record, and the entry of a vector, that a place names; None: it is none."""
    names = dtype.names or ()
    if place in names:
        return (place, None) if not dtype[place].shape else (place, 0)
    found = _ENTRY.fullmatch(place)
    if found is None or found[1] not in names or len(found[2]) > 6:
        return None
    shape, index = dtype[found[1]].shape, int(found[2])
    return (found[1], index) if shape and index < shape[0] else None


def _read(
    stored: StoredRecords, fields: Mapping[str, tuple[str, int | None]]
) -> tuple[Floats, Floats, dict[str, Floats]]:
    """Step and epoch of each record, and the values of each place, shape (n,) each."""
    steps, epochs = np.empty(len(stored)), np.empty(len(stored))
    values = {place: np.empty(len(stored)) for place in fields}
    for start in range(0, len(stored), BLOCK):
        part: Records = stored[start : start + BLOCK]
        at = slice(start, start + len(part))
        steps[at], epochs[at] = part["step"], part["epoch"]
        for place, (name, index) in fields.items():
            values[place][at] = part[name] if index is None else part[name][:, index]
    return steps, epochs, values


def _results(held: Sequence[Event], rows: Ints, told: _Told) -> list[Column]:
    """What the validations measured, by its name in the log."""
    cells: dict[str, list[tuple[int, float]]] = {}
    for event, row in zip(held, rows.tolist(), strict=True):
        for name, value in _mapping(event.data.get("raw")).items():
            number = float(value) if isinstance(value, int | float) else math.nan
            cells.setdefault(name, []).append((row, number))
    found: list[Column] = []
    for name, pairs in cells.items():
        at, values = np.array(pairs, np.float64).T
        found.append(told.column(f"{RESULT}{name}", at.astype(np.int64), values))
    return found


def _units(said: Any, values: Floats) -> Floats:
    """Half a unit of the last digit of each value: the same for all, or between two bounds as their own digits say."""
    bounds = cast("list[Any]", said) if isinstance(said, list) else []
    if len(bounds) != 2 or not all(isinstance(bound, int | float) and bound >= 0 for bound in bounds):
        return np.zeros(len(values))
    least, most = float(bounds[0]), float(bounds[1])
    if least >= most or len(values) > EXACT:
        return np.full(len(values), most)
    with np.errstate(over="ignore"):
        texts = values.astype(np.float32).astype(np.str_).tolist()
    return np.clip(half_units(texts, values), least, most)


def _facts(table: LogTable, roles: str) -> LogFacts:
    """With the roles of the columns that the run keeps; what counted steps and epochs is in their place already."""
    try:
        said = parse_roles(roles) if roles else ()
    except UserError:  # somebody changed the file
        said = ()
    names = {name for column in table.columns for name in (column.name, column.full_name)}
    kept = [(role, name) for role, name in said if name in names and role not in (Role.STEP, Role.EPOCH)]
    return read_facts(table, roles=kept)
