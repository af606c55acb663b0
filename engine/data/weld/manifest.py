"""Reads the manifest of a weld data set: category, folder and split of each sample. Opens no media, needs no torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from trainctl.engine.data.csv_table import quoted, read_csv
from trainctl.engine.data.grouping import alone_where_empty
from trainctl.engine.data.split_names import column_words, side_of, split_column
from trainctl.engine.data.weld.options import CLASSES
from trainctl.engine.errors import UserError

NEEDED = ("CATEGORY", "SUBDIRS")
RECORDING_COLUMNS = ("DIRECTORY", "RECORDING", "RECORDING_ID", "SESSION", "GROUP")
"""Columns that name the recording of a sample; the first that is there and not empty counts."""


@dataclass(frozen=True)
class Manifest:
    """What the manifest says of each sample, in its order."""

    path: Path
    classes: tuple[str, ...]
    labels: list[int]
    """Class of each sample."""
    subdirs: list[str]
    """Where its media are, relative to the manifest."""
    sides: list[str] | None
    """`train`, `val` or `test`; none where the manifest names no split."""
    groups: list[str]
    """Recording each sample comes from; empty where nothing tells."""
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    """All columns, by name in upper case."""
    split_column: str | None = None
    """The one that names the sides; none where none does."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of how it was read."""
        is_other = self.sides is not None and self.split_column not in (None, "SPLIT")
        return (column_words(str(self.split_column)),) if is_other else ()

    def counts(self, side: str) -> dict[str, int]:
        """Samples of each class that occurs on one side."""
        assert self.sides is not None
        chosen = [label for label, where in zip(self.labels, self.sides, strict=True) if where == side]
        return {self.classes[label]: count for label, count in sorted(Counter(chosen).items())}


def read_manifest(file: Path, *, with_sides: bool = True) -> Manifest:
    """Labels and splits of a manifest, without any media.

    Args:
        file: the table.
        with_sides: whether the split that it names matters; a name that is not known is refused only then.

    Raises:
        UserError: the file cannot be read, a column is missing, or a row is wrong; names the line.
    """
    columns, lines = _read_columns(file)
    where = [f"{file} line {line}" for line in lines]
    for name in NEEDED:
        empty = next((row for row, text in enumerate(columns[name]) if not text), None)
        if empty is not None:
            raise UserError(f"{where[empty]}: {name} is empty", "fill it in or remove the row")
    classes, labels = number_classes(columns["CATEGORY"])
    column = split_column(columns)
    sides = parse_sides(columns[column], where) if with_sides and column is not None else None
    recordings = _recordings(columns, len(set(labels)))
    return Manifest(file, classes, labels, columns["SUBDIRS"], sides, recordings, columns, column)


def _recordings(columns: Mapping[str, Sequence[str]], num_classes: int) -> list[str]:
    """Recording of each sample: a column that says so, else the folder that holds its features.

    Where there are no more folders than classes, they are those of the classes.
    """
    named = next((columns[name] for name in RECORDING_COLUMNS if any(columns.get(name, ()))), None)
    if named is None:
        named = [subdir.replace("\\", "/").rpartition("/")[0] for subdir in columns["SUBDIRS"]]
        if len(set(named)) <= num_classes:
            return []
    return alone_where_empty(named)


def number_classes(names: Sequence[str]) -> tuple[tuple[str, ...], list[int]]:
    """Classes and the number of each sample's: the twelve known ones where they suffice, else those that occur.

    Case, spaces and hyphens do not matter. Whole numbers keep their numeric order.
    """
    plain = [name.strip().lower().replace(" ", "_").replace("-", "_") for name in names]
    occurring = set(plain)
    if occurring <= set(CLASSES):
        classes = CLASSES
    else:
        classes = tuple(sorted(occurring, key=lambda name: (int(name) if name.isdigit() else -1, name)))
    number = {name: index for index, name in enumerate(classes)}
    return classes, [number[name] for name in plain]


def parse_sides(texts: Sequence[str], where: Sequence[str]) -> list[str]:
    """Sides from split names.

    Raises:
        UserError: names the first row with an unknown split.
    """
    known = {text: side_of(text) for text in set(texts)}
    sides = [known[text] for text in texts]
    if None in sides:
        row = sides.index(None)
        hint = "use TRAIN, VAL or TEST, or make the split anew with data.split=stratified or grouped"
        raise UserError(f"{where[row]}: unknown split {quoted(texts[row])}", hint)
    return [side for side in sides if side is not None]


def _read_columns(file: Path) -> tuple[dict[str, list[str]], list[int]]:
    """Columns by name in upper case, values stripped, and the line number of each row."""
    also = "SPLIT and DIRECTORY (recording) are used where they are"
    columns, lines = read_csv(file, NEEDED, fold=str.upper, also=also)
    if not lines:
        raise UserError(f"{file} has no rows", "check that the file is complete")
    return {name: [value.strip() for value in values] for name, values in columns.items()}, lines
