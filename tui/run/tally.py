"""Counts the samples of each class by epoch as step records arrive. Knows no file and no widget."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]


class ClassTally:
    """Samples of each class, shape (number of classes,), in the epoch in progress and in the one before.

    Attributes:
        epoch: the epoch in progress, 1 for the first; 0 before any record.
        counts: of the epoch in progress; None where the records hold no classes.
        last_counts: of the whole previous epoch; None where not all of it was seen.
        since_step: first step counted where the epoch in progress was not seen from its start, else None.
    """

    def __init__(self) -> None:
        self.epoch = 0
        self.counts: Counts | None = None
        self.last_counts: Counts | None = None
        self.since_step: int | None = None
        self._counted_to = 0

    def start_from(self, records: NDArray[np.void], *, is_whole: bool) -> None:
        """Count anew, from `records` on; `is_whole`: their first is the first of its epoch."""
        self.__init__()
        if not is_whole and len(records):
            self.since_step = int(records["step"][0])
        self.add(records)

    def add(self, records: NDArray[np.void]) -> None:
        """Count records; those counted before are passed over."""
        new = records[int(np.searchsorted(records["step"], self._counted_to, side="right")) :]
        if not len(new):
            return
        self._counted_to = int(new["step"][-1])
        has_classes = "classes" in (new.dtype.names or ())
        epochs = new["epoch"]
        edges = [0, *(np.flatnonzero(epochs[1:] != epochs[:-1]) + 1).tolist(), len(new)]
        for start, stop in pairwise(edges):
            self._enter(int(epochs[start]))
            if has_classes:
                counts: NDArray[Any] = new["classes"][start:stop].sum(axis=0, dtype=np.int64)
                self.counts = counts if self.counts is None else self.counts + counts

    def _enter(self, epoch: int) -> None:
        if epoch == self.epoch:
            return
        if self.epoch:
            self.last_counts = self.counts if self.since_step is None else None
            self.since_step = None
        self.epoch, self.counts = epoch, None
