"""Reads the manifest of a weld data set: category, folder and split of each sample. Opens no media, needs no torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trainctl.engine.data.csv_table import read_csv
from trainctl.engine.data.weld.options import CLASSES
from trainctl.engine.errors import UserError

NEEDED = ("CATEGORY", "SUBDIRS")
TRAIN, VAL, TEST = "train", "val", "test"
SPLIT_NAMES = {"train": TRAIN, "training": TRAIN, "val": VAL, "valid": VAL, "validation": VAL, "test": TEST}


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
    """Recording each sample comes from (column `DIRECTORY`); empty where there is no such column."""

    def counts(self, side: str) -> dict[str, int]:
        """Samples of each class that occurs on one side."""
        assert self.sides is not None
        chosen = [label for label, where in zip(self.labels, self.sides, strict=True) if where == side]
        return {self.classes[label]: count for label, count in sorted(Counter(chosen).items())}


def read_manifest(file: Path) -> Manifest:
    """Labels and splits of a manifest, without any media.

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
    sides = parse_sides(columns["SPLIT"], where) if any(columns.get("SPLIT", [])) else None
    return Manifest(file, classes, labels, columns["SUBDIRS"], sides, columns.get("DIRECTORY", []))


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
    sides = [SPLIT_NAMES.get(text.strip().lower(), "") for text in texts]
    if "" in sides:
        row = sides.index("")
        raise UserError(f"{where[row]}: unknown split {texts[row]!r}", "use TRAIN, VAL or TEST")
    return sides


def _read_columns(file: Path) -> tuple[dict[str, list[str]], list[int]]:
    """Columns by name in upper case, values stripped, and the line number of each row."""
    also = "SPLIT and DIRECTORY are used where they are"
    columns, lines = read_csv(file, NEEDED, fold=str.upper, also=also)
    if not lines:
        raise UserError(f"{file} has no rows", "check that the file is complete")
    return {name: [value.strip() for value in values] for name, values in columns.items()}, lines
