"""What every loader of eyes makes of its format: a list of labelled images, not yet decoded.

Checks class ids and split names, whatever they were read from. Knows no file format and no image.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from trainctl.engine.data.images import Source
from trainctl.engine.errors import UserError

TRAIN, VAL, UNUSED = 0, 1, 2
"""Sides of a split."""

SPLIT_NAMES = {
    "train": TRAIN,
    "training": TRAIN,
    "val": VAL,
    "valid": VAL,
    "validation": VAL,
    "test": UNUSED,
}
"""Names of splits that are understood; a test split is left out of training."""

ALONE = "ungrouped image "
"""Prefix of the group of an image that the grouping does not cover."""

CLASS_IDS = {"0": 0, "1": 1, "0.0": 0, "1.0": 1}
"""Ways to write a class id."""


@dataclass(frozen=True)
class Listing:
    """Labelled images in the order of the data."""

    origin: str
    """The file or folder named by the user, for messages."""
    names: list[str]
    """Path of each image as the data gives it, or its row."""
    class_ids: NDArray[np.int64]
    """0 closed, 1 open."""
    sources: Callable[[], Iterator[Source]]
    """Files or contents in the order of `names`."""
    sides: NDArray[np.int64] | None = None
    """TRAIN, VAL or UNUSED of each image; none where the data names no split."""
    columns: Mapping[str, Sequence[object]] = field(default_factory=dict[str, Sequence[object]])
    """What can be grouped by."""
    notes: tuple[str, ...] = ()


def parse_class_ids(values: Sequence[object], where: Callable[[int], str]) -> NDArray[np.int64]:
    """Class ids as int64.

    Args:
        values: as read: numbers or text.
        where: names the row of an index, for the message.

    Raises:
        UserError: names the first row whose value is neither 0 nor 1.
    """
    parsed = [CLASS_IDS.get(str(value).strip(), -1) for value in values]
    if -1 in parsed:
        row = parsed.index(-1)
        raise UserError(f"{where(row)}: class_id is {values[row]!r}", "use 0 for closed and 1 for open")
    return np.asarray(parsed, dtype=np.int64)


def parse_split_name(name: str, where: str) -> int:
    """Side of a split by its name.

    Raises:
        UserError: when the name is unknown.
    """
    side = SPLIT_NAMES.get(name.strip().lower())
    if side is None:
        raise UserError(f"{where}: unknown split {name!r}", "use train, val or test")
    return side


def parse_splits(values: Sequence[object], where: Callable[[int], str]) -> NDArray[np.int64] | None:
    """Sides by row; none when no row names a split.

    Raises:
        UserError: names the first row with an unknown split.
    """
    texts = ["" if value is None else str(value) for value in values]
    if not any(texts):
        return None
    known: dict[str, int] = {}
    for row, text in enumerate(texts):
        if text not in known:
            known[text] = parse_split_name(text, where(row))
    return np.asarray([known[text] for text in texts], dtype=np.int64)


def group_keys(listing: Listing, group_by: str) -> list[str]:
    """Person or photo of each image; an image without one is a group of its own.

    Args:
        listing: the images.
        group_by: name of a column, or a regular expression over the names (key: first group, or whole match).

    Raises:
        UserError: when the expression is invalid or matches no image, or the column is empty.
    """
    if group_by in listing.columns:
        keys = ["" if value is None else str(value) for value in listing.columns[group_by]]
    else:
        keys = _matches(listing, group_by)
    if not any(keys):
        columns = ", ".join(listing.columns) or "none"
        raise UserError(
            f"data.group_by='{group_by}' matches no path in {listing.origin} (first: {listing.names[0]}) "
            f"and is no column with values (columns: {columns})",
            r"give a regular expression such as '([^/]+)_\d+\.jpg' or the name of a column",
        )
    return [key or f"{ALONE}{row + 1}" for row, key in enumerate(keys)]


def _matches(listing: Listing, expression: str) -> list[str]:
    """First group, or whole match, of the expression in each name; empty where it does not match."""
    try:
        pattern = re.compile(expression)
    except re.error as error:
        raise UserError(f"data.group_by='{expression}' is no regular expression: {error}") from error
    found = (pattern.search(name) for name in listing.names)
    return ["" if m is None else (m.group(1 if pattern.groups else 0) or "") for m in found]
