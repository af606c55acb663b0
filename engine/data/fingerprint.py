"""What tells two sets of data apart without keeping them: names, labels, and a sketch of the content. Knows no format.

Order does not matter, nor what a file is called where its content is known. A sketch is a handful of averages over the
samples, which another build of an image decoder moves far less than another sample would.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from trainctl.engine.data.batch import Split, Splits

DIRECTIONS = 8
"""Random directions on which every sample is projected; with the second half, samples count by their label."""
MOST_VALUES = 1 << 26
"""Values of a tensor that are looked at: of larger ones the same few of each sample."""
CHUNK_VALUES = 1 << 22


def fingerprints(splits: Splits) -> dict[str, Any]:
    """What is to be known of each split, `train` and `val`, to say whether another one holds the same samples."""
    return {name: _about(split, splits.classes) for name, split in (("train", splits.train), ("val", splits.val))}


def _about(split: Split, classes: Sequence[str]) -> dict[str, Any]:
    """Number of samples, hashes of names with labels, of classes and of shapes, and the sketch of each tensor."""
    labels: list[int] = [] if split.labels is None else split.labels.reshape(len(split), -1)[:, 0].tolist()
    columns = [map(str, column) for column in (split.names, labels) if column]
    named = sorted(map("\0".join, zip(*columns, strict=True)))
    tensors = sorted(split.tensors.items())
    return {
        "num": len(split),
        "names": _hash([*classes, "", *named]),
        "classes": _hash(classes),
        "shape": _hash(f"{name} {tuple(tensor.shape[1:])} {tensor.dtype}" for name, tensor in tensors),
        "sketch": {name: _sketch(tensor, split.labels) for name, tensor in tensors},
    }


def _hash(words: Iterable[str]) -> str:
    content = "".join(f"{word}\0" for word in words).encode("utf-8", "surrogateescape")
    return hashlib.blake2b(content, digest_size=6).hexdigest()


def _sketch(tensor: Tensor, labels: Tensor | None) -> list[list[float]]:
    """Mean and standard deviation over the samples of each projection."""
    num = len(tensor)
    rows_ND = tensor.detach().reshape(num, -1)
    if not rows_ND.numel():
        return []
    rows_ND = rows_ND[:, :: max(1, -(-rows_ND.numel() // MOST_VALUES))]
    # where they lie; a GPU may multiply floats with ten bits, but doubles with all
    exact = torch.float32 if rows_ND.device.type in ("cpu", "mps") else torch.float64
    width = rows_ND.shape[1]
    generator = torch.Generator().manual_seed(0)
    directions_DK = (torch.randint(0, 2, (width, DIRECTIONS), generator=generator) * 2.0 - 1) / width**0.5
    directions_DK = directions_DK.to(rows_ND.device, exact)
    parts = rows_ND.split(max(1, CHUNK_VALUES // width))
    found_NK = torch.cat([_finite(part, exact) @ directions_DK for part in parts]).nan_to_num()
    found_NK = found_NK.cpu().double()
    if labels is not None and len(labels) == num:
        found_NK[:, DIRECTIONS // 2 :] *= 1 + labels.detach().cpu().reshape(num, -1)[:, :1].double()
    pairs = zip(found_NK.mean(0).tolist(), found_NK.std(0, correction=0).tolist(), strict=True)
    return [[float(f"{mean:.6g}"), float(f"{deviation:.6g}")] for mean, deviation in pairs]


def _finite(values: Tensor, dtype: torch.dtype) -> Tensor:
    """As floats, 0 where they are none. Whole numbers always are some, and asking takes longer than the projection."""
    floats = values.to(dtype)
    return floats.nan_to_num(0, 0, 0) if values.is_floating_point() or values.is_complex() else floats
