"""A series that is appended to while it is drawn, reduced to one range per column of the screen.

Keeps minimum and maximum of ever larger blocks, so that a query costs the width of the screen and not the
length of the run, and a spike of a single step is part of every answer. Knows nothing of cells or colours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

FACTOR = 8
"""Blocks of one level that make a block of the next."""
CAPACITY = 1 << 18
"""Blocks kept at the finest level. A longer series is folded in half, so memory has a ceiling."""


@dataclass(frozen=True)
class Envelope:
    """What a series did within each of C columns.

    `lo` and `hi` have shape (C,) and are NaN where no finite sample lies; `bad` says that the column holds a
    sample that is NaN or infinite.
    """

    lo: Floats
    hi: Floats
    bad: Bools

    @property
    def limits(self) -> tuple[float, float] | None:
        """Smallest and largest finite value; none when there is none."""
        seen = ~np.isnan(self.lo)
        return (float(self.lo[seen].min()), float(self.hi[seen].max())) if seen.any() else None


class Series(Protocol):
    """Anything a chart can draw."""

    @property
    def extent(self) -> tuple[float, float]:
        """First and one past the last position on the x axis; equal when there is nothing."""
        ...

    def envelope(self, start: float, stop: float, columns: int) -> Envelope:
        """The series between two positions, in `columns` columns."""
        ...


@dataclass
class _Level:
    """Minimum and maximum of blocks, in arrays that grow by doubling. Empty of finite samples: (inf, -inf)."""

    lo: Floats
    hi: Floats
    bad: Bools
    size: int = 0

    @classmethod
    def new(cls) -> _Level:
        return cls(np.empty(64, np.float32), np.empty(64, np.float32), np.empty(64, np.bool_))

    def write(self, at: int, lo: Floats, hi: Floats, bad: Bools) -> None:
        """Replace everything from block `at` on."""
        end = at + len(lo)
        if end > len(self.lo):
            room = max(end, 2 * len(self.lo))
            self.lo, self.hi, self.bad = (_grown(array, self.size, room) for array in (self.lo, self.hi, self.bad))
        self.lo[at:end], self.hi[at:end], self.bad[at:end] = lo, hi, bad
        self.size = end


def _grown(array: NDArray[Any], used: int, room: int) -> NDArray[Any]:
    bigger = np.empty(room, array.dtype)
    bigger[:used] = array[:used]
    return bigger


class Pyramid:
    """An append-only series at equal distances: sample k lies at position `first + k`.

    Memory stays below 22 bytes x `capacity` whatever the length: beyond `capacity` blocks at the finest
    level, neighbours are merged and each block stands for `stride` samples.

    Args:
        first: position of the first sample on the x axis.
        capacity: blocks at the finest level, at least 2 and even.
    """

    def __init__(self, first: float = 0.0, capacity: int = CAPACITY) -> None:
        assert capacity >= 2 and capacity % 2 == 0
        self.first = first
        self.stride = 1
        self.count = 0
        self.last = float("nan")
        self._capacity = capacity
        self._levels = [_Level.new()]

    def __len__(self) -> int:
        return self.count

    @property
    def extent(self) -> tuple[float, float]:
        return self.first, self.first + self.count

    @property
    def nbytes(self) -> int:
        """Memory of the arrays, in bytes."""
        return sum(level.lo.nbytes + level.hi.nbytes + level.bad.nbytes for level in self._levels)

    def extend(self, values: NDArray[np.floating]) -> None:
        """Append samples, shape (n,). NaN and infinities are kept as such."""
        if len(values) == 0:
            return
        self.last = float(values[-1])
        rest = np.ascontiguousarray(values, dtype=np.float32)
        while len(rest):
            room = self._capacity * self.stride - self.count
            if room == 0:
                self._fold()
                continue
            self._append(rest[:room])
            rest = rest[room:]

    def _append(self, values: Floats) -> None:
        base = self._levels[0]
        at, inside = divmod(self.count, self.stride)
        lo, hi, bad = _clean(values)
        if inside:  # the last block is incomplete: its part so far stands as one more sample
            lo = np.concatenate((np.repeat(base.lo[at : at + 1], inside), lo))
            hi = np.concatenate((np.repeat(base.hi[at : at + 1], inside), hi))
            bad = np.concatenate((np.repeat(base.bad[at : at + 1], inside), bad))
        base.write(at, *_reduce(lo, hi, bad, self.stride))
        self.count += len(values)
        self._rebuild(at)

    def _rebuild(self, changed: int) -> None:
        """Bring the upper levels up to date after blocks from `changed` on were written."""
        for k, below in enumerate(self._levels):
            if below.size <= FACTOR:
                break
            if k + 1 == len(self._levels):
                self._levels.append(_Level.new())
            above = self._levels[k + 1]
            changed = min(changed // FACTOR, above.size)
            cut = slice(changed * FACTOR, below.size)
            above.write(changed, *_reduce(below.lo[cut], below.hi[cut], below.bad[cut], FACTOR))

    def _fold(self) -> None:
        base = self._levels[0]
        used = slice(0, base.size)
        halved = _reduce(base.lo[used], base.hi[used], base.bad[used], 2)
        base.write(0, *halved)
        self.stride *= 2
        del self._levels[1:]
        self._rebuild(0)

    def envelope(self, start: float, stop: float, columns: int) -> Envelope:
        """Range of the samples in each column of [start, stop).

        At most 4 x `FACTOR` blocks per column are looked at. A block that straddles the edge of a column
        counts where it begins, so a sample may appear up to a quarter of a column early (or `stride` samples,
        when zoomed in further than the finest level), but never not at all.
        """
        a, b = max(start - self.first, 0.0), min(stop - self.first, float(self.count))
        if b <= a or columns <= 0:
            nothing = np.empty(0, np.float32)
            return _gather(np.empty(0, np.int64), nothing, nothing, np.empty(0, np.bool_), columns)
        level, size = self._level_for((stop - start) / columns)
        first, last = int(a // size), min(int(np.ceil(b / size)), level.size)
        where = np.arange(first, last) * size + self.first
        column = ((where - start) * (columns / (stop - start))).astype(np.int64)
        cut = slice(first, last)
        return _gather(column, level.lo[cut], level.hi[cut], level.bad[cut], columns)

    def _level_for(self, samples_per_column: float) -> tuple[_Level, int]:
        """The coarsest level with at least four blocks per column, and its block size in samples."""
        size = self.stride
        for k, level in enumerate(self._levels):
            if k + 1 == len(self._levels) or size * FACTOR * 4 > samples_per_column:
                return level, size
            size *= FACTOR
        raise AssertionError("a pyramid has at least one level")


class Points:
    """A sparse series: samples at any positions, such as validation results or a learning rate plan.

    Args:
        x: positions, shape (n,), ascending.
        y: values, shape (n,).
    """

    def __init__(self, x: NDArray[np.floating], y: NDArray[np.floating]) -> None:
        assert len(x) == len(y)
        self.x = np.asarray(x, np.float64)
        self.y = np.asarray(y, np.float32)

    def __len__(self) -> int:
        return len(self.x)

    @property
    def last(self) -> float:
        """Newest value; NaN when there is none."""
        return float(self.y[-1]) if len(self.y) else float("nan")

    @property
    def extent(self) -> tuple[float, float]:
        return (float(self.x[0]), float(self.x[-1]) + 1.0) if len(self.x) else (0.0, 0.0)

    def envelope(self, start: float, stop: float, columns: int) -> Envelope:
        """Range of the points in each column of [start, stop)."""
        first, last = np.searchsorted(self.x, (start, stop))
        column = ((self.x[first:last] - start) * (columns / (stop - start))).astype(np.int64)
        low, high, bad = _clean(self.y[first:last])
        return _gather(column, low, high, bad, columns)


def _gather(column: NDArray[np.int64], low: Floats, high: Floats, bad: Bools, columns: int) -> Envelope:
    """Merge blocks into columns. `column` ascends; what lies just outside counts to the edge."""
    lo = np.full(columns, np.nan, np.float32)
    hi, wrong = lo.copy(), np.zeros(columns, np.bool_)
    if columns > 0 and len(column):
        column = column.clip(0, columns - 1)
        heads = np.flatnonzero(np.diff(column, prepend=-1))
        filled = column[heads]
        lo[filled] = np.minimum.reduceat(low, heads)
        hi[filled] = np.maximum.reduceat(high, heads)
        wrong[filled] = np.logical_or.reduceat(bad, heads)
        nothing = lo > hi
        lo[nothing] = hi[nothing] = np.nan
    return Envelope(lo, hi, wrong)


def _clean(values: Floats) -> tuple[Floats, Floats, Bools]:
    """Minimum, maximum and badness of single samples: what is not finite has an empty range."""
    bad = ~np.isfinite(values)
    if not bad.any():
        return values, values, bad
    return np.where(bad, np.float32(np.inf), values), np.where(bad, np.float32(-np.inf), values), bad


def _reduce(lo: Floats, hi: Floats, bad: Bools, by: int) -> tuple[Floats, Floats, Bools]:
    """Merge each `by` neighbours; the last block may be incomplete."""
    if by == 1:
        return lo, hi, bad
    heads = np.arange(0, len(lo), by)
    return (
        np.minimum.reduceat(lo, heads),
        np.maximum.reduceat(hi, heads),
        np.logical_or.reduceat(bad, heads),
    )
