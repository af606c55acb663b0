"""The training loss of a run at a glance, read in a thread: all records of a short run, the overview of a long one.

What was read is kept until the records change. Knows no widget.
"""

from __future__ import annotations

import math
import os

import numpy as np
from numpy.typing import NDArray

from trainctl.engine.errors import UserError
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.overview import OverviewReader
from trainctl.engine.runs.record import Records
from trainctl.engine.runs.store import StepReader
from trainctl.tui.charts.pyramid import Points
from trainctl.tui.listing.listed import Course

FEW = 4096
"""Records that are read whole; of more the blocks of the overview do, which are a hundredth of them."""
PLACES = 64
"""Points of a course: more than the columns a list has for it."""
NOTHING = Course(Points(np.empty(0), np.empty(0)))
Floats = NDArray[np.float64]


class Courses:
    """The courses of the runs of a list, for any thread: two that ask for the same one at once read it twice."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[object, Course]] = {}

    def of(self, paths: RunPaths) -> Course:
        """The course of a run; an empty one where its records cannot be read. Never raises."""
        key, stamp = str(paths.root), _stamp(paths)
        kept = self._kept.get(key)
        if kept is None or kept[0] != stamp:
            kept = self._kept[key] = (stamp, NOTHING if stamp is None else read_course(paths))
        return kept[1]

    def known(self, paths: RunPaths) -> Course | None:
        """What was read last; None: nothing yet."""
        kept = self._kept.get(str(paths.root))
        return kept[1] if kept else None


def read_course(paths: RunPaths) -> Course:
    """The course of a run; an empty one where its records cannot be read. Never raises."""
    try:
        reader = StepReader(paths)
        layout, dtype, stored = reader.layout, reader.dtype, reader.stored()
        if layout is None or dtype is None or not len(stored) or "loss" not in (dtype.names or ()):
            return NOTHING
        if "loss" in layout.unmeasured:
            return NOTHING
        last = float(stored[-1]["loss"])
        if len(stored) <= FEW:
            return Course(_points(*_of_records(stored[:])), last)
        overview_reader = OverviewReader(paths, layout, dtype)
        try:
            overview = overview_reader.overview()
        finally:
            overview_reader.close()
        lows = {name: low for name, low, *_ in overview.columns()}
        return Course(_points(overview.blocks["step"].astype(np.float64), lows["loss"].astype(np.float64)), last)
    except (UserError, OSError, KeyError, ValueError, IndexError):
        return NOTHING


def _of_records(records: Records) -> tuple[Floats, Floats]:
    return records["step"].astype(np.float64), records["loss"].astype(np.float64)


def _points(steps: Floats, losses: Floats) -> Points:
    """At most `PLACES` points, each the lowest of the losses it stands for; what is not finite is passed over."""
    if not len(steps):
        return NOTHING.points
    heads = np.unique(np.linspace(0, len(steps), PLACES, endpoint=False).astype(np.int64))
    lows = np.minimum.reduceat(np.where(np.isfinite(losses), losses, math.inf), heads)
    return Points(steps[heads], np.where(np.isfinite(lows), lows, math.nan))


def _stamp(paths: RunPaths) -> object:
    try:
        found = os.lstat(paths.steps)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
