"""Reads dialogues from one .npz: flat arrays of utterances, and where each dialogue begins. Makes no split."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainctl.engine.data.csv_table import found_words
from trainctl.engine.data.emotion.dialogues import MOST_BYTES, Integers
from trainctl.engine.data.emotion.options import CLASSES, MODALITIES
from trainctl.engine.data.emotion.source import Source, number_words
from trainctl.engine.data.npz import read_npz
from trainctl.engine.data.split_names import TEST, TRAIN, VAL, side_of
from trainctl.engine.errors import UserError

CUTS = ("offsets", "lengths")
"""Arrays that say which utterances are one dialogue; either will do."""
UNLABELLED = (*MODALITIES, "speakers", *CUTS, "names")
WANTED = (*UNLABELLED, "labels", "split", "classes")


def read_arrays(file: Path, *, is_labelled: bool = True) -> Source:
    """The dialogues of an archive.

    Args:
        file: the archive.
        is_labelled: whether labels, and what else is for learning only, must be there and fit; else they are not read.

    Raises:
        UserError: it cannot be read, unpacks to too much, lacks an array, or one does not fit; names file and array.
    """
    found = read_npz(file, WANTED if is_labelled else UNLABELLED, MOST_BYTES)
    arrays, origin = found.arrays, str(file)
    for group in (MODALITIES, *((("labels",),) if is_labelled else ()), CUTS):
        if not any(name in arrays for name in group):
            words = " or ".join(group)
            raise UserError(f"{file} has no array {words} (found: {found_words(found.names)})", "name it so")
    lengths = _lengths(arrays, origin)
    num, count = int(lengths.sum()), len(lengths)
    classes = tuple(_words(arrays["classes"], "classes", origin)) if "classes" in arrays else None
    if classes is not None and len(set(classes)) < max(2, len(classes)):
        raise UserError(f"{file}: classes are {found_words(classes)}", "give two or more names, each once")
    utterances: dict[str, NDArray[Any]] = {
        name: _features(arrays[name], name, num, origin) for name in MODALITIES if name in arrays
    }
    labels = arrays.get("labels", np.zeros(num, np.int64))
    classes, utterances["labels"] = _labels(labels, classes, origin)
    utterances["speakers"] = _speakers(arrays.get("speakers"), num, origin)
    for name in ("labels", "speakers"):
        _require_length(len(utterances[name]), name, num, "utterances", origin)
    names = [f"dialogue {row}" for row in range(count)]
    if "names" in arrays:
        names = _words(arrays["names"], "names", origin)
    _require_length(len(names), "names", count, "dialogues", origin)
    sides = _sides(arrays["split"], origin) if "split" in arrays else None
    if sides is not None:
        _require_length(len(sides), "split", count, "dialogues", origin)
    return Source(utterances, lengths, names, sides, classes, origin)


def _lengths(arrays: dict[str, NDArray[Any]], origin: str) -> Integers:
    """Utterances of each dialogue; a dialogue may be empty."""
    name = next(name for name in CUTS if name in arrays)
    values = _whole(arrays[name], name, origin)
    if name == "offsets":
        if not len(values) or values[0] != 0:
            raise UserError(f"{origin}: offsets do not begin with 0", "give where each dialogue begins, and the end")
        values = np.diff(values)
    if (values < 0).any():
        at = int(np.flatnonzero(values < 0)[0])
        raise UserError(f"{origin}: {name} makes dialogue {at} shorter than nothing", "dialogues stand in order")
    if not values.any() or int(values.max()) > 2**31 or int(values.sum()) > 2**31:
        raise UserError(f"{origin}: {name} says that there are {int(values.sum()):,} utterances", "check the array")
    return values


def _whole(array: NDArray[Any], name: str, origin: str) -> Integers:
    """Whole numbers, one dimension; floats that are whole are taken for such."""
    if array.ndim != 1 or array.dtype.kind not in "biuf":
        shape = "×".join(map(str, array.shape)) or "one value"
        raise UserError(f"{origin}: {name} is {shape} of type {array.dtype}", "give whole numbers, one dimension")
    with np.errstate(invalid="ignore"):
        whole = array.astype(np.int64)
        wrong = np.flatnonzero((whole != array) | (np.abs(array.astype(np.float64)) > 2**53))
    if len(wrong):
        raise UserError(f"{origin}: {name}[{int(wrong[0])}] is {array[wrong[0]]}", "give whole numbers")
    return whole


def _words(array: NDArray[Any], name: str, origin: str) -> list[str]:
    if array.ndim != 1:
        raise UserError(f"{origin}: {name} has shape {array.shape}", "give one dimension")
    values: list[Any] = array.tolist()
    return [value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value) for value in values]


def _features(array: NDArray[Any], name: str, num: int, origin: str) -> NDArray[np.float32]:
    if array.dtype.kind not in "biuf" or array.ndim != 2:
        said = f"{origin}: {name} has {array.ndim} dimensions of type {array.dtype}"
        raise UserError(said, "give numbers, utterances × features")
    _require_length(len(array), name, num, "utterances", origin)
    with np.errstate(over="ignore"):  # what does not fit becomes infinite, and is found with everything that is
        return array.astype(np.float32)


def _labels(
    array: NDArray[Any], classes: tuple[str, ...] | None, origin: str
) -> tuple[tuple[str, ...] | None, Integers]:
    """Names of the classes where they are known, and the number of each label; text is looked up."""
    if array.dtype.kind not in "US":
        return classes, _whole(array, "labels", origin)
    words = [word.strip().lower() for word in _words(array, "labels", origin)]
    occurring = set(words)
    if classes is None:
        known = next((names for names in CLASSES.values() if occurring <= set(names)), None)
        classes = known or number_words(words)[0]
    number = {name.strip().lower(): at for at, name in enumerate(classes)}
    unknown = next((word for word in words if word not in number), None)
    if unknown is not None:
        raise UserError(f"{origin}: label {unknown[:40]!r} is none of the classes ({found_words(classes)})", "name it")
    return classes, np.array([number[word] for word in words], np.int64)


def _speakers(array: NDArray[Any] | None, num: int, origin: str) -> NDArray[Any]:
    """Their numbers, or their names as Python's text."""
    if array is None:
        return np.zeros(num, np.int64)
    if array.dtype.kind in "US":
        return np.array(_words(array, "speakers", origin), object)
    if array.ndim == 2 and array.shape[1] > 1 and array.dtype.kind in "biuf":
        return array.argmax(1).astype(np.int64)
    return _whole(array, "speakers", origin)


def _sides(array: NDArray[Any], origin: str) -> list[str]:
    """Side of each dialogue: its name, or 0 train, 1 val, 2 test."""
    numbered: Sequence[str] = (TRAIN, VAL, TEST)
    if array.dtype.kind in "US":
        found = [side_of(word) for word in _words(array, "split", origin)]
    else:
        found = [numbered[k] if 0 <= k < 3 else None for k in _whole(array, "split", origin).tolist()]
    if None in found:
        at = found.index(None)
        raise UserError(f"{origin}: split[{at}] is {array[at]!s:.40}", "use train, val, test, or 0, 1, 2")
    return [side for side in found if side is not None]


def _require_length(found: int, name: str, num: int, what: str, origin: str) -> None:
    if found != num:
        raise UserError(f"{origin}: {name} has {found:,} entries, there are {num:,} {what}", "one for each")
