"""What every loader of eyes makes of its format: a list of labelled images, not yet decoded.

Checks class ids and split names, whatever they were read from. Knows no file format and no image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from trainctl.engine.data import split_names
from trainctl.engine.data.csv_table import quoted
from trainctl.engine.data.images import Source
from trainctl.engine.errors import UserError

TRAIN, VAL, UNUSED = 0, 1, 2
"""Sides of a split; a test split is left out of training, and validates where there is no other."""
SIDES = {split_names.TRAIN: TRAIN, split_names.VAL: VAL, split_names.TEST: UNUSED}

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
        raise UserError(f"{where(row)}: class_id is {quoted(values[row])}", "use 0 for closed and 1 for open")
    return np.asarray(parsed, dtype=np.int64)


def parse_split_name(name: str, where: str) -> int:
    """Side of a split by its name.

    Raises:
        UserError: when the name is unknown.
    """
    side = split_names.side_of(name)
    if side is None:
        raise UserError(f"{where}: unknown split {quoted(name)}", "use train, val or test")
    return SIDES[side]


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
