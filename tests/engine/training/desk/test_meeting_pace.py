"""How far apart ranks meet: by the clock, and by what a meeting takes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from trainctl.engine.ranks import Ranks
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.training.desk import meeting
from trainctl.engine.training.desk.meeting import (
    LONGEST_S,
    REMEMBERED,
    Meeting,
    SharedInbox,
    SharedSignals,
    steps_between,
)
from trainctl.engine.training.ranks.team import Team

MS = 1e-3


@pytest.mark.parametrize(
    ("step_s", "meeting_s", "steps"),
    [
        (150 * MS, 0.25 * MS, 1),  # a step that is longer than the pause
        (5 * MS, 0.25 * MS, 20),
        (0.1 * MS, 0.25 * MS, 64),  # bounded, however short
        (10 * MS, 100 * MS, 500),  # a thousand ranks in a ring
        (0.1 * MS, 100 * MS, 3_200),
        (10 * MS, 10.0, LONGEST_S / (10 * MS)),  # a signal is still obeyed in seconds
        (60.0, 10.0, 1),
        (0.0, 0.0, 64),
    ],
)
def test_meetings_take_a_fiftieth_of_the_time_at_most(step_s: float, meeting_s: float, steps: float):
    assert steps_between(step_s, meeting_s) == pytest.approx(steps, abs=1)


class SlowTeam(Team):
    """Two ranks, of which the other says nothing; every fourth exchange waits for it, `first` of them first."""

    def __init__(self, first: int) -> None:
        super().__init__(Ranks(0, 2))
        self.first = first
        self.clock_s, self.met_at_s = 0.0, list[float]()

    def most(self, numbers: Sequence[float]) -> list[float]:
        """What this one says."""
        self.clock_s += 500 * MS if len(self.met_at_s) % 4 == self.first else 2 * MS
        self.met_at_s.append(self.clock_s)
        return list(numbers)


@pytest.mark.parametrize("first", [0, 1])
def test_the_quickest_of_the_newest_meetings_counts(first: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    team = SlowTeam(first)
    monkeypatch.setattr(meeting.time, "perf_counter", lambda: team.clock_s)
    inbox = SharedInbox(RunPaths(tmp_path), skip_existing=False, complain=lambda text: None)
    met = Meeting(team, SharedSignals(), inbox)
    worked_s, worked = list[float](), 0.0
    for step in range(1, 2001):
        team.clock_s, worked = team.clock_s + 10 * MS, worked + 10 * MS
        meetings = len(team.met_at_s)
        met.meet_after(step)
        if len(team.met_at_s) > meetings:
            worked_s.append(worked)
            worked = 0.0
    assert len(worked_s) > 100
    # A fiftieth for those of 2 ms, once some are known; the late ones, and the first, are no reason to wait 5 s.
    assert max(worked_s[: REMEMBERED + 1]) < 0.2
    assert {round(between, 2) for between in worked_s[REMEMBERED + 1 :]} <= {0.09, 0.1, 0.11}
