"""Lists eyes from a CSV file, and turns the columns of any table into a listing. Decodes nothing."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from trainctl.engine.data.eyes_listing import Listing, parse_class_ids, parse_splits
from trainctl.engine.data.images import Source
from trainctl.engine.errors import UserError


def require_columns(found: Sequence[str], needed: Sequence[str], where: Path) -> None:
    """Refuse a table that lacks a column, naming those it has.

    Raises:
        UserError: names the missing and the present columns.
    """
    missing = [name for name in needed if name not in found]
    if missing:
        word = "column" if len(missing) == 1 else "columns"
        raise UserError(
            f"{where} has no {word} {', '.join(missing)} (found: {', '.join(found) or 'none'})",
            f"needed are {', '.join(needed)}",
        )


def listing_from_columns(
    origin: Path,
    columns: Mapping[str, Sequence[object]],
    names: list[str],
    sources: Callable[[], Iterator[Source]],
    where: Callable[[int], str],
) -> Listing:
    """Check `class_id`, and `split` and `label` where they are given.

    Args:
        origin: the file, for messages.
        columns: at least `class_id`.
        names: one per row.
        sources: image files or contents, one per row.
        where: names a row for messages.

    Raises:
        UserError: names the row that is wrong.
    """
    if not names:
        raise UserError(f"{origin} has no rows", "check that the file is complete")
    class_ids = parse_class_ids(columns["class_id"], where)
    sides = parse_splits(columns["split"], where) if "split" in columns else None
    words = {"closed": 0, "open": 1}
    for row, label in enumerate(columns.get("label", ())):
        said = words.get(str(label).strip().lower())
        if said is not None and said != class_ids[row]:
            raise UserError(
                f"{where(row)}: label is {label!r} but class_id is {class_ids[row]}",
                "use 0 for closed and 1 for open",
            )
    return Listing(str(origin), names, class_ids, sources, sides, columns)


def list_csv(file: Path) -> Listing:
    """Every row of a CSV file with the columns `path` (relative to the file) and `class_id`.

    Raises:
        UserError: when the file cannot be read, lacks a column, has no rows, or a row is wrong.
    """
    columns, lines = _read_csv(file)
    paths = columns["path"]

    def where(row: int) -> str:
        return f"{file} line {lines[row]}"

    empty = next((row for row, path in enumerate(paths) if not path.strip()), None)
    if empty is not None:
        raise UserError(f"{where(empty)}: path is empty", "name an image file")

    def sources() -> Iterator[Source]:
        return (file.parent / path for path in paths)

    return listing_from_columns(file, columns, paths, sources, where)


def _read_csv(file: Path) -> tuple[dict[str, list[str]], list[int]]:
    """Columns by name, and the line number of each row."""
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            header = [name.strip() for name in next(reader, [])]
            require_columns(header, ["path", "class_id"], file)
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
        raise UserError(f"cannot read {file} as CSV: {error}", "save it as comma-separated UTF-8") from error
    return {name: [row[i] for row in rows] for i, name in enumerate(header)}, lines
