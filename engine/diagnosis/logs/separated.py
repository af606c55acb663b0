"""Reads a table of values under a header of names: CSV, tab-separated, or columns of a terminal.

Rows may be sparse, as Lightning's CSVLogger writes them: an empty field was not logged. Knows no meaning of a name
but step and epoch.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence

from trainctl.engine.diagnosis.logs.names import Kind, meaning_of
from trainctl.engine.diagnosis.logs.numbers import half_unit, parse_number
from trainctl.engine.diagnosis.logs.table import LogTable, TableBuilder

DELIMITERS = (",", "\t", ";", "|")
WORDS = {",": "CSV", "\t": "tab-separated values", ";": "CSV", "|": "a table", " ": "a table"}


def find_delimiter(lines: Sequence[str]) -> str | None:
    """What separates the names of the header and the values below it; None: it is no such table."""
    head = [line for line in lines if line.strip()][:2]
    if len(head) < 2:
        return None
    for delimiter in (*DELIMITERS, " "):
        names, values = _split(head[0], delimiter), _split(head[1], delimiter)
        if len(names) == len(values) and _is_header(names) and _has_values(values, len(names)):
            return delimiter if len(names) > 1 else ","
    return None


def read_separated(lines: Sequence[str], source: str, delimiter: str) -> LogTable:
    """The table of a file that `find_delimiter` recognised."""
    rows = list(_rows(lines, delimiter))
    names = rows[0][1]
    kinds = [meaning_of(name).kind for name in names]
    builder = TableBuilder(source, WORDS[delimiter])
    for number, fields in rows[1:]:
        if fields == names:  # another run appended to the same file
            continue
        builder.start_row()
        for name, kind, field in zip(names, kinds, fields, strict=False):
            _take(builder, name, kind, field, number)
    return builder.build()


def _take(builder: TableBuilder, name: str, kind: Kind, field: str, line: int) -> None:
    found = parse_number(field)
    if found is None or not name:
        return
    if kind is Kind.STEP:
        builder.place(step=found[0])
    elif kind is Kind.EPOCH:
        builder.place(epoch=found[0])
    else:
        builder.add(name, found[0], line=line, half_unit=half_unit(field), percent=found[1])


def _rows(lines: Sequence[str], delimiter: str) -> list[tuple[int, list[str]]]:
    """Fields of each line that is not empty, with its number."""
    if delimiter == " ":
        return [(number, line.split()) for number, line in enumerate(lines, 1) if line.strip()]
    reader = csv.reader(map(_plain, lines), delimiter=delimiter, skipinitialspace=True)
    return [(reader.line_num, [field.strip() for field in fields]) for fields in reader if any(fields)]


def _plain(line: str) -> str:
    """A line that the csv module takes: no carriage returns inside, and no longer than a field may be."""
    return line.rstrip("\r").replace("\r", " ")[: csv.field_size_limit() // 2]


def _split(line: str, delimiter: str) -> list[str]:
    if delimiter == " ":
        return line.split()
    return [field.strip() for field in next(csv.reader([_plain(line)], delimiter=delimiter, skipinitialspace=True), [])]


def _is_header(names: Sequence[str]) -> bool:
    told = [name for name in names if name]
    return bool(told) and all(parse_number(name) is None and not _is_pair(name) for name in told)


def _is_pair(field: str) -> bool:
    """Whether a field says its own name, as in `loss: 0.5`."""
    before, mark, after = field.rpartition(next((mark for mark in ":= " if mark in field), ":"))
    return bool(mark) and any(map(str.isalpha, before)) and parse_number(after) is not None


def _has_values(fields: Sequence[str], num_names: int) -> bool:
    numbers = sum(1 for field in fields if parse_number(field) is not None)
    return numbers >= (1 if num_names > 1 else num_names) and not any(_is_pair(field) for field in fields)
