"""Reads a table of text (CSV, or with semicolons or tabs) as columns that know their lines. Knows no data set.

What a file is shows in its content, never in its name: tables are renamed, copied and numbered.
"""

from __future__ import annotations

import codecs
import csv
import io
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from trainctl.engine.errors import UserError
from trainctl.engine.files import open_regular

Columns = dict[str, list[str]]
"""Values of each column, in the order of the rows, as they stand in the file."""
DELIMITERS = (",", ";", "\t", "|")
"""What may stand between two values; the first is meant where none of them makes sense."""
MOST_BYTES = 512 << 20
"""Of a table: some ten million rows."""
HEAD_BYTES = 1 << 16
"""What is looked at to tell a table from other files."""
NAMED, NAME_LENGTH = 12, 40
"""Columns that are named in a message, and characters of each."""


def read_csv(
    file: Path, needed: Sequence[str], *, fold: Callable[[str], str] = str, also: str = ""
) -> tuple[Columns, list[int]]:
    """Columns by name, and the line number of each row. Empty lines are passed over, and the header's repetition.

    Args:
        file: with a header, UTF-8; of the delimiters that one which shows the needed columns.
        needed: columns without which the file is refused.
        fold: makes names comparable, e.g. `str.upper`; they are stripped in any case.
        also: what to say of further columns where one is missing.

    Raises:
        UserError: the file cannot be read, lacks a column, or has a row of another length; names file and line.
    """
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        head = _head(file)
        delimiter = next(
            (mark for mark, names in _headers(head, fold) if set(needed) <= set(names)), _usual_delimiter(head)
        )
        with io.TextIOWrapper(open_regular(file), encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True, delimiter=delimiter)
            header = [fold(name.strip()) for name in next(_filled(reader), [])]
            require_columns(header, needed, file, also)
            for row in _filled(reader):
                # Tables that were put together repeat it.
                if [fold(name.strip()) for name in row] == header:
                    continue
                if len(row) != len(header):
                    raise UserError(
                        f"{file} line {reader.line_num}: {len(row)} values for {len(header)} columns",
                        "quote values that hold a comma",
                    )
                rows.append(row)
                lines.append(reader.line_num)
    except PermissionError as error:
        raise UserError(f"permission denied: {file}", "make the file readable") from error
    except (OSError, ValueError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"cannot read {file} as CSV: {reason}", "save it as comma-separated UTF-8") from error
    columns: Columns = {}
    for i, name in enumerate(header):
        _add_column(columns, name, [row[i] for row in rows], file, lines)
    return columns, lines


def _filled(rows: Iterator[list[str]]) -> Iterator[list[str]]:
    """Those with anything in them: a spreadsheet leaves lines of nothing but delimiters."""
    return (row for row in rows if any(map(str.strip, row)))


def _add_column(columns: Columns, name: str, values: list[str], file: Path, lines: Sequence[int]) -> None:
    """Keep a column.

    Raises:
        UserError: another one is called so and says something else; nobody can tell which is meant.
    """
    known = columns.setdefault(name, values)
    row = next((row for row, (one, other) in enumerate(zip(known, values, strict=True)) if one != other), None)
    if row is not None and name:
        one, other = quoted(known[row]), quoted(values[row])
        raise UserError(
            f"{file} has two columns {quoted(name)}, and line {lines[row]} has {one} and {other} in them",
            "rename or remove one",
        )


def require_columns(found: Sequence[str], needed: Sequence[str], where: Path, also: str = "") -> None:
    """Refuse a table that lacks a column, naming those it has.

    Raises:
        UserError: names the missing and the present columns.
    """
    missing = [name for name in needed if name not in found]
    if missing:
        word = "column" if len(missing) == 1 else "columns"
        raise UserError(
            f"{where} has no {word} {', '.join(missing)} (found: {found_words(found)})",
            f"needed are {', '.join(needed)}" + (f"; {also}" if also else ""),
        )


def found_words(names: Sequence[str]) -> str:
    """The first few names, none of them long: they may be a line of anything."""
    shown = [name if len(name) <= NAME_LENGTH else f"{name[:NAME_LENGTH]}…" for name in names[:NAMED]]
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return (", ".join(shown) or "none") + more


def quoted(value: object) -> str:
    """A value of a table for a message; only the beginning of a long one."""
    words = repr(value)
    return words if len(words) <= NAME_LENGTH else f"{words[:NAME_LENGTH]}…"


def is_table(file: Path) -> bool:
    """Whether a regular file begins as UTF-8 text; False for everything else, and what cannot be read."""
    try:
        _head(file)
    except (OSError, ValueError):
        return False
    return True


def table_headers(file: Path, fold: Callable[[str], str]) -> list[list[str]]:
    """Names of the columns under each delimiter that the file may mean; none where it is no text."""
    try:
        return [names for _, names in _headers(_head(file), fold)]
    except (OSError, ValueError):
        return []


def _head(file: Path) -> str:
    """The beginning of a table.

    Raises:
        OSError: it cannot be read.
        ValueError: it is too large, or no UTF-8 text.
    """
    with open_regular(file) as stream:
        size, head = os.fstat(stream.fileno()).st_size, stream.read(HEAD_BYTES)
    if size > MOST_BYTES:
        raise ValueError(f"it has {size / 1e6:,.0f} MB, more than the {MOST_BYTES / 1e6:,.0f} MB of a table")
    if b"\0" in head:
        raise ValueError("it is no UTF-8 text")
    # A character may be cut in two at the end of what was read.
    return codecs.getincrementaldecoder("utf-8-sig")().decode(head, final=size <= len(head))


def _headers(head: str, fold: Callable[[str], str]) -> Iterator[tuple[str, list[str]]]:
    """Each delimiter with the names that it gives the columns."""
    for mark in DELIMITERS:
        try:
            names = next(_filled(csv.reader(io.StringIO(head, newline=""), delimiter=mark)), [])
            yield mark, [fold(name.strip()) for name in names]
        except csv.Error:
            continue


def _usual_delimiter(head: str) -> str:
    """The one that the first line holds most often, for a message that names the columns as they are meant."""
    first = next((line for line in head.splitlines() if line.strip(" \t,;|")), "")
    return max(DELIMITERS, key=first.count)
