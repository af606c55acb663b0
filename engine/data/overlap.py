"""What stands on both sides of a split: equal samples, near-duplicates, persons, photos or recordings.

Reads only, draws no random numbers, and judges nothing. Knows tensors, names and groups; no task and no rule.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch

from trainctl.engine.data.batch import Split, Splits
from trainctl.engine.data.equal_samples import BLANK, Numbers, number_samples

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
    numbers = number_samples((splits.train, splits.val), keep_going)
    if numbers is None:
        return None
    train_N, val_N = numbers
    in_train_N = train_N[train_N != BLANK]
    compared = np.flatnonzero(val_N != BLANK)
    shared = compared[np.isin(val_N[compared], in_train_N)]
    example = None
    if len(shared):
        partner = int(np.flatnonzero(train_N == val_N[shared[0]])[0])
        example = (_name(splits.val, "val", int(shared[0])), _name(splits.train, "train", partner))
    return replace(
        _contradictions(splits, train_N, val_N),
        compared=len(compared),
        shared=len(shared),
        repeated_share=1 - len(np.unique(in_train_N)) / len(in_train_N) if len(in_train_N) else 0.0,
        example=example,
    )


def _contradictions(splits: Splits, train_N: Numbers, val_N: Numbers) -> Copies:
    """What is known of equal samples that are labelled differently; the rest of the facts is empty."""
    if splits.train.labels is None or splits.val.labels is None:
        return Copies(0, 0, 0.0, None)
    number_N, label_N = np.concatenate([train_N, val_N]), torch.cat([splits.train.labels, splits.val.labels]).numpy()
    rows = np.flatnonzero(number_N != BLANK)
    _, first, group = np.unique(number_N[rows], return_index=True, return_inverse=True)
    is_torn = np.zeros(len(first), np.bool_)
    is_torn[group[label_N[rows] != label_N[rows[first[group]]]]] = True
    torn = rows[is_torn[group]]
    example = None
    if len(torn):
        is_other = (number_N == number_N[torn[0]]) & (label_N != label_N[torn[0]])
        example = (_name_in_both(splits, int(torn[0])), _name_in_both(splits, int(np.flatnonzero(is_other)[0])))
    return Copies(0, 0, 0.0, None, len(rows), len(torn), example)


def find_shared_groups(splits: Splits) -> SharedGroups | None:
    """Groups in both splits; None where the data names none."""
    if not splits.train.groups or not splits.val.groups:
        return None
    train, val = set(splits.train.groups), set(splits.val.groups)
    shared = train & val
    samples = sum(1 for group in splits.val.groups if group in shared)
    return SharedGroups(len(train), len(val), len(shared), tuple(sorted(shared)[:MOST_NAMED]), samples, splits.regroup)


def _name_in_both(splits: Splits, row: int) -> str:
    """Of a row of both splits, those of training first."""
    num_train = len(splits.train)
    return _name(splits.train, "train", row) if row < num_train else _name(splits.val, "val", row - num_train)


def _name(split: Split, name: str, index: int) -> str:
    return str(split.names[index]) if split.names else f"{name} sample {index}"
