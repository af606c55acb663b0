"""Reads a CSV file as columns of text that know their lines. Knows no data set."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path

from trainctl.engine.errors import UserError
from trainctl.engine.files import open_regular

Columns = dict[str, list[str]]
"""Values of each column, in the order of the rows, as they stand in the file."""


def read_csv(
    file: Path, needed: Sequence[str], *, fold: Callable[[str], str] = str, also: str = ""
) -> tuple[Columns, list[int]]:
    """Columns by name, and the line number of each row. Empty lines are passed over.

    Args:
        file: with a header, UTF-8.
        needed: columns without which the file is refused.
        fold: makes names comparable, e.g. `str.upper`; they are stripped in any case.
        also: what to say of further columns where one is missing.

    Raises:
        UserError: the file cannot be read, lacks a column, or has a row of another length; names file and line.
    """
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        with io.TextIOWrapper(open_regular(file), encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            header = [fold(name.strip()) for name in next(reader, [])]
            require_columns(header, needed, file, also)
            for row in reader:
                if not row:
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
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"cannot read {file} as CSV: {reason}", "save it as comma-separated UTF-8") from error
    return {name: [row[i] for row in rows] for i, name in enumerate(header)}, lines


def require_columns(found: Sequence[str], needed: Sequence[str], where: Path, also: str = "") -> None:
    """Refuse a table that lacks a column, naming those it has.

    Raises:
        UserError: names the missing and the present columns.
    """
    missing = [name for name in needed if name not in found]
    if missing:
        word = "column" if len(missing) == 1 else "columns"
        raise UserError(
            f"{where} has no {word} {', '.join(missing)} (found: {', '.join(found) or 'none'})",
            f"needed are {', '.join(needed)}" + (f"; {also}" if also else ""),
        )
