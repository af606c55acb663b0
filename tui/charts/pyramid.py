"""A series that is appended to while it is drawn, reduced to one range per column of the screen.

Keeps minimum, maximum and mean of ever larger blocks, so that a query costs the width of the screen and not the
length of the run, and a spike of a single step is part of every answer. Knows nothing of cells or colours.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from trainctl.tui.charts.blocks import Blocks, Bools, Envelope, Floats
from trainctl.tui.charts.positions import XMap

FACTOR = 8
"""Blocks of one level that make a block of the next."""
CAPACITY = 1 << 16
"""Blocks kept at the finest level. A longer series is folded in half, so memory has a ceiling."""
EDGE = 1e-6
"""Part of a column by which its edges may be rounded."""


class Series(Protocol):
    """Anything a chart can draw."""

    @property
    def extent(self) -> tuple[float, float]:
        """First and one past the last step; equal when there is nothing."""
        ...

    @property
    def last(self) -> float:
        """Newest sample; NaN when there is none."""
        ...

    def at(self, step: float) -> float:
        """The value at a step; NaN when there is none."""
        ...

    def envelope(self, start: float, stop: float, columns: int, x_map: XMap | None = None) -> Envelope:
        """The series between two positions of the x axis (steps, without a map), in `columns` columns."""
        ...


class _Level:
    """Blocks in arrays that grow by doubling."""

    def __init__(self) -> None:
        self.room = Blocks.empty(64)
        self.size = 0

    @property
    def blocks(self) -> Blocks:
        """What was written, sharing memory."""
        return self.room.cut(0, self.size)

    def write(self, at: int, blocks: Blocks) -> None:
        """Replace everything from block `at` on."""
        end = at + len(blocks)
        if end > len(self.room):
            bigger = Blocks.empty(max(end, 2 * len(self.room)))
            for new, old in zip(bigger.arrays(), self.room.arrays(), strict=True):
                new[: self.size] = old[: self.size]
            self.room = bigger
        for array, values in zip(self.room.arrays(), blocks.arrays(), strict=True):
            array[at:end] = values
        self.size = end


class Pyramid:
    """An append-only series at equal distances: sample k lies at step `first + k`.

    Memory stays below 40 bytes x `capacity` whatever the length: beyond `capacity` blocks at the finest
    level, neighbours are merged and each block stands for `stride` samples.

    Args:
        first: step of the first sample.
        capacity: blocks at the finest level, at least 2 and even.
    """

    def __init__(self, first: float = 0.0, capacity: int = CAPACITY) -> None:
        assert capacity >= 2 and capacity % 2 == 0
        self.first = first
        self.stride = 1
        self.count = 0
        self.last = float("nan")
        self._capacity = capacity
        self._levels = [_Level()]
        self._detail: Pyramid | None = None

    def __len__(self) -> int:
        return self.count

    @property
    def extent(self) -> tuple[float, float]:
        """First and one past the last step; equal when there is nothing."""
        return self.first, self.first + self.count

    @property
    def nbytes(self) -> int:
        """Memory held."""
        own = sum(array.nbytes for level in self._levels for array in level.room.arrays())
        return own + (self._detail.nbytes if self._detail else 0)

    def load(self, stride: int, lo: Floats, hi: Floats, mean: Floats, bad: Bools, count: int, last: float) -> None:
        """Fill an empty pyramid from blocks made elsewhere; `extend` goes on behind them.

        Args:
            stride: samples of a block, a power of two.
            lo: smallest finite sample of each block, shape (n,); NaN or above `hi` where there is none.
            hi: largest finite sample, shape (n,).
            mean: of the finite samples, shape (n,).
            bad: whether a block holds a sample that is not finite, shape (n,).
            count: samples they stand for; all blocks but the last are complete.
            last: newest sample.
        """
        assert self.count == 0, "only an empty pyramid is loaded"
        assert stride > 0 and stride & (stride - 1) == 0, "a stride is a power of two"
        assert (len(lo) - 1) * stride < count <= len(lo) * stride or count == len(lo) == 0
        seen = (lo <= hi) & np.isfinite(mean)
        finite = np.where(seen, np.int32(stride), np.int32(0))
        lo, hi = np.where(seen, lo, np.float32(np.inf)), np.where(seen, hi, np.float32(-np.inf))
        blocks = Blocks(lo, hi, np.where(seen, mean, np.float32(0)), finite, bad)
        self.stride, self.count, self.last = stride, count, last
        while len(blocks) > self._capacity:
            blocks, self.stride = blocks.reduced(2), self.stride * 2
        self._levels[0].write(0, blocks)
        self._rebuild(0)

    def set_detail(self, first_step: float, values: Floats | None) -> None:
        """Exact samples from `first_step` on, shape (n,), for the window looked at; none: forget them.

        They are used wherever they cover all that is asked, and follow `extend` as long as they reach its end.
        """
        self._detail = None
        if values is not None and len(values):
            room = 1 << max(len(values) - 1, 1).bit_length()
            self._detail = Pyramid(first_step, max(room, CAPACITY))
            self._detail.extend(values)

    def extend(self, values: NDArray[np.floating]) -> None:
        """Append samples, shape (n,). NaN and infinities are kept as such."""
        if len(values) == 0:
            return
        if self._detail and self._detail.extent[1] == self.first + self.count:
            self._detail.extend(values)
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
        base, (at, inside) = self._levels[0], divmod(self.count, self.stride)
        new = Blocks.of(values)
        if inside:  # the last block is incomplete: its part so far stands as the first of what is merged
            new = base.room.cut(at, at + 1).before(new)
            rest = np.arange(1 + self.stride - inside, len(new), self.stride)
            base.write(at, new.merged(np.concatenate((np.zeros(1, np.int64), rest))))
        else:
            base.write(at, new.reduced(self.stride))
        self.count += len(values)
        self._rebuild(at)

    def _rebuild(self, changed: int) -> None:
        """Bring the upper levels up to date after blocks from `changed` on were written."""
        for k, below in enumerate(self._levels):
            if below.size <= FACTOR:
                break
            if k + 1 == len(self._levels):
                self._levels.append(_Level())
            above = self._levels[k + 1]
            changed = min(changed // FACTOR, above.size)
            above.write(changed, below.room.cut(changed * FACTOR, below.size).reduced(FACTOR))

    def _fold(self) -> None:
        base = self._levels[0]
        base.write(0, base.blocks.reduced(2))
        self.stride *= 2
        del self._levels[1:]
        self._rebuild(0)

    def at(self, step: float) -> float:
        """The sample at a step, or the mean of the finest block around it; NaN when there is none."""
        k = int(np.floor(step - self.first)) if np.isfinite(step) else -1
        if not 0 <= k < self.count:
            return float("nan")
        if self._detail and self._detail._covers(step, step + 1):
            return self._detail.at(step)
        blocks, at = self._levels[0].room, k // self.stride
        return float(blocks.mean[at]) if blocks.finite[at] else float("nan")

    def _covers(self, start: float, stop: float) -> bool:
        return self.extent[0] <= start and stop <= self.extent[1]

    def envelope(self, start: float, stop: float, columns: int, x_map: XMap | None = None) -> Envelope:
        """Range and mean of the samples in each column of [start, stop).

        At most 4 x `FACTOR` blocks per column are looked at. A block that straddles the edge of a column
        counts where it begins, so a sample may appear up to a quarter of a column early (or `stride` samples,
        when zoomed in further than the finest level), but never not at all. Under a map that quarter is one of
        a column of mean length in steps.
        """
        edges = self._placed(column_edges(start, stop, columns, x_map))
        first, stop = np.ceil(edges[[0, -1]] - self.first).clip(0, self.count) + self.first
        if self._detail and self._detail._covers(first, stop):
            return self._detail._within(edges)
        return self._within(edges)

    def _placed(self, edges: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where steps lie among the samples, as if these were one step apart; here they are."""
        return edges

    def _within(self, edges: NDArray[np.float64]) -> Envelope:
        columns = len(edges) - 1
        level, size = self._level_for((edges[-1] - edges[0]) / max(columns, 1))
        heads = np.ceil((edges - self.first) / size).clip(0, level.size).astype(np.int64)
        if columns > 0:
            # The block around the first edge began before it, but reaches into the window.
            inside = edges[0] + (edges[-1] - edges[0]) / columns * 2 * EDGE - self.first
            heads[0] = min(max(int(inside // size), 0), heads[1])
        return level.room.envelope(heads)

    def _level_for(self, samples_per_column: float) -> tuple[_Level, int]:
        """The coarsest level with at least four blocks per column, and its block size in samples."""
        size = self.stride
        for k, level in enumerate(self._levels):
            if k + 1 == len(self._levels) or size * FACTOR * 4 > samples_per_column:
                return level, size
            size *= FACTOR
        raise AssertionError("a pyramid has at least one level")


class Points:
    """A sparse series: samples at any steps, such as validation results or a learning rate plan.

    Args:
        x: steps, shape (n,), ascending.
        y: values, shape (n,).
    """

    def __init__(self, x: NDArray[np.floating], y: NDArray[np.floating]) -> None:
        assert len(x) == len(y)
        self.x = np.asarray(x, np.float64)
        with np.errstate(over="ignore"):  # a value beyond the range is drawn as what is infinite
            self.y = np.asarray(y, np.float32)

    def __len__(self) -> int:
        return len(self.x)

    @property
    def last(self) -> float:
        """Newest value; NaN when there is none."""
        return float(self.y[-1]) if len(self.y) else float("nan")

    @property
    def extent(self) -> tuple[float, float]:
        """First and one past the last step; equal when there is nothing."""
        return (float(self.x[0]), float(self.x[-1]) + 1.0) if len(self.x) else (0.0, 0.0)

    def at(self, step: float) -> float:
        """The newest value at or before a step; NaN when there is none."""
        k = int(np.searchsorted(self.x, step, side="right")) - 1
        return float(self.y[k]) if k >= 0 else float("nan")

    def envelope(self, start: float, stop: float, columns: int, x_map: XMap | None = None) -> Envelope:
        """Range and mean of the points in each column of [start, stop)."""
        heads = np.searchsorted(self.x, column_edges(start, stop, columns, x_map))
        return Blocks.of(self.y).envelope(heads)


def column_edges(start: float, stop: float, columns: int, x_map: XMap | None) -> NDArray[np.float64]:
    """Steps at which the columns of [start, stop) begin, and the last ends; shape (columns + 1,).

    Moved by `EDGE` columns to the left, so that a sample exactly on an edge lies right of it however
    the edge was rounded.
    """
    edges = np.linspace(start, max(stop, start), max(columns, 0) + 1)
    if x_map is not None:
        edges = np.maximum.accumulate(x_map.step_of(edges))
    return edges - (edges[-1] - edges[0]) / max(columns, 1) * EDGE
