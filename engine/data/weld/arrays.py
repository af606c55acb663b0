"""Reads the modalities of welds from .npz files: one for each sample, or one for the whole set. Knows no manifest."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainctl.engine.data.csv_table import found_words
from trainctl.engine.data.npz import Npz, read_npz, size_words
from trainctl.engine.data.weld.options import MODALITIES
from trainctl.engine.errors import UserError

Shapes = Mapping[str, tuple[int, int]]
GROUP_ARRAYS = ("recording", "directory", "group")
"""Names of the array with each sample's recording, the first of them that is there."""
SET_ARRAYS = ("label", "split", *GROUP_ARRAYS)
"""Arrays of a whole set besides the modalities."""
SAMPLE_BYTES = 256 << 20
"""What the file of one sample may unpack to."""
SET_BYTES = 16 << 30
"""What the file of a whole set may unpack to, and what all samples may take in memory."""


@dataclass(frozen=True)
class WholeSet:
    """One file that holds all samples."""

    tensors: dict[str, Tensor]
    labels: list[str]
    """Class of each sample as it is written."""
    splits: list[str] | None
    """Split of each sample as it is written; none where the file names none."""
    groups: list[str]
    """Recording of each sample; empty where the file names none."""


def read_arrays(file: Path, most_bytes: int | None = None) -> Npz:
    """The arrays of an .npz file that a weld can consist of.

    Raises:
        UserError: it cannot be read, holds Python objects, or unpacks to more.
    """
    most_bytes = SAMPLE_BYTES if most_bytes is None else most_bytes
    return read_npz(file, (*MODALITIES, *SET_ARRAYS), most_bytes)


def set_bytes() -> int:
    """Memory that a whole set may take: `SET_BYTES`, or half of the machine's where that is less."""
    return min(SET_BYTES, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2)


def read_samples(files: Sequence[Path], shapes: Shapes) -> dict[str, Tensor]:
    """One sample from each file: the modalities, zeros where missing, and `present` (N, 4).

    Raises:
        UserError: names the first file with an array that does not fit, or with none of the modalities.
    """
    tensors = empty_tensors(len(files), shapes, str(files[0].parent) if files else "no file")
    for row, file in enumerate(files):
        found = read_arrays(file)
        arrays = found.arrays
        _require_some(found, file)
        for column, name in enumerate(MODALITIES):
            if name in arrays:
                array = _checked(arrays[name], name, shapes[name], file, 2)
                tensors[name][row] = resampled(torch.from_numpy(array[None]), shapes[name][0])[0]
                tensors["present"][row, column] = True
    return tensors


def read_whole_set(file: Path, shapes: Shapes) -> WholeSet:
    """All samples of one file: `label` (N,), any of the modalities (N, rows, features), and if given `split` (N,).

    A sample whose values of a modality are all NaN lacks it.

    Raises:
        UserError: an array is missing, does not fit the others, or has the wrong shape.
    """
    found = read_arrays(file, set_bytes())
    arrays = found.arrays
    if "label" not in arrays:
        raise UserError(f"{file} has no array label (found: {found_words(found.names)})", "give each sample's class")
    _require_some(found, file)
    labels = _words(arrays["label"], "label", file)
    tensors = empty_tensors(len(labels), shapes, str(file))
    for column, name in enumerate(MODALITIES):
        if name in arrays:
            array = _checked(arrays[name], name, shapes[name], file, 3)
            _require_length(array, name, len(labels), file)
            has_N = torch.from_numpy(~np.isnan(array).all((1, 2)))
            tensors[name][has_N] = resampled(torch.from_numpy(array), shapes[name][0])[has_N]
            tensors["present"][:, column] = has_N
    bare_N = ~tensors["present"].any(1)
    if bool(bare_N.any()):
        row = int(bare_N.int().argmax())
        raise UserError(f"{file}: sample {row} has no modality", "remove it, or give it one")
    texts = {name: _words(arrays[name], name, file) for name in ("split", *GROUP_ARRAYS) if name in arrays}
    for name, values in texts.items():
        _require_length(values, name, len(labels), file)
    groups = next((texts[name] for name in GROUP_ARRAYS if name in texts), [])
    return WholeSet(tensors, labels, texts.get("split"), groups)


def empty_tensors(num: int, shapes: Shapes, origin: str) -> dict[str, Tensor]:
    """Zeros for `num` samples in which nothing is present yet.

    Raises:
        UserError: they would not fit into memory; names their `origin`.
    """
    num_bytes, most = 4 * num * sum(rows * features for rows, features in shapes.values()), set_bytes()
    if num_bytes > most:
        raise UserError(
            f"{num:,} samples of {origin} take {size_words(num_bytes)} in memory, the limit is {size_words(most)}",
            "give fewer samples, or fewer rows with data.video and so on",
        )
    tensors = {name: torch.zeros(num, *shapes[name]) for name in MODALITIES}
    return tensors | {"present": torch.zeros(num, len(MODALITIES), dtype=torch.bool)}


def resampled(rows_NRF: Tensor, rows: int) -> Tensor:
    """The same with `rows` rows, taken at even distances; rows are repeated where there are too few."""
    if rows_NRF.shape[1] == rows:
        return rows_NRF
    places = torch.linspace(0, rows_NRF.shape[1] - 1, rows).round().long()
    return rows_NRF[:, places]


def _require_some(found: Npz, file: Path) -> None:
    if not any(name in found.arrays for name in MODALITIES):
        words = found_words(found.names)
        raise UserError(f"{file} has none of the arrays {', '.join(MODALITIES)} (found: {words})", "name them so")


def _words(array: NDArray[Any], name: str, file: Path) -> list[str]:
    """The values as text, one for each sample; bytes are taken for UTF-8.

    Raises:
        UserError: a value is empty or no number, or the array has more than one a sample.
    """
    if array.ndim > 1 and array.size != len(array):
        raise UserError(f"{file}: {name} has shape {array.shape}", "give one value for each sample")
    values: list[Any] = array.ravel().tolist()
    texts = [value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value) for value in values]
    bare = next((row for row, text in enumerate(texts) if text.strip().lower() in ("", "nan")), None)
    if bare is not None:
        raise UserError(f"{file}: {name} of sample {bare} is empty", "give one value for each sample")
    return texts


def _require_length(array: Sized, name: str, num: int, file: Path) -> None:
    if len(array) != num:
        raise UserError(f"{file}: {name} has {len(array)} samples, label has {num}", "one for each sample")


def _checked(
    array: NDArray[Any], name: str, shape: tuple[int, int], file: Path, dimensions: int
) -> NDArray[np.float32]:
    """The array as float32 with `dimensions` dimensions; one less means a single row."""
    if array.dtype.kind not in "fiu":
        raise UserError(f"{file}: {name} is of type {array.dtype}", "give numbers")
    if array.ndim == dimensions - 1:
        array = array[..., None, :]
    if array.ndim != dimensions or not array.size:
        raise UserError(f"{file}: {name} has shape {array.shape}", f"give rows × {shape[1]} features for each sample")
    if array.shape[-1] != shape[1]:
        raise UserError(
            f"{file}: {name} has {array.shape[-1]} features, data.{name} says {shape[1]}",
            f"set data.{name}=[{shape[0]},{array.shape[-1]}]",
        )
    with np.errstate(over="ignore"):  # what does not fit becomes infinite, and is found with everything that is
        return array.astype(np.float32)
