"""A series that is not measured at every step. Knows no run."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from trainctl.tui.charts.positions import XMap
from trainctl.tui.charts.pyramid import Envelope, Pyramid


class SparsePyramid(Pyramid):
    """A pyramid in which NaN says "not measured": it is a gap, not an illness. `last` is the newest measurement."""

    def extend(self, values: NDArray[np.floating]) -> None:
        """Append samples, shape (n,); NaN where nothing was measured."""
        before, measured = self.last, values[np.isfinite(values)]
        super().extend(values)
        self.last = float(measured[-1]) if len(measured) else before

    def envelope(self, start: float, stop: float, columns: int, x_map: XMap | None = None) -> Envelope:
        """As of any pyramid; no column is bad."""
        found = super().envelope(start, stop, columns, x_map)
        return dataclasses.replace(found, bad=np.zeros_like(found.bad))
