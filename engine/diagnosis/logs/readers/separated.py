"""Reads a table of values under a header of names: CSV, tab-separated, or columns of a terminal.

Rows may be sparse, as Lightning's CSVLogger writes them: an empty field was not logged. Whole columns are converted at
once, a block of lines at a time. Of the meaning of names it asks only whether there is one.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from trainctl.engine.diagnosis.logs.labels import is_label, is_mark
from trainctl.engine.diagnosis.logs.names import Kind, meaning_of
from trainctl.engine.diagnosis.logs.numbers import half_units, parse_number
from trainctl.engine.diagnosis.logs.readers.aligned import Span, placed, spans_of
from trainctl.engine.diagnosis.logs.readers.blocks import BlockBuilder
from trainctl.engine.diagnosis.logs.readers.content import first_lines, line_blocks
from trainctl.engine.diagnosis.logs.readers.lexing import lex
from trainctl.engine.diagnosis.logs.readers.shapes import shape_of
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
_FIGURES = frozenset({Kind.TOTAL, Kind.TERM, Kind.RATE, Kind.ERROR, Kind.SCORE})
FITTING = 0.9
"""Share of the lines below a header that must be its rows."""


@dataclass(frozen=True)
class Layout:
    """The header of a table, and what separates its fields."""

    delimiter: str
    names: tuple[str, ...]
    is_numbered: bool = False
    """Whether the rows begin with their number, which the header has no name for."""
    header: str = ""
    """The line with the names."""


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
                if _has_other_figures(head, split, names):
                    return None
                return Layout(delimiter if len(names) > 1 else ",", tuple(names), header=head[start])
            below = [row for row in split[start + 1 :] if row[0].isdecimal()]
            if delimiter == COLUMNS and 2 * len(below) > len(split) - start and _fit(["", *names], below):
                # The rows are numbered, as pandas prints them.
                return Layout(delimiter, ("", *names), is_numbered=True)
    return None


def read_separated(text: str, source: str, layout: Layout) -> LogTable:
    """The table of a file that `find_layout` recognised."""
    builder = BlockBuilder(source, WORDS[layout.delimiter])
    names: tuple[str, ...] = ()
    strays = _Strays()
    spans = spans_of(layout.header) if layout.delimiter == COLUMNS and not layout.is_numbered else []
    for first, lines in line_blocks(text):
        numbers, rows = _rows(first, lines, layout.delimiter, spans)
        told = next(name for name in layout.names if name)
        headers = [index for index, row in enumerate(rows) if (told in row[0] or told in row[1:2]) and _is_header(row)]
        for start, end in zip([0, *(index + 1 for index in headers)], [*headers, len(rows)], strict=True):
            if start:  # another run appended to the same file, maybe with other names
                header = rows[start - 1]
                names = ("",) * (layout.is_numbered and header[0] != "") + tuple(map(str.strip, header))
            if names and end > start:  # what stands above the first header is no row
                part, lines_of_part = rows[start:end], numbers[start:end]
                kept = strays.without(names, part)
                if len(kept) < len(part):
                    part, lines_of_part = [part[index] for index in kept], lines_of_part[kept]
                _take(builder, names, lines_of_part, part)
    return replace(builder.build(), notes=strays.notes())


def _take(builder: BlockBuilder, names: Sequence[str], numbers: Ints, rows: list[list[str]]) -> None:
    if not rows:
        return
    builder.start_rows(numbers)
    is_full = min(map(len, rows)) >= len(names)
    for index, name in enumerate(names):
        if name and not is_mark(name):
            cells = [row[index] if is_full or len(row) > index else "" for row in rows]
            builder.add(name, *_figures(cells))
            if is_label(name):
                builder.label(name, [cell.strip() for cell in cells])


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


def _rows(first: int, lines: list[str], delimiter: str, spans: Sequence[Span]) -> tuple[Ints, list[list[str]]]:
    """Fields of each line that is not empty, and the lines' numbers; `spans`: where the names of the header stand."""
    rows, numbers = _all_rows(first, lines, delimiter)
    if spans:
        rows = [
            (placed(line, spans) or row) if 1 < len(row) < len(spans) else row
            for line, row in zip(lines, rows, strict=True)
        ]
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


def _has_other_figures(head: Sequence[str], split: Sequence[list[str]], names: Sequence[str]) -> bool:
    """Whether as many lines as a third of the rows say figures with their names: the table is a part of a text."""
    rows = sum(_is_row(fields, names) for fields in split)
    told = sum(
        any(meaning_of(pair.name).kind in _FIGURES for pair in shape_of(lex(line).template).pairs)
        for line, fields in zip(head, split, strict=True)
        if not _is_row(fields, names)
    )
    return 3 * told >= rows


def _fit(names: Sequence[str], below: Sequence[list[str]]) -> bool:
    """Whether the lines below a header are its rows, up to another header, but for one that is still being written."""
    others = [index for index, fields in enumerate(below) if fields[:1] == [*names[:1]] and _is_header(fields)]
    below = [fields for fields in below[: others[0] if others else None] if set("".join(fields)) - _RULERS]
    whole = below[:-1] if len(below) > 1 and len(below[-1]) < len(names) else below
    fitting = sum(_is_row(fields, names) for fields in whole)
    strays = sum(_is_stray(fields, names) for fields in whole)
    whole = whole[: len(whole) - strays] if strays < fitting else whole
    return bool(whole) and fitting >= FITTING * len(whole) and _is_row(whole[0], names)


def _is_row(fields: Sequence[str], names: Sequence[str]) -> bool:
    """Whether there is a field for each name, numbers among them, and none that says its own name or is a bar."""
    if (
        len(fields) < len(names)
        or any(fields[len(names) :])
        or any(_is_pair(field) or "%|" in field for field in fields)
    ):
        return False
    return any(name and parse_number(field) is not None for name, field in zip(names, fields, strict=False))


def _is_pair(field: str) -> bool:
    """Whether a field says its own name, as in `loss: 0.5`."""
    before, mark, after = field.rpartition(next((mark for mark in ":= " if mark in field), ":"))
    return bool(mark) and any(map(str.isalpha, before)) and parse_number(after) is not None


def _is_stray(fields: Sequence[str], names: Sequence[str]) -> bool:
    """Whether a row has more cells than the header has names, all of them numbers."""
    return len(fields) > len(names) and all(parse_number(field) is not None for field in fields)


@dataclass
class _Strays:
    """The rows of a table that are left out for it."""

    num_rows: int = 0
    counts: Counter[tuple[int, int]] = field(default_factory=Counter[tuple[int, int]])
    """Rows by how many cells they have, and how many the header above."""
    is_newest: bool = False
    """Whether the last row is one of them."""

    def without(self, names: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
        """Which rows are no strays."""
        if max(map(len, rows), default=0) <= len(names):
            self.num_rows, self.is_newest = self.num_rows + len(rows), self.is_newest and not rows
            return list(range(len(rows)))
        stray = [_is_stray(row, names) for row in rows]
        self.counts.update((len(row), len(names)) for row, is_one in zip(rows, stray, strict=True) if is_one)
        self.num_rows, self.is_newest = self.num_rows + len(rows), stray[-1]
        return [index for index, is_one in enumerate(stray) if not is_one]

    def notes(self) -> tuple[str, ...]:
        """What was left out, in words."""
        notes = [
            f"{count:,} of {self.num_rows:,} rows are left out: they have {cells} cells under a header of {names}"
            for (cells, names), count in self.counts.items()
        ]
        if self.is_newest:
            notes.append("the newest rows are of another header, which is missing: it has to stand above them")
        return tuple(notes)
