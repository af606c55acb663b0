"""Reads a table of values under a header of names: CSV, tab-separated, or columns of a terminal.

Rows may be sparse, as Lightning's CSVLogger writes them: an empty field was not logged. Whole columns are converted at
once, a block of lines at a time. Of the meaning of names it asks only whether there is one.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trainctl.engine.diagnosis.logs.names import Kind, meaning_of
from trainctl.engine.diagnosis.logs.numbers import half_units, parse_number
from trainctl.engine.diagnosis.logs.readers.blocks import BlockBuilder
from trainctl.engine.diagnosis.logs.readers.content import first_lines, line_blocks
from trainctl.engine.diagnosis.logs.table import Floats, Ints, LogTable

DELIMITERS = (",", "\t", ";", "|")
COLUMNS = "  "
"""Two spaces or more, between columns of a terminal whose names may hold one."""
WORDS = {COLUMNS: "a table", ",": "CSV", "\t": "tab-separated values", ";": "CSV", "|": "a table", " ": "a table"}
LOOKED_AT = 60
"""Lines by which a table is recognised."""
LATEST_HEADER = 30
"""Lines before a header, at most: a configuration, comments."""
_RULERS = frozenset("-=+|")
FITTING = 0.9
"""Share of the lines below a header that must be its rows."""


@dataclass(frozen=True)
class Layout:
    """The header of a table, and what separates its fields."""

    delimiter: str
    names: tuple[str, ...]
    is_numbered: bool = False
    """Whether the rows begin with their number, which the header has no name for."""


def find_layout(text: str) -> Layout | None:
    """How a text is a table of values under a header; None: it is none."""
    head = first_lines(text, LOOKED_AT)
    for delimiter in (*DELIMITERS, COLUMNS, " "):
        split = [_split(line, delimiter) for line in head]
        for start, names in enumerate(split[: min(LATEST_HEADER, len(split) - 1)]):
            is_plain = delimiter in DELIMITERS and start == 0
            if not _is_header(names) or not (is_plain or _is_known(names)):
                continue
            if (not start or len(split) - start > 2) and _fit(names, split[start + 1 :]):
                return Layout(delimiter if len(names) > 1 else ",", tuple(names))
            below = [row for row in split[start + 1 :] if row[0].isdecimal()]
            if delimiter == COLUMNS and 2 * len(below) > len(split) - start and _fit(["", *names], below):
                # The rows are numbered, as pandas prints them.
                return Layout(delimiter, ("", *names), is_numbered=True)
    return None


def read_separated(text: str, source: str, layout: Layout) -> LogTable:
    """The table of a file that `find_layout` recognised."""
    builder = BlockBuilder(source, WORDS[layout.delimiter])
    names: tuple[str, ...] = ()
    for first, lines in line_blocks(text):
        numbers, rows = _rows(first, lines, layout.delimiter)
        told = next(name for name in layout.names if name)
        headers = [index for index, row in enumerate(rows) if (told in row[0] or told in row[1:2]) and _is_header(row)]
        for start, end in zip([0, *(index + 1 for index in headers)], [*headers, len(rows)], strict=True):
            if start:  # another run appended to the same file, maybe with other names
                header = rows[start - 1]
                names = ("",) * (layout.is_numbered and header[0] != "") + tuple(map(str.strip, header))
            if names and end > start:  # what stands above the first header is no row
                _take(builder, names, numbers[start:end], rows[start:end])
    return builder.build()


def _take(builder: BlockBuilder, names: Sequence[str], numbers: Ints, rows: list[list[str]]) -> None:
    builder.start_rows(numbers)
    is_full = min(map(len, rows)) >= len(names)
    for index, name in enumerate(names):
        if name:
            cells = [row[index] if is_full or len(row) > index else "" for row in rows]
            builder.add(name, *_figures(cells))


def _figures(cells: list[str]) -> tuple[Ints | None, Floats, Floats, bool]:
    """Which cells hold a number (None: each does), the numbers, their half units, and whether any is in percent."""
    values = _floats(cells)
    if values is not None:
        return None, values, half_units(cells, values), False
    at = [index for index, cell in enumerate(cells) if cell]
    told = [cells[index] for index in at]
    values = _floats(told)
    if values is not None:
        return np.array(at, np.int64), values, half_units(told, values), False
    parsed = [(index, found) for index in at if (found := parse_number(cells[index])) is not None]
    values = np.array([found.value for _, found in parsed], np.float64)
    units = half_units([found.digits for _, found in parsed], values)
    is_percent = any(found.is_percent for _, found in parsed)
    return np.array([index for index, _ in parsed], np.int64), values, units, is_percent


def _floats(cells: list[str]) -> Floats | None:
    """The cells as numbers; None: one of them is none, or is written so that only `parse_number` can tell."""
    try:
        values = np.fromiter(map(float, cells), np.float64, len(cells))
    except ValueError:
        return None
    return None if any("_" in cell for cell in cells) else values


def _rows(first: int, lines: list[str], delimiter: str) -> tuple[Ints, list[list[str]]]:
    """Fields of each line that is not empty, and the lines' numbers."""
    rows, numbers = _all_rows(first, lines, delimiter)
    if all(rows) and all(row[0] for row in rows):
        return numbers, rows
    kept = [index for index, row in enumerate(rows) if any(row)]
    return numbers[kept], [rows[index] for index in kept]


def _all_rows(first: int, lines: list[str], delimiter: str) -> tuple[list[list[str]], Ints]:
    if delimiter not in DELIMITERS:
        return [_split(line, delimiter) for line in lines], np.arange(first, first + len(lines))
    if delimiter == ";":
        lines = [line.replace(",", ".") for line in lines]
    if delimiter == "|":
        return [[field.strip() for field in line.split("|")] for line in lines], np.arange(first, first + len(lines))
    try:
        rows = list(csv.reader(lines, delimiter=delimiter, skipinitialspace=True))
    except csv.Error:
        rows = []
    if len(rows) == len(lines):
        return rows, np.arange(first, first + len(lines))
    reader = csv.reader(map(_plain, lines), delimiter=delimiter, skipinitialspace=True)
    numbered = [(reader.line_num, row) for row in reader]
    return [row for _, row in numbered], np.array([number for number, _ in numbered], np.int64) + (first - 1)


def _plain(line: str) -> str:
    """A line that the csv module takes: no carriage returns inside, and no longer than a field may be."""
    return line.rstrip("\r").replace("\r", " ")[: csv.field_size_limit() // 2]


def _split(line: str, delimiter: str) -> list[str]:
    if delimiter not in DELIMITERS:
        return re.split(r"\s{2,}|\t", line.strip()) if delimiter == COLUMNS else line.split()
    if delimiter == ";":  # where the decimal sign is a comma
        line = line.replace(",", ".")
    try:
        fields = next(csv.reader([line.replace("\r", " ")], delimiter=delimiter, skipinitialspace=True), [])
    except csv.Error:  # a field longer than any
        fields = next(csv.reader([_plain(line)], delimiter=delimiter, skipinitialspace=True), [])
    return [field.strip() for field in fields]


def _is_header(names: Sequence[str]) -> bool:
    told = [name for name in names if name]
    return (
        bool(told)
        and len(set(told)) == len(told)
        and all(
            parse_number(name) is None
            and not _is_pair(name)
            and "=" not in name
            and (name == "#" or any(map(str.isalpha, name)))
            for name in told
        )
    )


def _is_known(names: Sequence[str]) -> bool:
    """Whether the words of a header can be names: what is spaced apart, or stands below other lines, may be prose."""
    return all(name[-1:] not in ".:,!?" and "%|" not in name for name in names if name) and any(
        meaning_of(name).kind is not Kind.OTHER for name in names
    )


def _fit(names: Sequence[str], below: Sequence[list[str]]) -> bool:
    """Whether the lines below a header are its rows, up to another header, but for one that is still being written."""
    others = [index for index, fields in enumerate(below) if fields[:1] == [*names[:1]] and _is_header(fields)]
    below = [fields for fields in below[: others[0] if others else None] if set("".join(fields)) - _RULERS]
    whole = below[:-1] if len(below) > 1 and len(below[-1]) < len(names) else below
    fitting = sum(_is_row(fields, names) for fields in whole)
    return bool(whole) and fitting >= FITTING * len(whole) and _is_row(whole[0], names)


def _is_row(fields: Sequence[str], names: Sequence[str]) -> bool:
    """Whether there is a field for each name, numbers among them, and none that says its own name or is a bar."""
    if len(fields) != len(names) or any(_is_pair(field) or "%|" in field for field in fields):
        return False
    return any(name and parse_number(field) is not None for name, field in zip(names, fields, strict=True))


def _is_pair(field: str) -> bool:
    """Whether a field says its own name, as in `loss: 0.5`."""
    before, mark, after = field.rpartition(next((mark for mark in ":= " if mark in field), ":"))
    return bool(mark) and any(map(str.isalpha, before)) and parse_number(after) is not None
