"""Lists eyes from a CSV file, and turns the columns of any table into a listing. Decodes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from trainctl.engine.data.csv_table import quoted, read_csv
from trainctl.engine.data.eyes.listing import Listing, parse_class_ids, parse_splits
from trainctl.engine.data.images import Source
from trainctl.engine.data.split_names import column_words, split_column
from trainctl.engine.errors import UserError


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
    column = split_column(columns)
    sides = None if column is None else parse_splits(columns[column], where)
    notes = () if column is None or column.lower() == "split" else (column_words(column),)
    words = {"closed": 0, "open": 1}
    for row, label in enumerate(columns.get("label", ())):
        said = words.get(str(label).strip().lower())
        if said is not None and said != class_ids[row]:
            raise UserError(
                f"{where(row)}: label is {quoted(label)} but class_id is {class_ids[row]}",
                "use 0 for closed and 1 for open",
            )
    return Listing(str(origin), names, class_ids, sources, sides, columns, notes)


def list_csv(file: Path) -> Listing:
    """Every row of a CSV file with the columns `path` (relative to the file) and `class_id`.

    Raises:
        UserError: when the file cannot be read, lacks a column, has no rows, or a row is wrong.
    """
    columns, lines = read_csv(file, ["path", "class_id"])
    paths = columns["path"]

    def where(row: int) -> str:
        return f"{file} line {lines[row]}"

    empty = next((row for row, path in enumerate(paths) if not path.strip()), None)
    if empty is not None:
        raise UserError(f"{where(empty)}: path is empty", "name an image file")

    def sources() -> Iterator[Source]:
        return (file.parent / path for path in paths)

    return listing_from_columns(file, columns, paths, sources, where)
