"""Reads JSON: one object a line, a list of objects, a Hugging Face `trainer_state.json`, a Keras history.

Names of nested objects are joined with slashes. Knows no meaning of a name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from trainctl.engine.diagnosis.logs.labels import is_label, is_mark
from trainctl.engine.diagnosis.logs.numbers import half_unit, parse_number
from trainctl.engine.diagnosis.logs.readers.content import line_blocks
from trainctl.engine.diagnosis.logs.table import LogTable, TableBuilder

_WORDS = {"nan": "nan", "inf": "inf", "infinity": "inf", "-inf": "-inf", "-infinity": "-inf"}
LONGEST_WHOLE = 1 << 20
"""Characters of a text up to which it is first tried as a whole."""
RUNTIME = "train_runtime"
"""In the closing row of a Hugging Face trainer, which sums up the whole training."""
SUMMARY = {"train_loss": "train_loss (summary)"}
MOST_NAMES = 4
"""Of lists that are named."""
MOST_PARTS = 8
"""Objects of a list that are each a part of the training, as the players of a game are; of more they are samples."""
HISTORY = "log_history"
"""Key of a Hugging Face trainer state that holds the log."""


class _Printed(float):
    """A number that remembers how far its digits may be from what was meant."""

    half_unit: float

    def __new__(cls, text: str) -> _Printed:
        number = super().__new__(cls, text)
        number.half_unit = half_unit(text)
        return number


def read_objects(text: str, source: str) -> LogTable | None:
    """The table of a JSON text; None: it is not JSON."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    is_of_lines = len(text) > LONGEST_WHOLE and text.count("\n{", 0, LONGEST_WHOLE) > 1
    whole = None if is_of_lines else _parse(text)
    if isinstance(whole, dict) and isinstance(whole.get(HISTORY), list):
        return _table(((0, entry) for entry in whole[HISTORY]), source, "Hugging Face trainer state")
    if isinstance(whole, list):
        return _table(((0, entry) for entry in whole), source, "JSON")
    if isinstance(whole, dict) and (columns := _columns(whole)):
        rows = ((0, {name: values[index] for name, values in columns.items()}) for index in _indices(columns))
        return _table(rows, source, "JSON")
    return _read_lines(text, source)


def _read_lines(text: str, source: str) -> LogTable | None:
    """One object a line; a torn line is passed over. None: most are no objects."""
    builder, lists = TableBuilder(source, "JSON lines"), dict[str, None]()
    told = 0
    for first, lines in line_blocks(text):
        for number, line in enumerate(lines, first):
            told += bool(line.strip())
            if line.lstrip()[:1] == "{" and isinstance(entry := _parse(line), dict):
                _take_row(builder, entry, number, lists)
        if 2 * builder.num_rows < told:
            return None
    return replace(builder.build(), notes=_notes(lists)) if builder.num_rows else None


def _parse(text: str) -> Any:
    try:
        return json.loads(text, parse_float=_Printed)
    except (ValueError, RecursionError):
        return None


def _columns(document: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Lists of one length by name, as Keras keeps its history; empty: there are none."""
    lists = {str(name): value for name, value in document.items() if isinstance(value, list) and value}
    lengths = {len(value) for value in lists.values()}
    return lists if len(lengths) == 1 else {}


def _indices(columns: Mapping[str, list[Any]]) -> range:
    return range(len(next(iter(columns.values()))))


def _table(rows: Iterator[tuple[int, Any]], source: str, format: str) -> LogTable:
    builder, lists = TableBuilder(source, format), dict[str, None]()
    for line, entry in rows:
        if isinstance(entry, Mapping):
            _take_row(builder, entry, line, lists)
    return replace(builder.build(), notes=_notes(lists))


def _notes(lists: Mapping[str, None]) -> tuple[str, ...]:
    """What was left out, in words."""
    shown = ", ".join(list(lists)[:MOST_NAMES]) + (f" and {len(lists) - MOST_NAMES} more" * (len(lists) > MOST_NAMES))
    return (f"lists of figures are left out: {shown}",) if lists else ()


def _take_row(builder: TableBuilder, entry: Mapping[str, Any], line: int, lists: dict[str, None]) -> None:
    builder.start_row()
    for name, value in entry.items():
        if isinstance(value, str | int) and not isinstance(value, bool) and is_label(name):
            builder.label(name, str(value))
    values = dict(_flat(entry, lists))
    for name, value in values.items():
        _take(builder, SUMMARY.get(name, name) if RUNTIME in values else name, value, line)


def _flat(entry: Mapping[Any, Any], lists: dict[str, None], above: str = "") -> Iterator[tuple[str, float]]:
    """Names and figures of an object and those in it; `lists` gets the names of what holds several figures."""
    for key, value in entry.items():
        name = f"{above}{key}"
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if isinstance(value, Mapping):
            yield from _flat(value, lists, f"{name}/")
        elif isinstance(value, list) and _are_parts(value):
            yield from _flat(dict(enumerate(value)), lists, f"{name}/")
        elif isinstance(value, list) and _has_figures(value):
            lists[name] = None
        elif is_mark(name):
            continue
        elif isinstance(value, str) and value.strip().lower() in _WORDS:
            yield name, float(_WORDS[value.strip().lower()])
        elif isinstance(value, str) and (found := parse_number(value)) is not None and not found.is_percent:
            yield name, _Printed(found.digits)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield name, value


def _are_parts(value: Sequence[Any]) -> bool:
    return 1 < len(value) <= MOST_PARTS and all(isinstance(one, Mapping) for one in value)


def _has_figures(value: Any) -> bool:
    while isinstance(value, list) and value:
        value = value[0]
    return isinstance(value, float)


def _take(builder: TableBuilder, name: str, value: float, line: int) -> None:
    try:
        number = float(value)
    except OverflowError:
        number = float("inf")
    builder.add(name, number, line=line, half_unit=value.half_unit if isinstance(value, _Printed) else 0.0)
