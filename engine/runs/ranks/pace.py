"""What each rank took for its part of the newest steps, for whoever looks on while they train. Judges nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from trainctl.engine.errors import UserError
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.ranks.side_by_side import BUSY, read_ranks

NEWEST = 64
"""Steps whose median is taken."""
PERIOD_S = 1.0
"""Between two looks at the files, at least."""
LOOK_SHARE = 0.05
"""Part of the time that goes to looking, at most: a thousand ranks take a third of a second."""


@dataclass(frozen=True, slots=True)
class RankPace:
    """One rank, in the median of the newest steps. NaN: not known."""

    rank: int
    fetched_s: float
    """What a step waited for its samples."""
    busy_s: float
    """What it then worked on them, until it first waited for the other ranks."""
    loss: float
    """Of its part of the newest batch."""
    samples: int
    """In that part."""

    @property
    def taken_s(self) -> float:
        """Both together: what the others have to wait for."""
        return self.fetched_s + self.busy_s


def newest_paces(paths: RunPaths) -> tuple[RankPace, ...]:
    """Of all ranks, in their order; empty where one process trains alone, and where nothing can be read."""
    try:
        found = read_ranks(paths, NEWEST)
        if found is None or not len(found.steps):
            return ()
        fetched, busy = (np.median(found.column(name), 1) for name in ("data_s", f"scalar.{BUSY}"))
        losses, sizes = found.column("loss")[:, -1], found.column("batch_size")[:, -1]
    except (UserError, OSError, ValueError, KeyError, IndexError):  # said by `diagnose`; the run goes on
        return ()
    return tuple(
        RankPace(rank, float(fetched[k]), float(busy[k]), float(losses[k]), int(sizes[k]))
        for k, rank in enumerate(found.ranks)
    )


class PaceReader:
    """Follows the ranks of a run.

    Args:
        paths: the run.
        clock: in seconds.

    Attributes:
        found: what was seen last; the same object until it is looked at again.
    """

    def __init__(self, paths: RunPaths, clock: Callable[[], float] = time.monotonic) -> None:
        self._paths, self._clock = paths, clock
        self._next_s = -np.inf
        self.found: tuple[RankPace, ...] = ()

    def poll(self) -> None:
        """Look at the files, if the last look was a while ago."""
        began = self._clock()
        if began >= self._next_s:
            self.found = newest_paces(self._paths)
            ended = self._clock()
            self._next_s = ended + max(PERIOD_S, (ended - began) / LOOK_SHARE)
