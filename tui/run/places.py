"""At which steps the records of a run lie, where that is not one after the other: a log may tell every fiftieth step.

Pure; knows no file and no series.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

MOST_KNOTS = 1 << 16
"""Records of which the step is remembered; of a longer run every second, fourth ... of them, straight in between."""

Doubles = NDArray[np.float64]


class Places:
    """The steps of records in their order, as knots of a piecewise linear map.

    A series lays record k at `first + k`, its place. Where the records are one step apart that is their step, and the
    map is the identity.

    Args:
        first: step of the first record.
    """

    def __init__(self, first: float) -> None:
        self.first = first
        self.count = 0
        self.last = first
        """Step of the newest record."""
        self.is_plain = True
        self._at = np.empty(0)
        self._steps = np.empty(0)
        self._spacing = 1

    def extend(self, steps: ArrayLike, at: ArrayLike | None = None) -> None:
        """Append the steps of further records, ascending, shape (n,).

        Args:
            steps: of each.
            at: which records they are of, ascending, the last one the newest; none: of the next ones.
        """
        fresh = np.asarray(steps, np.float64)
        if not len(fresh):
            return
        where = self.count + np.arange(len(fresh), dtype=np.float64) if at is None else np.asarray(at, np.float64)
        self.count, self.last = int(where[-1]) + 1, float(fresh[-1])
        if self.is_plain and (fresh == self.first + where).all():
            return
        if self.is_plain:
            self._begin(float(where[0]))
        kept = (where % self._spacing == 0) | (where == where[-1])
        self._at, self._steps = np.append(self._at, where[kept]), np.append(self._steps, fresh[kept])
        while len(self._at) > MOST_KNOTS:
            self._spacing *= 2
            kept = self._at % self._spacing == 0
            kept[-1] = True
            self._at, self._steps = self._at[kept], self._steps[kept]

    def places_of(self, steps: Doubles) -> Doubles:
        """Where steps lie among the records: a whole place is a record's, between two records it is no step's."""
        if self.is_plain:
            return steps
        found = np.interp(steps, self._steps, self._at, left=0.0, right=float(self.count))
        return self.first + found

    def _begin(self, before: float) -> None:
        """The first record that does not follow the one before: those before it did."""
        self.is_plain = False
        ends = np.unique([0.0, before - 1]) if before > 0 else np.empty(0)
        self._at, self._steps = ends, self.first + ends
