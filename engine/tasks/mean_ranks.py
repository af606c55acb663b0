"""Ranks of numbers of which some are equal, as rank statistics want them. Knows one row of numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def mean_ranks(values_N: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 1, shape (N,); equal values share the mean of theirs."""
    _, place_N, count_U = np.unique(values_N, return_inverse=True, return_counts=True)
    return (np.cumsum(count_U) - (count_U - 1) / 2)[place_N]
