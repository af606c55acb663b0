"""Which samples of two splits are equal, byte for byte. Reads only, and judges nothing; knows tensors, no names.

A cheap sum over the bytes of each sample, made where the data lie, leaves few that could have an equal; these alone are
looked at byte by byte.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from trainctl.engine.data.batch import Split

CHUNK_BYTES = 1 << 21
DEVICE_CHUNK_BYTES = 1 << 27
"""The same on a device other than the CPU, which is busy with much at a time only."""
WORD_BYTES = 8
BLANK = -1
"""Number of a sample that holds one value throughout: it says nothing to be equal to such a one."""

Numbers = NDArray[np.int64]


def number_samples(splits: Sequence[Split], keep_going: Callable[[], bool]) -> list[Numbers] | None:
    """A number for each sample of each split, the same for equal ones; `BLANK` for a blank one.

    What is compared are the tensors with more than one value a sample; a split that has none is compared whole.

    Returns:
        Shape (N,) each; None where `keep_going` said no.
    """
    inputs = [_inputs(split) for split in splits]
    marks: list[Numbers] = []
    for tensors in inputs:
        found = _marks(tensors, keep_going)
        if found is None:
            return None
        marks.append(found)
    _, number_N, counts = np.unique(np.concatenate(marks), return_inverse=True, return_counts=True)
    is_repeated_N = counts[number_N] > 1
    ends = np.cumsum([len(part) for part in marks])[:-1]
    numbers, repeated = np.split(number_N.astype(np.int64), ends), np.split(is_repeated_N, ends)
    known: dict[bytes, int] = {}
    for tensors, own, rows in zip(inputs, numbers, map(np.flatnonzero, repeated), strict=True):
        for at in np.array_split(rows, max(1, len(rows) // 1024)):
            if not keep_going():
                return None
            own[at] = [len(counts) + known.setdefault(digest, len(known)) for digest in _digests(tensors, at)]
        own[_are_blank(tensors)] = BLANK
    return numbers


def chunks(rows: Tensor) -> Iterator[Tensor]:
    """Parts of a tensor of a few megabytes, so that no intermediate is as large as the data."""
    size = CHUNK_BYTES if rows.device.type == "cpu" else DEVICE_CHUNK_BYTES
    return iter(rows.split(max(1, size // max(1, rows[:1].nbytes))))


def _inputs(split: Split) -> list[Tensor]:
    tensors = [tensor.detach() for tensor in split.tensors.values()]
    return [tensor for tensor in tensors if tensor.numel() > len(tensor)] or tensors


def _marks(tensors: Sequence[Tensor], keep_going: Callable[[], bool]) -> Numbers | None:
    """A sum over the bytes of each sample: equal for equal samples, and seldom for others. None: no time."""
    total = np.zeros(len(tensors[0]), np.int64)
    for seed, tensor in enumerate(tensors):
        factors: Tensor | None = None
        parts: list[Tensor] = []
        for part in chunks(tensor):
            if not keep_going():
                return None
            words = _words(part)
            if factors is None:
                generator = torch.Generator().manual_seed(seed)
                factors = torch.randint(-(2**63), 2**63 - 1, (words.shape[1],), generator=generator)
                factors = (factors | 1).to(words.device)
            # the upper half into the lower: a factor moves what differs up, and out at the top
            parts.append((words ^ (words >> 29)).mul_(factors).sum(1))
        total += torch.cat(parts).cpu().numpy()
    return total


def _byte_rows(rows: Tensor) -> Tensor:
    """The bytes of each sample, uint8 (N, bytes)."""
    return rows.contiguous().reshape(len(rows), math.prod(rows.shape[1:])).view(torch.uint8)


def _words(rows: Tensor) -> Tensor:
    """The bytes of each sample by eights, the last filled up with zeros, int64 (N, words)."""
    flat = _byte_rows(rows)
    rest = -flat.shape[1] % WORD_BYTES
    if rest or flat.storage_offset() % WORD_BYTES:
        flat = F.pad(flat, (0, rest)).contiguous() if rest else flat.clone()
    return flat.view(torch.int64)


def _digests(tensors: Sequence[Tensor], rows: Numbers) -> Iterator[bytes]:
    """What is equal for equal samples only, of the samples at `rows`."""
    index = torch.from_numpy(rows)
    bytes_of = [_byte_rows(tensor[index.to(tensor.device)].cpu()).numpy() for tensor in tensors]
    for k in range(len(rows)):
        digest = hashlib.blake2b(digest_size=16)
        for of_tensor in bytes_of:
            digest.update(of_tensor[k])
        yield digest.digest()


def _are_blank(tensors: Sequence[Tensor]) -> Numbers:
    """The samples all of whose tensors hold one value throughout. A single value says nothing: not blank."""
    rows = np.arange(len(tensors[0]))
    for tensor in tensors:
        flat = tensor.reshape(len(tensor), -1)
        width = flat.shape[1]
        if width < 2:
            return rows[:0]
        # three places first: of most samples they say enough
        for places in (slice(0, width, max(1, width // 3)), slice(0, width)):
            found = flat[torch.from_numpy(rows).to(flat.device), places] if len(rows) < len(flat) else flat[:, places]
            rows = rows[(found == found[:, :1]).all(1).cpu().numpy()]
    return rows
