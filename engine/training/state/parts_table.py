"""What a checkpoint says of tensors that lie in parts: whole shape, pieces, and where each piece stands.

Plain data, made of what torch.distributed.checkpoint found while it saved and made into that again to load. So its own
`.metadata`, a pickle that would run whatever it names, is written for other tools of torch and never read. A table
may come from anybody: all of it is looked at before anything is read by it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import torch
from torch.distributed.checkpoint.filesystem import _StorageInfo  # pyright: ignore[reportPrivateUsage]
from torch.distributed.checkpoint.metadata import (
    ChunkStorageMetadata,
    Metadata,
    MetadataIndex,
    TensorProperties,
    TensorStorageMetadata,
)

FILE = re.compile(r"__\d{1,9}_\d{1,9}\.distcp")
"""A file of pieces, as torch calls it: the rank that wrote it, and its number."""

Files = Mapping[str, Sequence[int]]
"""Bytes and CRC-32 of each file."""
Table = Mapping[str, Mapping[str, Any]]
"""`shape`, `dtype` and `pieces` of each tensor by its key; a piece: offsets, sizes, file, where in it, bytes."""


class TableError(ValueError):
    """A table that no save of ours has made."""


def table_of(metadata: Metadata) -> dict[str, dict[str, Any]]:
    """The table of what was saved."""
    table = dict[str, dict[str, Any]]()
    for key, one in metadata.state_dict_metadata.items():
        assert isinstance(one, TensorStorageMetadata)
        pieces = list[list[Any]]()
        for chunk in one.chunks:
            stored = cast("dict[MetadataIndex, _StorageInfo]", metadata.storage_data)[MetadataIndex(key, chunk.offsets)]
            pieces.append([[*chunk.offsets], [*chunk.sizes], stored.relative_path, stored.offset, stored.length])
        dtype = str(one.properties.dtype).removeprefix("torch.")
        table[key] = {"shape": [*one.size], "dtype": dtype, "pieces": pieces}
    return table


def metadata_of(table: Table) -> Metadata:
    """What torch loads by. Check the table first."""
    tensors, stored = dict[str, Any](), dict[MetadataIndex, _StorageInfo]()
    for key, one in table.items():
        chunks = list[ChunkStorageMetadata]()
        for offsets, sizes, file, begin, length in one["pieces"]:
            chunks.append(ChunkStorageMetadata(torch.Size(offsets), torch.Size(sizes)))
            stored[MetadataIndex(key, offsets)] = _StorageInfo(file, begin, length)
        properties = TensorProperties(dtype=dtype_of(one))
        tensors[key] = TensorStorageMetadata(properties, torch.Size(one["shape"]), chunks)
    return Metadata(tensors, storage_data=stored)


def dtype_of(one: Mapping[str, Any]) -> torch.dtype:
    """The type of a tensor of a table."""
    dtype = getattr(torch, one["dtype"])
    if not isinstance(dtype, torch.dtype):
        raise TableError(f"{one['dtype']!r} is no type of a tensor")
    return dtype


def check_table(table: Any, files: Any) -> None:
    """See that each tensor is whole, and that its pieces lie in files that are named.

    Raises:
        TableError: says of what it is not true.
    """
    try:
        for name, said in files.items():
            size, _ = map(_count, said)
            if not FILE.fullmatch(name):
                raise TableError(f"{name!r} is no file of pieces (of {size} bytes)")
        stored = sum(_check_tensor(str(key), one, files) for key, one in table.items())
        if stored > sum(size for size, _ in files.values()):
            raise TableError("its pieces are more than its files hold")
    except TableError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError) as err:
        raise TableError("its table of tensors is no table") from err


def _check_tensor(key: str, one: Mapping[str, Any], files: Files) -> int:
    """Bytes of all its pieces."""
    shape, width = [*map(_count, one["shape"])], dtype_of(one).itemsize
    covered, boxes = 0, list[tuple[list[int], list[int]]]()
    for offsets, sizes, file, begin, length in one["pieces"]:
        box = ([*map(_count, offsets)], [*map(_count, sizes)])
        is_inside = len(box[0]) == len(box[1]) == len(shape) and all(
            first + count <= most for first, count, most in zip(*box, shape, strict=True)
        )
        is_stored = _count(begin) + _count(length) <= files[file][0] and math.prod(box[1]) * width <= length
        if not is_inside or not is_stored:
            raise TableError(f"a piece of {key} lies outside of it, or of its file")
        covered += math.prod(box[1])
        boxes.append(box)
    # Ours divide rows alone. As many values as there are, no row twice: then all of them are there.
    if covered != math.prod(shape) or not _are_rows(boxes, shape):
        raise TableError(f"{key} is not there as a whole")
    return sum(piece[4] for piece in one["pieces"])


def _are_rows(boxes: Iterable[tuple[list[int], list[int]]], shape: list[int]) -> bool:
    """Whether boxes that hold anything follow one another along the first dimension, each as wide as the whole."""
    end = 0
    for offsets, sizes in sorted(box for box in boxes if math.prod(box[1])):
        if offsets[:1] != [end] or any(offsets[1:]) or sizes[1:] != shape[1:]:
            return False
        end += sizes[0]
    return True


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise TableError(f"{value!r} is no count")
    return value
