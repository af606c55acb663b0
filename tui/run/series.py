"""A plotted column of a run: a pyramid that may have gaps and does its work only when it is drawn.

Knows no run directory and no widget.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from trainctl.tui.charts.positions import XMap
from trainctl.tui.charts.pyramid import Envelope, Floats, Pyramid
from trainctl.tui.run.places import Places

MAX_OFFERED = 1 << 19
"""Samples of a closer look that is followed although nobody draws it."""
MAX_WAITING = 1 << 13
"""Samples that wait for the series to be drawn: most series are not, and many at once cost little more than few."""


class RunSeries(Pyramid):
    """A pyramid over optimiser steps.

    Args:
        first: step of the first sample.
        is_sparse: NaN says "not measured": it is a gap, not an illness, and `last` is the newest measurement.
        places: steps of the samples, where they are not one step apart.
    """

    def __init__(self, first: float, *, is_sparse: bool = False, places: Places | None = None) -> None:
        super().__init__(first)
        self._is_sparse = is_sparse
        self.places = places
        self._offered: tuple[float, list[Floats]] | None = None
        self._waiting: list[Floats] = []
        self._num_waiting = 0

    def __len__(self) -> int:
        return self.count + self._num_waiting

    @property
    def extent(self) -> tuple[float, float]:
        if self.places is not None and not self.places.is_plain and len(self):
            return self.first, self.places.last + 1.0
        return self.first, self._end

    @property
    def _end(self) -> float:
        """Place behind the last sample."""
        return self.first + self.count + self._num_waiting

    def offer_detail(self, first_step: float, values: Floats | None) -> None:
        """As `set_detail`, from a place on, but the work is done when the series is next drawn: most are not."""
        self.set_detail(0.0, None)
        self._offered = None if values is None else (first_step, [values])

    def extend(self, values: NDArray[np.floating]) -> None:
        """Append samples, shape (n,). NaN and infinities are kept as such."""
        fresh = np.array(values, np.float32)  # a copy: these are a row of a larger block
        if not len(fresh):
            return
        self._follow(fresh)
        self._waiting.append(fresh)
        self._num_waiting += len(fresh)
        measured = fresh[np.isfinite(fresh)] if self._is_sparse else fresh
        if len(measured):
            self.last = float(measured[-1])
        if self._num_waiting >= MAX_WAITING:
            self._settle()

    def _settle(self) -> None:
        """Do what waits."""
        if self._num_waiting:
            waiting, last = np.concatenate(self._waiting), self.last
            self._waiting, self._num_waiting = [], 0
            super().extend(waiting)
            self.last = last
        if self._offered is not None:
            (first_step, parts), self._offered = self._offered, None
            self.set_detail(first_step, np.concatenate(parts))

    def at(self, step: float) -> float:
        """The sample at a step or the one before it, or the mean of the finest block around; NaN when there is none."""
        self._settle()
        return super().at(float(self._placed(np.array([step], np.float64))[0]))

    def _placed(self, edges: NDArray[np.float64]) -> NDArray[np.float64]:
        return edges if self.places is None else self.places.places_of(edges)

    def envelope(self, start: float, stop: float, columns: int, x_map: XMap | None = None) -> Envelope:
        """Range and mean of the samples in each column of [start, stop), see `Pyramid.envelope`."""
        self._settle()
        found = super().envelope(start, stop, columns, x_map)
        return dataclasses.replace(found, bad=np.zeros_like(found.bad)) if self._is_sparse else found

    def _follow(self, values: Floats) -> None:
        """Let a closer look that reaches the end of the series reach it still."""
        if self._offered is None:
            return
        first_step, parts = self._offered
        size = sum(map(len, parts))
        if size > MAX_OFFERED:
            self._offered = None
        elif first_step + size == self._end:
            parts.append(values)
