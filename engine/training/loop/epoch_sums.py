"""Means over the epoch under way, from sums: memory does not grow with the epoch, and nobody waits for the disk.

Knows step records, nothing of where they come from.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trainctl.engine.runs.record import Records

PORTION = 512
"""Steps added up at once, always the same ones: in which blocks records come makes no difference to the last bit."""

Floats = NDArray[np.float64]


class EpochSums:
    """Sums of loss and raw terms, times batch size, over the newest epoch that was heard of.

    Records are heard in the order of their steps.
    """

    def __init__(self) -> None:
        self._epoch = 0
        self._names: tuple[str, ...] = ()
        self._sums, self._lost = np.zeros(0), np.zeros(0)
        """Of each column, and last of the batch sizes; and what rounding has taken from each."""
        self._rest = np.zeros((0, 0))
        """Steps that are not added yet, a row for each column; fewer than `PORTION`."""

    def hear(self, records: Records) -> None:
        """Take note of new records; an epoch is forgotten when the next begins."""
        if not len(records):
            return
        newest, names = int(records["epoch"][-1]), _columns(records)
        part = records[np.searchsorted(records["epoch"], newest) :]
        if newest != self._epoch or names != self._names:
            self._begin(newest, names)
        # Where batches are not measured (0), as in some loops that are not ours, steps count alike.
        sizes = np.maximum(part["batch_size"].astype(np.float64), 1.0)
        with np.errstate(all="ignore"):  # a value that is not finite is data here
            new = np.array([*(part[name] * sizes for name in names), sizes])
            waiting = np.concatenate((self._rest, new), axis=1)
            whole = waiting.shape[1] // PORTION * PORTION
            for first in range(0, whole, PORTION):
                self._sums, self._lost = _added(self._sums, self._lost, waiting[:, first : first + PORTION].sum(1))
        self._rest = waiting[:, whole:].copy()  # not a view, which would keep all of it

    def means(self, epoch: int) -> dict[str, float]:
        """Mean of the loss and of each raw term, weighted by batch size; empty where nothing is known of that epoch."""
        if epoch != self._epoch or not self._names:
            return {}
        with np.errstate(all="ignore"):
            sums, lost = _added(self._sums, self._lost, self._rest.sum(1))
            *totals, samples = sums + lost
            means = [float(total / samples) for total in totals]
        return {name.removeprefix("term."): mean for name, mean in zip(self._names, means, strict=True)}

    def _begin(self, epoch: int, names: tuple[str, ...]) -> None:
        size = len(names) + 1
        self._epoch, self._names = epoch, names
        self._sums, self._lost, self._rest = np.zeros(size), np.zeros(size), np.zeros((size, 0))


def _added(sums: Floats, lost: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Sums with `values`, and what rounding has taken from them so far (Neumaier): after a million portions a plain sum
    has drifted."""
    total = sums + values
    is_larger = np.abs(sums) >= np.abs(values)
    off = np.where(is_larger, (sums - total) + values, (values - total) + sums)
    return total, lost + np.where(np.isfinite(off), off, 0.0)


def _columns(records: Records) -> tuple[str, ...]:
    return ("loss", *(name for name in records.dtype.names or () if name.startswith("term.")))
