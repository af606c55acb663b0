"""What stands on both sides of a split: equal samples, near-duplicates, persons, photos or recordings.

Reads only, draws no random numbers, and judges nothing. Knows tensors, names and groups; no task and no rule.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainctl.engine.data.batch import Split, Splits

CHUNK_BYTES = 1 << 24
COPIES_BUDGET_S = 2.0
"""How long the beginning of a run may look for copies."""
READ_SINGLY = "the samples are read one by one from a Dataset, and were not compared"
MOST_NAMED = 3
"""Shared groups that are named."""


@dataclass(frozen=True)
class Copies:
    """Samples that stand in both splits, byte for byte. Blank samples (one value throughout) are left out."""

    compared: int
    """Validation samples that were compared."""
    shared: int
    """Of these, how many also are in the training split."""
    repeated_share: float
    """Share of training samples with an equal one in the training split itself."""
    example: tuple[str, str] | None
    """A validation sample and its equal in training."""
    samples: int = 0
    """Of both splits, that have a label and are not blank."""
    contradicted: int = 0
    """Of these, how many have an equal with another label, in whichever split."""
    contradiction: tuple[str, str] | None = None
    """Two of them."""


@dataclass(frozen=True)
class SharedGroups:
    """Persons, photos or recordings that the data names."""

    train: int
    """Groups in training."""
    val: int
    shared: int
    """Groups in both."""
    named: tuple[str, ...]
    """The first few of them."""
    val_samples: int
    """Validation samples that belong to a shared group."""
    fix: Mapping[str, str] = field(default_factory=dict[str, str])
    """Options by dotted path with which no group is in both; empty: the loader has none."""


def overlap_about(splits: Splits, budget_s: float = COPIES_BUDGET_S) -> dict[str, Any]:
    """What a run records of the overlap of its splits, as plain data."""
    end = time.perf_counter() + budget_s
    copies, groups = find_copies(splits, lambda: time.perf_counter() < end), find_shared_groups(splits)
    leak, num_val = splits.leak, len(splits.val)
    return {
        "num_val": num_val,
        "copies": None if copies is None else asdict(copies) | {"share": _share(copies.shared, copies.compared)},
        "near": None
        if leak is None
        else {
            "count": leak.count,
            "total": leak.total,
            "share": _share(leak.count, leak.total),
            "example": leak.example,
        },
        "groups": None if groups is None else asdict(groups) | {"share": _share(groups.val_samples, num_val)},
        "missing": "" if copies is not None else why_not_compared(splits, f"{budget_s:g} s"),
    }


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def why_not_compared(splits: Splits, time: str) -> str:
    """Why `find_copies` found out nothing; `time`: how much it had, in words."""
    return READ_SINGLY if _is_read_singly(splits) else f"the samples were not compared within {time}"


def _is_read_singly(splits: Splits) -> bool:
    return splits.train.dataset is not None or splits.val.dataset is not None


def find_copies(splits: Splits, keep_going: Callable[[], bool] = lambda: True) -> Copies | None:
    """Samples that are in both splits byte for byte; None where `keep_going` said no, or they are not in memory."""
    if _is_read_singly(splits):
        return None
    train, val = _digests(splits.train, keep_going), _digests(splits.val, keep_going)
    if train is None or val is None:
        return None
    first_of = {digest: index for index, digest in reversed(list(enumerate(train))) if digest is not None}
    compared = [(index, digest) for index, digest in enumerate(val) if digest is not None]
    shared = [(index, first_of[digest]) for index, digest in compared if digest in first_of]
    num_train = sum(1 for digest in train if digest is not None)
    example = None
    if shared:
        in_val, in_train = shared[0]
        example = (_name(splits.val, "val", in_val), _name(splits.train, "train", in_train))
    repeated = 1 - len(first_of) / num_train if num_train else 0.0
    return replace(
        _contradictions(splits, train, val),
        compared=len(compared),
        shared=len(shared),
        repeated_share=repeated,
        example=example,
    )


def _contradictions(splits: Splits, train: Sequence[bytes | None], val: Sequence[bytes | None]) -> Copies:
    """What is known of equal samples that are labelled differently; the rest of the facts is empty."""
    by_digest: dict[bytes, list[tuple[int, str]]] = {}
    for name, split, digests in (("train", splits.train, train), ("val", splits.val, val)):
        if split.labels is None:
            return Copies(0, 0, 0.0, None)
        for index, (digest, label) in enumerate(zip(digests, split.labels.tolist(), strict=True)):
            if digest is not None:
                by_digest.setdefault(digest, []).append((label, _name(split, name, index)))
    torn = [members for members in by_digest.values() if len({label for label, _ in members}) > 1]
    example = None
    if torn:
        first, *rest = torn[0]
        example = (first[1], next(name for label, name in rest if label != first[0]))
    return Copies(0, 0, 0.0, None, sum(map(len, by_digest.values())), sum(map(len, torn)), example)


def find_shared_groups(splits: Splits) -> SharedGroups | None:
    """Groups in both splits; None where the data names none."""
    if not splits.train.groups or not splits.val.groups:
        return None
    train, val = set(splits.train.groups), set(splits.val.groups)
    shared = train & val
    samples = sum(1 for group in splits.val.groups if group in shared)
    return SharedGroups(len(train), len(val), len(shared), tuple(sorted(shared)[:MOST_NAMED]), samples, splits.regroup)


def _digests(split: Split, keep_going: Callable[[], bool]) -> list[bytes | None] | None:
    """Hash of each sample's inputs, None for a blank one (one value throughout).

    Inputs are the tensors with more than one value a sample; a task that has none is hashed whole.
    """
    inputs = [tensor for tensor in split.tensors.values() if tensor.numel() > len(tensor)]
    inputs = inputs or list(split.tensors.values())
    rows_of = [_byte_rows(tensor) for tensor in inputs]
    blank = torch.stack([_is_blank(tensor) for tensor in inputs]).all(0).tolist()
    digests: list[bytes | None] = []
    for index in range(len(split)):
        if index % 1024 == 0 and not keep_going():
            return None
        digest = hashlib.blake2b(digest_size=16)
        for rows in rows_of:
            digest.update(rows[index])
        digests.append(None if blank[index] else digest.digest())
    return digests


def chunks(rows: Tensor) -> Iterator[Tensor]:
    """Parts of a tensor of a few megabytes, so that no intermediate is as large as the data."""
    row_bytes = max(1, rows[:1].nbytes)
    return iter(rows.split(max(1, CHUNK_BYTES // row_bytes)))


def _byte_rows(tensor: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """The bytes of each sample, shape (N, bytes)."""
    flat = tensor.detach().cpu().contiguous().reshape(len(tensor), -1)
    return flat.view(torch.uint8).numpy()


def _is_blank(tensor: Tensor) -> Tensor:
    """Whether all values of a sample are the same, shape (N,). A single value says nothing: not blank."""
    rows = tensor.detach().reshape(len(tensor), -1)
    if rows.shape[1] < 2:
        return torch.zeros(len(rows), dtype=torch.bool)
    return torch.cat([(part == part[:, :1]).all(1) for part in chunks(rows)]).cpu()


def _name(split: Split, name: str, index: int) -> str:
    return str(split.names[index]) if split.names else f"{name} sample {index}"
