"""Distributions of values at one validation: bars of equal width and quantiles, in a small file. Knows no network.

Plain arrays in NumPy's own format, read without pickle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainctl.engine.errors import UserError
from trainctl.engine.runs.states import SCHEMA
from trainctl.engine.runs.validated.arrays import packed, read_packed

BARS = 32
QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
MOST_NAMES = 32
"""Distributions that a validation keeps; the first in order."""
MOST_VALUES = 1 << 20
"""Values that are looked at; of more an evenly spaced part."""
MOST_NAME = 200
"""Letters of a name."""
MAX_BYTES = 1 << 18
"""Of a file, packed or not: 32 distributions with long names take a tenth."""


@dataclass(frozen=True)
class Histogram:
    """The distribution of some values."""

    counts: NDArray[np.int64]
    """Finite values in each of `BARS` bars of equal width between the first and the last quantile, shape (BARS,)."""
    quantiles: NDArray[np.float64]
    """At `QUANTILES`, so the first is the least value and the last the greatest; NaN where no value is finite."""
    num_values: int
    """All there were."""
    num_bad: int
    """Values of those that were counted that are NaN or infinite."""


def histogram_of(values: NDArray[Any]) -> Histogram:
    """The distribution of values of any shape."""
    flat = np.asarray(values).reshape(-1)
    some = flat[:: -(-len(flat) // MOST_VALUES) or 1].astype(np.float64)
    finite = some[np.isfinite(some)]
    if not len(finite):
        return Histogram(np.zeros(BARS, np.int64), np.full(len(QUANTILES), np.nan), len(flat), len(some))
    quantiles = np.quantile(finite, QUANTILES)
    low, high = float(quantiles[0]), float(quantiles[-1])
    # By hand, not by numpy.histogram: a range beyond the largest number, or of the smallest, is a range all the same.
    place = (finite / 2 - low / 2) / ((high / 2 - low / 2) or 1.0)
    counts = np.bincount(np.minimum((place * BARS).astype(np.int64), BARS - 1), minlength=BARS)
    return Histogram(counts, quantiles, len(flat), len(some) - len(finite))


def packed_histograms(found: Mapping[str, Histogram]) -> bytes:
    """The content of a file; of more than `MOST_NAMES` the first."""
    kept = dict(list(found.items())[:MOST_NAMES])
    arrays: dict[str, Any] = {
        "about": np.array([SCHEMA], np.int64),
        "names": np.array([name[:MOST_NAME] for name in kept], np.str_),
        "counts": np.array([one.counts for one in kept.values()], np.int64).reshape(-1, BARS),
        "quantiles": np.array([one.quantiles for one in kept.values()], np.float64).reshape(-1, len(QUANTILES)),
        "nums": np.array([(one.num_values, one.num_bad) for one in kept.values()], np.int64).reshape(-1, 2),
    }
    return packed(arrays)


def read_histograms(path: Path) -> dict[str, Histogram]:
    """The distributions in a file; empty where there is none.

    Raises:
        DamagedFileError: the file cannot be understood.
        UserError: a newer version wrote it.
    """
    return read_packed(path, MAX_BYTES, lambda arrays: _read(arrays, path)) or {}


def _read(arrays: Any, path: Path) -> dict[str, Histogram]:
    (schema,) = (int(number) for number in arrays["about"])
    if schema > SCHEMA:
        raise UserError(f"{path} has schema {schema}, this trainctl reads up to {SCHEMA}", "use a newer one")
    names = [str(name) for name in arrays["names"]]
    counts, quantiles = np.asarray(arrays["counts"], np.int64), np.asarray(arrays["quantiles"], np.float64)
    nums = np.asarray(arrays["nums"], np.int64)
    wanted = ((len(names), BARS), (len(names), len(QUANTILES)), (len(names), 2))
    if (counts.shape, quantiles.shape, nums.shape) != wanted or (counts < 0).any():
        raise ValueError("its parts do not belong together")
    return {name: Histogram(counts[k], quantiles[k], int(nums[k, 0]), int(nums[k, 1])) for k, name in enumerate(names)}
