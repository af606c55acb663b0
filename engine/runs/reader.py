"""Follows one run directory, live or finished. What the cockpit, `tail` and reports look through.

Tolerates files that are missing, half there or damaged. Never writes, and never blocks the writer.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from trainctl.engine.files import is_folder
from trainctl.engine.runs.atomic import DamagedFileError
from trainctl.engine.runs.beginning import beginning
from trainctl.engine.runs.events import Event, EventReader, current_events
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.meta import read_meta
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.status import Liveness, Status, liveness, read_status
from trainctl.engine.runs.store import StepReader
from trainctl.engine.runs.summary import Summary, read_summary
from trainctl.engine.runs.validated.samples import WorstSamples, read_samples

T = TypeVar("T")
Stamp = tuple[int, int, int]


class RunReader:
    """What is known of one run; `poll` brings it up to date.

    Step records are read through `steps`, when and as far as they are wanted.

    Attributes:
        meta: origin of the run; None until written.
        status: last status; None until written.
        summary: how the run ended; None until it has.
        samples: the worst of the newest validation; None where none were kept.
        events: every event so far, those a resume took back included (see `current_events`).
        steps: reader of the step records.
        problems: files that could not be understood, by name, and why.
        is_gone: whether the folder was there and is no more; what was known of the run stays known.
    """

    def __init__(self, run: RunPaths | Path) -> None:
        self.paths = run if isinstance(run, RunPaths) else RunPaths(run)
        self.meta: dict[str, Any] | None = None
        self.status: Status | None = None
        self.summary: Summary | None = None
        self.samples: WorstSamples | None = None
        self.events: list[Event] = []
        self.steps = StepReader(self.paths)
        self.problems: dict[str, str] = {}
        self.is_gone = False
        self._was_there = is_folder(self.paths.root, strict=False)
        self._heartbeat: tuple[float, float] = (-math.inf, 0.0)
        """The newest one, and when it was seen first by the clock that nobody sets."""
        self._event_reader = EventReader(self.paths)
        self._event_generation = 0
        self._stamps: dict[Path, Stamp | None] = {}

    def poll(self, max_event_bytes: int | None = None) -> bool:
        """Read what is new in the small files and the events; whether there was anything.

        Args:
            max_event_bytes: about how much of the events to read at most.

        Raises:
            UserError: a newer version wrote this run.
        """
        is_there = is_folder(self.paths.root, strict=False)
        self.is_gone, self._was_there = self._was_there and not is_there, self._was_there or is_there
        if self.is_gone:
            return False
        changed = self._poll_events(max_event_bytes)
        if self._is_new(self.paths.meta):
            self.meta, changed = self._read(read_meta, self.paths.meta, self.meta) or self.meta, True
        if self._is_new(self.paths.status):
            # Somebody may remove the file; what it said was true nevertheless.
            self.status, changed = self._read(read_status, self.paths.status, self.status) or self.status, True
            if self.status is not None and self.status.heartbeat != self._heartbeat[0]:
                self._heartbeat = (self.status.heartbeat, time.monotonic())
        if self._is_new(self.paths.summary):
            self.summary, changed = self._read(read_summary, self.paths.summary, self.summary), True
        if self._is_new(self.paths.samples):
            self.samples, changed = self._read(read_samples, self.paths.samples, self.samples), True
        return changed

    @property
    def state(self) -> RunState:
        """Where the run says it stands; starting until it has said anything."""
        if self.summary is not None and self.liveness()[0] is Liveness.OVER:
            return self.summary.state
        return self.status.state if self.status else RunState.STARTING

    def liveness(self, now: float | None = None) -> tuple[Liveness, float]:
        """Whether its process is there, and the age of its last sign of life in seconds."""
        when = time.time() if now is None else now
        if self.status is None and self.summary is None:
            return beginning(self.paths, self.meta, when)
        if now is None and self.status is not None and when < self.status.heartbeat:
            # A clock was set back, this one or the writer's: counted from when the heartbeat came.
            when = self.status.heartbeat + time.monotonic() - self._heartbeat[1]
        return liveness(self.status, when, is_summed_up=self.summary is not None)

    def current_events(self) -> list[Event]:
        """Events without those that a later resume took back."""
        return current_events(self.events)

    @property
    def has_more_events(self) -> bool:
        """Whether the last `poll` stopped at its limit."""
        return self._event_reader.has_more

    def _poll_events(self, max_bytes: int | None) -> bool:
        try:
            new = self._event_reader.read_new(max_bytes)
        except DamagedFileError as err:
            self.problems[self.paths.events.name] = str(err)
            return False
        if self._event_reader.generation != self._event_generation:
            self._event_generation = self._event_reader.generation
            self.events = []
        self.events.extend(new)
        return bool(new)

    def _is_new(self, path: Path) -> bool:
        try:
            info = path.stat()
            stamp = (info.st_ino, info.st_mtime_ns, info.st_size)
        except OSError:
            stamp = None
        if stamp == self._stamps.get(path):
            return False
        self._stamps[path] = stamp
        return True

    def _read(self, read: Callable[[RunPaths], T | None], path: Path, before: T | None) -> T | None:
        try:
            value = read(self.paths)
        except DamagedFileError as err:
            self.problems[path.name] = str(err)
            return before
        self.problems.pop(path.name, None)
        return value
