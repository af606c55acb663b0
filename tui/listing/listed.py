"""A run in a list: what its small files say, and what is known of its loss. Plain data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from trainctl.engine.runs.index import RunInfo
from trainctl.tui.charts.pyramid import Points


@dataclass(frozen=True)
class Course:
    """The training loss of a run at a glance."""

    points: Points
    """Some of its steps, each with the lowest loss around it."""
    last: float = math.nan
    """Of the newest step; NaN: none was recorded."""


@dataclass(frozen=True, eq=False)
class Listed:
    """A run of the list: the same object as long as nothing of it changes.

    Args:
        info: what its small files say.
        course: its loss; None: not read yet.
        is_pinned: it stays above the others.
    """

    info: RunInfo
    course: Course | None = None
    is_pinned: bool = False

    @cached_property
    def key(self) -> str:
        """What it is known by: its folder."""
        return str(self.info.paths.root)

    @property
    def study(self) -> str:
        """The study it is a trial of; empty: none."""
        return self.info.trial.study if self.info.trial else ""

    @property
    def last_loss(self) -> float:
        """Of the newest step; NaN where it is not known."""
        return self.course.last if self.course else math.nan
