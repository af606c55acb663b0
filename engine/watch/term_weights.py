"""How logged terms make up the loss: nobody says so in a foreign loop, so it is solved for. Pure NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

CLOSE = 2e-6
"""Of the sum of the parts' magnitudes: as far may the loss be from its terms times their weights (float32)."""
MOST_ROWS = 64
"""Newest steps that the weights are solved from."""


def solve_weights(terms: Array, loss: Array) -> Array | None:
    """Weights w for which `terms @ w` is the loss.

    Args:
        terms: shape (n, k), finite.
        loss: shape (n,), finite.

    Returns:
        Shape (k,); None where there are none that hold at every step, or more than one choice does.
    """
    num_steps, num_terms = terms.shape
    if num_steps < num_terms + 2 or not num_terms:
        return None
    found, _, rank, _ = np.linalg.lstsq(terms.astype(np.float64), loss.astype(np.float64), rcond=1e-9)
    if rank < num_terms or not _holds(terms, loss, found):
        return None
    rounded = np.array([float(f"{weight:.3g}") for weight in found])
    return rounded if _holds(terms, loss, rounded) else found


def _holds(terms: Array, loss: Array, weights: Array) -> bool:
    parts = terms * weights
    return bool((np.abs(parts.sum(1) - loss) <= CLOSE * np.maximum(np.abs(parts).sum(1), np.abs(loss)) * 4).all())


class TermWeights:
    """Weights of the terms of a run, step by step: the last ones as long as they hold, else solved anew."""

    def __init__(self) -> None:
        self._terms, self._loss = np.zeros((0, 0)), np.zeros(0)
        """Of the newest steps."""
        self._weights: Array | None = None

    def __call__(self, terms: Array, loss: Array) -> Array:
        """Weights of each term at each step of a block, NaN where they are not known.

        Args:
            terms: shape (n, k).
            loss: shape (n,).
        """
        is_sound = np.isfinite(terms).all(1) & np.isfinite(loss)
        new = terms[is_sound].astype(np.float64), loss[is_sound].astype(np.float64)
        if not self._terms.size:
            self._terms = np.zeros((0, terms.shape[1]))
        self._terms = np.concatenate((self._terms, new[0]))[-MOST_ROWS:]
        self._loss = np.concatenate((self._loss, new[1]))[-MOST_ROWS:]
        if self._weights is None or not _holds(*new, self._weights):
            self._weights = solve_weights(self._terms, self._loss)
            if self._weights is None:  # they may have changed between the steps of before and these
                self._weights = solve_weights(new[0][-MOST_ROWS:], new[1][-MOST_ROWS:])
        if self._weights is None:
            return np.full(terms.shape, np.nan, np.float32)
        return np.broadcast_to(self._weights.astype(np.float32), terms.shape)
