"""Divides samples into training and validation, from the seed alone.

Knows labels and groups, never images or files. Class shares are kept on both sides.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trainctl.engine.errors import UserError

Labels = NDArray[np.int64]
Mask = NDArray[np.bool_]

MAX_TRIES = 32
"""Random orders of the groups that are tried for the split closest to what was asked."""

TRY_BUDGET = 40_000
"""Groups looked at over all tries, so that many small groups stay fast (they need few tries)."""


def stratified_split(labels: Labels, val_fraction: float, seed: int) -> Mask:
    """Which samples are held out: round(val_fraction · n) of each class, chosen at random.

    Args:
        labels: class of each sample, shape (N,).
        val_fraction: share held out, between 0 and 1.
        seed: determines the choice.

    Returns:
        True where the sample is for validation, shape (N,). A class of two or more is on both sides.
    """
    rng = np.random.default_rng(seed)
    held_out = np.zeros(len(labels), dtype=np.bool_)
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        count = min(max(round(val_fraction * len(members)), 1), len(members) - 1)
        held_out[members[:count]] = True
    return held_out


def grouped_split(labels: Labels, groups: Sequence[str], val_fraction: float, seed: int) -> Mask:
    """Which samples are held out, with every group whole on one side.

    Groups are taken in random order and held out where that brings the class counts of the validation
    split closer to `val_fraction` of each class; the best of several orders is kept.

    Args:
        labels: class of each sample, shape (N,), 0 … C−1.
        groups: person, photo or recording of each sample; N entries.
        val_fraction: share held out, between 0 and 1.
        seed: determines the choice.

    Returns:
        True where the sample is for validation, shape (N,).

    Raises:
        UserError: when there are fewer than two groups.
    """
    _, group_N = np.unique(np.asarray(groups, dtype=np.str_), return_inverse=True)
    num_groups = int(group_N.max()) + 1
    if num_groups < 2:
        raise UserError(
            f"every sample is in the same group ({groups[0]!r}), which cannot be split",
            "choose a data.group_by that tells persons, photos or recordings apart",
        )
    counts_GC = np.zeros((num_groups, int(labels.max()) + 1))
    np.add.at(counts_GC, (group_N, labels), 1)
    return _best_choice(counts_GC, val_fraction, seed)[group_N]


def _best_choice(counts_GC: NDArray[np.float64], val_fraction: float, seed: int) -> Mask:
    """Which groups are held out: the best of several random orders."""
    target_C = val_fraction * counts_GC.sum(0)
    scale_C = np.maximum(counts_GC.sum(0), 1)
    rng = np.random.default_rng(seed)
    best, best_distance = np.zeros(len(counts_GC), dtype=np.bool_), np.inf
    for _ in range(max(1, min(MAX_TRIES, TRY_BUDGET // len(counts_GC)))):
        chosen = _fill(counts_GC / scale_C, target_C / scale_C, rng.permutation(len(counts_GC)))
        distance = float(np.square((counts_GC[chosen].sum(0) - target_C) / scale_C).sum())
        if distance < best_distance:
            best, best_distance = chosen, distance
    return best


def _fill(share_GC: NDArray[np.float64], target_C: NDArray[np.float64], order: NDArray[np.int64]) -> Mask:
    """Greedy choice of groups in `order`; always at least one group on either side."""
    chosen = np.zeros(len(share_GC), dtype=np.bool_)
    missing = target_C.tolist()
    shares = share_GC.tolist()
    for group in order.tolist():
        rest = [m - s for m, s in zip(missing, shares[group], strict=True)]
        if sum(r * r for r in rest) < sum(m * m for m in missing):
            chosen[group], missing = True, rest
    if not chosen.any():
        chosen[min(order.tolist(), key=lambda group: sum(shares[group]))] = True
    if chosen.all():
        chosen[order[0]] = False
    return chosen
