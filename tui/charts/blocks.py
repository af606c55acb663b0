"""Arithmetic of samples merged into blocks: range, mean and badness. Knows no positions, levels or cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
Counts = NDArray[np.int32]
Heads = NDArray[np.int64]


@dataclass(frozen=True)
class Envelope:
    """What a series did within each of C columns.

    `lo`, `hi` and `mean` (of the finite samples) have shape (C,) and are NaN where no finite sample lies; `bad` says
    that the column holds a sample that is NaN or infinite.
    """

    lo: Floats
    hi: Floats
    bad: Bools
    mean: Floats

    @property
    def limits(self) -> tuple[float, float] | None:
        """Smallest and largest finite value; none when there is none."""
        seen = ~np.isnan(self.lo)
        return (float(self.lo[seen].min()), float(self.hi[seen].max())) if seen.any() else None


@dataclass
class Blocks:
    """Range, mean, number of finite samples and badness of n blocks. Empty of finite samples: (inf, -inf, 0, 0)."""

    lo: Floats
    hi: Floats
    mean: Floats
    finite: Counts
    bad: Bools

    def __len__(self) -> int:
        return len(self.lo)

    @classmethod
    def of(cls, values: Floats) -> Blocks:
        """A block for each sample."""
        good = np.isfinite(values)
        if good.all():
            return cls(values, values, values, np.ones(len(values), np.int32), ~good)
        lo, hi = np.where(good, values, np.float32(np.inf)), np.where(good, values, np.float32(-np.inf))
        return cls(lo, hi, np.where(good, values, np.float32(0)), good.astype(np.int32), ~good)

    @classmethod
    def empty(cls, size: int) -> Blocks:
        """Room for `size` blocks, not yet written."""
        lo, hi, mean = np.empty((3, size), np.float32)
        return cls(lo, hi, mean, np.empty(size, np.int32), np.empty(size, np.bool_))

    def arrays(self) -> tuple[NDArray[Any], ...]:
        """All columns, in the order of the fields."""
        return self.lo, self.hi, self.mean, self.finite, self.bad

    def cut(self, start: int, stop: int) -> Blocks:
        """Blocks [start, stop), sharing their memory."""
        return Blocks(*(array[start:stop] for array in self.arrays()))

    def before(self, other: Blocks) -> Blocks:
        """These blocks, then the others."""
        return Blocks(*(np.concatenate(pair) for pair in zip(self.arrays(), other.arrays(), strict=True)))

    def merged(self, heads: Heads) -> Blocks:
        """One block for each head: what lies from it to the next head, the last one to the end. `heads` rise."""
        finite = np.add.reduceat(self.finite, heads)
        # In double precision: the sum of samples near the largest float must not become infinite.
        total = np.add.reduceat(self.mean * self.finite.astype(np.float64), heads)
        return Blocks(
            np.minimum.reduceat(self.lo, heads),
            np.maximum.reduceat(self.hi, heads),
            (total / np.maximum(finite, 1)).astype(np.float32),
            finite.astype(np.int32),
            np.logical_or.reduceat(self.bad, heads),
        )

    def reduced(self, by: int) -> Blocks:
        """Each `by` neighbours merged; the last block may be incomplete."""
        return self if by == 1 or not len(self) else self.merged(np.arange(0, len(self), by))

    def envelope(self, heads: Heads) -> Envelope:
        """Columns of which number k holds the blocks from `heads[k]` up to `heads[k + 1]`; shape (len(heads) - 1,)."""
        columns = len(heads) - 1
        lo = np.full(columns, np.nan, np.float32)
        found = Envelope(lo, lo.copy(), np.zeros(columns, np.bool_), lo.copy())
        filled = np.flatnonzero(heads[1:] > heads[:-1])
        if len(filled):
            merged = self.cut(0, int(heads[-1])).merged(heads[filled])
            seen = merged.finite > 0
            at = filled[seen]
            found.lo[at], found.hi[at], found.mean[at] = merged.lo[seen], merged.hi[seen], merged.mean[seen]
            found.bad[filled] = merged.bad
        return found
