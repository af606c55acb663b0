"""Step records summed up by the block: range, mean and number of bad samples of every plotted column.

Pure: knows no file. `overview.py` keeps such blocks beside the records.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainctl.engine.runs.record import RecordLayout, Records
from trainctl.engine.runs.series import Floats, SeriesBlock, derive_series, may_be_absent

BLOCK = 256
"""Records in a block. A power of two, so that blocks can be merged by halves."""

Blocks = NDArray[np.void]
"""Blocks in order, shape (n,), of the type `block_dtype` gives."""


@cache
def block_dtype(num_columns: int) -> np.dtype[np.void]:
    """What is kept of a block: step and time of its last record, and of each column minimum, maximum and mean of the
    finite samples (NaN where there is none) and the number of bad ones."""
    columns: list[Any] = [(name, "<f4", (num_columns,)) for name in ("lo", "hi", "mean")]
    return np.dtype([("step", "<u4"), ("time", "<f8"), *columns, ("bad", "<u2", (num_columns,))])


@dataclass(frozen=True)
class Overview:
    """The beginning of a run, whole blocks of `BLOCK` records each."""

    names: tuple[str, ...]
    """Columns, as in `series_names`."""
    blocks: Blocks
    first_step: int
    start: float
    """Time of the first record, seconds since 1970."""

    @property
    def count(self) -> int:
        """Records the blocks stand for."""
        return len(self.blocks) * BLOCK

    def columns(self) -> Iterator[tuple[str, Floats, Floats, Floats, NDArray[np.bool_]]]:
        """Name, minimum, maximum, mean and badness of each column, shape (n,) each."""
        # Turned at once: a column by itself is a number from each block, spread over megabytes.
        lo, hi, mean = (np.ascontiguousarray(self.blocks[part].T) for part in ("lo", "hi", "mean"))
        bad = np.ascontiguousarray(self.blocks["bad"].T) > 0
        yield from zip(self.names, lo, hi, mean, bad, strict=True)

    def first_bad(self, name: str) -> int | None:
        """Index of the first block in which a column has a bad sample; None where none has."""
        if name not in self.names:
            return None
        bad = self.blocks["bad"][:, self.names.index(name)] > 0
        return int(bad.argmax()) if bad.any() else None


def sum_up(records: Records, layout: RecordLayout, start: float) -> Blocks:
    """The blocks of records, shape (k * `BLOCK`,).

    A sample is bad when it is not finite, except NaN in a column that is not always measured.

    Args:
        records: whole blocks, consecutive.
        layout: what they hold.
        start: time of the run's first record, seconds since 1970.
    """
    assert len(records) % BLOCK == 0, "only whole blocks are summed up"
    series = derive_series(records, layout, start)
    blocks = np.empty(len(records) // BLOCK, block_dtype(len(series.names)))
    last = records[BLOCK - 1 :: BLOCK]
    blocks["step"], blocks["time"] = last["step"], last["time"]
    _reduce(series, blocks, layout)
    return blocks


def _reduce(series: SeriesBlock, blocks: Blocks, layout: RecordLayout) -> None:
    samples = series.values.reshape(len(series.names), len(blocks), BLOCK)
    with np.errstate(all="ignore"):
        lo, hi = samples.min(axis=2), samples.max(axis=2)
        mean = samples.mean(axis=2, dtype=np.float64)
    bad = np.zeros(lo.shape, np.uint16)
    # NaN and infinities show in the mean: the columns that have none, most of them, are done.
    for k in np.flatnonzero(~np.isfinite(mean).all(axis=1)):
        finite = np.isfinite(samples[k])
        some = finite.any(axis=1)
        lo[k] = np.where(some, np.where(finite, samples[k], np.inf).min(axis=1), np.nan)
        hi[k] = np.where(some, np.where(finite, samples[k], -np.inf).max(axis=1), np.nan)
        total = np.where(finite, samples[k], 0.0).sum(axis=1, dtype=np.float64)
        mean[k] = np.where(some, total / np.maximum(finite.sum(axis=1), 1), np.nan)
        wrong = np.isinf(samples[k]) if may_be_absent(series.names[k], layout) else ~finite
        bad[k] = wrong.sum(axis=1)
    blocks["lo"], blocks["hi"], blocks["mean"], blocks["bad"] = lo.T, hi.T, mean.T, bad.T
