"""Reads the modalities of welds from .npz files: one for each sample, or one for the whole set. Knows no manifest."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainctl.engine.data.weld.options import MODALITIES
from trainctl.engine.errors import UserError
from trainctl.engine.files import open_regular

Shapes = Mapping[str, tuple[int, int]]
Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class WholeSet:
    """One file that holds all samples."""

    tensors: dict[str, Tensor]
    labels: list[str]
    """Class of each sample as it is written."""
    splits: list[str] | None
    """Split of each sample as it is written; none where the file names none."""


def read_arrays(file: Path) -> Arrays:
    """All arrays of an .npz file.

    Raises:
        UserError: it cannot be read, or holds pickled objects.
    """
    try:
        with open_regular(file) as stream, np.load(stream, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise UserError(f"no file {file}", "check the path") from None
    except PermissionError:
        raise UserError(f"permission denied: {file}", "make the file readable") from None
    except (OSError, ValueError, EOFError, AttributeError, TypeError, zipfile.BadZipFile) as error:
        reason = "it holds Python objects" if "pickle" in str(error).lower() else type(error).__name__
        raise UserError(f"cannot read {file} as .npz: {reason}", "save plain arrays with numpy.savez") from None


def read_samples(files: Sequence[Path], shapes: Shapes) -> dict[str, Tensor]:
    """One sample from each file: the modalities, zeros where missing, and `present` (N, 4).

    Raises:
        UserError: names the first file with an array that does not fit, or with none of the modalities.
    """
    tensors = empty_tensors(len(files), shapes)
    for row, file in enumerate(files):
        arrays = read_arrays(file)
        _require_some(arrays, file)
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
    arrays = read_arrays(file)
    if "label" not in arrays:
        raise UserError(f"{file} has no array label (found: {', '.join(arrays) or 'none'})", "give each sample's class")
    _require_some(arrays, file)
    labels = [str(value) for value in arrays["label"].ravel().tolist()]
    tensors = empty_tensors(len(labels), shapes)
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
    splits = None
    if "split" in arrays:
        _require_length(arrays["split"], "split", len(labels), file)
        splits = [str(value) for value in arrays["split"].ravel().tolist()]
    return WholeSet(tensors, labels, splits)


def empty_tensors(num: int, shapes: Shapes) -> dict[str, Tensor]:
    """Zeros for `num` samples in which nothing is present yet."""
    tensors = {name: torch.zeros(num, *shapes[name]) for name in MODALITIES}
    return tensors | {"present": torch.zeros(num, len(MODALITIES), dtype=torch.bool)}


def resampled(rows_NRF: Tensor, rows: int) -> Tensor:
    """The same with `rows` rows, taken at even distances; rows are repeated where there are too few."""
    if rows_NRF.shape[1] == rows:
        return rows_NRF
    places = torch.linspace(0, rows_NRF.shape[1] - 1, rows).round().long()
    return rows_NRF[:, places]


def _require_some(arrays: Arrays, file: Path) -> None:
    if not any(name in arrays for name in MODALITIES):
        found = ", ".join(arrays) or "none"
        raise UserError(f"{file} has none of the arrays {', '.join(MODALITIES)} (found: {found})", "name them so")


def _require_length(array: NDArray[Any], name: str, num: int, file: Path) -> None:
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
    return array.astype(np.float32)
