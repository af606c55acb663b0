"""Hands out a recorded run as of a simulated clock, in the way `RunFeed` hands out a live one. Touches no widget.

Going on costs what is new; going back starts over and brings everything up to there in large portions.
"""

from __future__ import annotations

import subprocess
import threading

from trainctl.engine.errors import UserError
from trainctl.engine.runs.events import Event
from trainctl.engine.runs.hardware.samples import HardwareSample
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.record import Records
from trainctl.tui.charts.axis import duration
from trainctl.tui.replay.clock import ReplayClock
from trainctl.tui.replay.recording import Recording
from trainctl.tui.run.feed import RunFeed
from trainctl.tui.run.session import Session
from trainctl.tui.run.step_feed import MAX_RECORDS
from trainctl.tui.run.view import Detail, Glance, RunUpdate, RunView
from trainctl.tui.spoken import said

FRAME_S = 0.1
"""Seconds between two looks at the clock."""


class ReplayFeed(RunFeed):
    """Follows a recording.

    The console is left out: its lines do not say when they were printed.

    Args:
        paths: the run.
        clock: says which moment is wanted; begins to play when the recording is opened.
    """

    period_s = FRAME_S

    def __init__(self, paths: RunPaths, clock: ReplayClock | None = None) -> None:
        super().__init__(paths)
        self.clock = clock or ReplayClock()
        self._recording: Recording | None = None
        self._num_sent = self._num_events_sent = self._num_hardware_sent = 0
        self._lock = threading.Lock()
        self._window: tuple[float, float] | None = None
        self._is_due = False

    def request_detail(self, start: float | None, stop: float | None = None) -> None:
        """As of any feed: exact samples of steps [start, stop), as far as the replay has come."""
        with self._lock:
            self._window = None if start is None or stop is None else (start, stop)
            self._is_due = True
        self.nudged.set()

    def poll(self) -> RunUpdate:
        """What happened since the last call, or, after a step back, everything up to the moment.

        Raises:
            UserError: nothing was recorded, or a newer version wrote this run.
        """
        recording = self._recording or self._open()
        recording.steps.prepare()
        moment = recording.sittings.moment(self.clock.position_s)
        wanted, wanted_events = recording.count_until(moment), recording.num_events_until(moment)
        wanted_samples = recording.num_hardware_until(moment)
        restarted = wanted < self._num_sent or wanted_events < self._num_events_sent
        restarted = restarted or wanted_samples < self._num_hardware_sent
        if restarted:
            self._num_sent = self._num_events_sent = self._num_hardware_sent = 0
        glance, records = self._advance(recording, wanted)
        self.behind = self._num_sent < wanted
        if self.behind:
            # As of the last record handed out: an event must not come before the steps it is about.
            moment = min(float(records["time"][-1]), moment)
            wanted_events = max(min(recording.num_events_until(moment), wanted_events), self._num_events_sent)
        alive, age_s = recording.liveness(moment, self._num_sent)
        status = recording.status(moment, self._num_sent)
        told = recording.told_until(moment, status.step if status else 0)
        return RunUpdate(
            restarted=restarted,
            layout=recording.steps.layout,
            records=records,
            glance=glance,
            detail=self._detail(recording, is_anew=restarted or glance is not None),
            events=self._events_until(recording, wanted_events),
            events_restarted=restarted,
            hardware=self._hardware_until(recording, recording.num_hardware_until(moment)),
            hardware_restarted=restarted,
            status=status,
            liveness=alive,
            age_s=age_s,
            meta=recording.meta,
            summary=recording.summary(moment),
            samples=recording.samples(told),
            histograms=recording.histograms(told),
            problems=recording.problems,
        )

    def _advance(self, recording: Recording, wanted: int) -> tuple[Glance | None, Records]:
        """What is missing up to record `wanted`: a long way at a glance, the rest in one portion of records."""
        is_far = wanted - self._num_sent > MAX_RECORDS
        glance = recording.steps.glance(wanted) if is_far else None
        if glance is not None and glance.overview.count <= self._num_sent:
            glance = None
        first = glance.overview.count if glance is not None else self._num_sent
        self._num_sent = min(wanted, first + MAX_RECORDS)
        return glance, recording.steps.part(first, self._num_sent)

    def _detail(self, recording: Recording, *, is_anew: bool) -> Detail | None:
        """The answer to a request, again where the series began anew."""
        with self._lock:
            window, is_due = self._window, self._is_due
            self._is_due = False
        if not is_due and (window is None or not is_anew):
            return None
        return recording.steps.detail(window, self._num_sent)

    def _open(self) -> Recording:
        recording = Recording(self.paths)
        if recording.is_empty:
            raise UserError(f"{self.paths.root.name} has recorded nothing yet", "there is nothing to replay")
        self.clock.begin(recording.sittings.duration_s)
        self._recording = recording
        return recording

    def _events_until(self, recording: Recording, count: int) -> tuple[Event, ...]:
        new = tuple(recording.events[self._num_events_sent : count])
        self._num_events_sent = count
        return new

    def _hardware_until(self, recording: Recording, count: int) -> tuple[HardwareSample, ...]:
        first, self._num_hardware_sent = self._num_hardware_sent, max(count, self._num_hardware_sent)
        return tuple(recording.samples_of_hardware[first : self._num_hardware_sent])


class ReplaySession(Session):
    """A run that is looked at as it was, and that nothing is asked of.

    Args:
        paths: the run.
        process: its process, where we started it: for whoever goes back to the run as it is.
    """

    def __init__(self, paths: RunPaths, process: subprocess.Popen[bytes] | None = None) -> None:
        super().__init__(paths, process, readonly=True)
        self.clock = ReplayClock()
        self.feed = ReplayFeed(paths, self.clock)
        self.view = RunView(paths)  # not as it stands today

    def check_may_change(self) -> None:
        """Raises UserError: what is over cannot be changed."""
        raise UserError("a replay changes nothing", "o goes back to the run")

    def farewell(self) -> str:
        """What to print after the screen is given back."""
        at, whole = duration(self.clock.position_s), duration(self.clock.duration_s)
        text = said(f"{self.paths.root.name}: replayed up to step {self.view.step}, {at} of {whole}.")
        return f"{text} {said(f'Open it again with: trainctl ui {self.paths.root} --replay')}"
