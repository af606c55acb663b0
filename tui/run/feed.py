"""The one thing that looks into the run directory while the cockpit is open. Runs in a thread, touches no widget.

`RunFeed.poll` is plain and blocking; `follow` calls it until told to stop and hands each update on, one at a
time, so that a slow screen slows the reading and nothing piles up.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from trainctl.engine.errors import UserError
from trainctl.engine.files import open_regular
from trainctl.engine.runs.beginning import beginning
from trainctl.engine.runs.events import Event
from trainctl.engine.runs.hardware.samples import HardwareReader, HardwareSample
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.meta import read_meta
from trainctl.engine.runs.ranks.pace import PaceReader
from trainctl.engine.runs.reader import RunReader
from trainctl.engine.runs.status import Liveness, liveness, read_status
from trainctl.engine.runs.summary import read_summary
from trainctl.engine.runs.validated.history import HistogramReader
from trainctl.tui.run.step_feed import StepFeed
from trainctl.tui.run.view import RunUpdate, RunView

PERIOD_S = 0.25
MAX_EVENT_BYTES = 1 << 20
"""Length of the events in one update: bounds memory and time of a run with very many."""
CONSOLE_TAIL = 64 << 10
"""Bytes of an old console that are shown."""


class ConsoleTail:
    """Follows a text file that grows; begins `CONSOLE_TAIL` bytes before its end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset: int | None = None
        self._rest = b""

    def read_new(self) -> tuple[str, ...]:
        """Lines completed since the last call. A carriage return overwrites, as in a terminal."""
        try:
            with open_regular(self._path, follow=False) as file:
                size = file.seek(0, 2)
                start = max(size - CONSOLE_TAIL, 0) if self._offset is None else min(self._offset, size)
                file.seek(start)
                data = file.read(CONSOLE_TAIL)
                self._offset = start + len(data)
        except OSError:
            return ()
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[-CONSOLE_TAIL:]
        return tuple(line.decode(errors="replace").rstrip("\r").rsplit("\r", 1)[-1] for line in lines)


def glimpse(paths: RunPaths) -> RunUpdate:
    """What the small files say at first sight, for the first picture; nothing of what cannot be read."""
    status, summary, meta = _tolerant(read_status, paths), _tolerant(read_summary, paths), _tolerant(read_meta, paths)
    now = time.time()
    if status is None and summary is None:
        alive, age_s = beginning(paths, meta, now)
    else:
        alive, age_s = liveness(status, now, is_summed_up=summary is not None)
    return RunUpdate(status=status, liveness=alive, age_s=age_s, meta=meta, summary=summary)


T = TypeVar("T")


def _tolerant(read: Callable[[RunPaths], T | None], paths: RunPaths) -> T | None:
    try:
        return read(paths)
    except UserError:  # said by the first update
        return None


class RunFeed:
    """Follows one run.

    Args:
        paths: the run.
        process: the trainer, where we started it.
    """

    period_s = PERIOD_S
    """Seconds from one poll to the next where nothing is left to read."""

    def __init__(self, paths: RunPaths, process: subprocess.Popen[bytes] | None = None) -> None:
        self.paths = paths
        self._reader = RunReader(paths)
        self._steps = StepFeed(paths, self._reader.steps)
        self._hardware = HardwareReader(paths)
        self._hardware_generation = 0
        self._histograms = HistogramReader(paths.histograms)
        self._paces = PaceReader(paths)
        self._console = ConsoleTail(paths.console)
        self._process = process
        self._event_list: list[Event] = self._reader.events
        self._ahead: threading.Thread | None = None
        self._begun: list[RunUpdate | UserError] = []
        self.behind = False
        """Whether there is more to read at once."""
        self.nudged = threading.Event()
        """Set when the next poll should not wait."""

    def request_detail(self, start: float | None, stop: float | None = None) -> None:
        """Ask for the exact samples of steps [start, stop) in the next update; None: they are no longer wanted.

        From any thread; the newest request wins. Wanted where the blocks of the series (`RunView.stride`) are wider
        than a column of the chart. While they are wanted they follow the run.
        """
        self._steps.request(None if start is None or stop is None else (start, stop))
        self.nudged.set()

    def read_ahead(self) -> None:
        """Begin to read a long run, in a thread, before there is anything to show it on; `poll` waits for that."""
        if self._steps.is_long:
            self._ahead = threading.Thread(target=self._begin, name="read ahead", daemon=True)
            self._ahead.start()

    @property
    def reads_ahead(self) -> bool:
        """Whether the first `poll` was begun before it was called."""
        return self._ahead is not None

    def _begin(self) -> None:
        try:
            self._begun.append(self._poll())
        except UserError as err:
            self._begun.append(err)

    def poll(self) -> RunUpdate:
        """What is new.

        Raises:
            UserError: a newer version wrote this run.
        """
        if self._ahead is not None:
            self._ahead.join()
            self._ahead = None
        if not self._begun:
            return self._poll()
        found = self._begun.pop()
        if isinstance(found, UserError):
            raise found
        return found

    def _poll(self) -> RunUpdate:
        reader = self._reader
        # The process first: what it wrote before it ended is then certainly part of this update.
        exit_code = self._process.poll() if self._process else None
        reader.poll(MAX_EVENT_BYTES)
        if self._process and reader.status and reader.status.pid != self._process.pid and not reader.is_gone:
            exit_code = None  # somebody has resumed it
        steps = self._steps.poll()
        self._histograms.poll()
        self._paces.poll()
        events, events_restarted = self._new_events()
        hardware, hardware_restarted = self._new_hardware()
        self.behind = self._steps.behind or reader.has_more_events
        alive, age_s = reader.liveness()
        return RunUpdate(
            restarted=steps.restarted,
            layout=reader.steps.layout,
            records=steps.records,
            glance=steps.glance,
            detail=steps.detail,
            events=events,
            events_restarted=events_restarted,
            hardware=hardware,
            hardware_restarted=hardware_restarted,
            # Not before the events that it repeats.
            console=() if reader.has_more_events else self._console.read_new(),
            status=reader.status,
            liveness=self._liveness(alive, exit_code),
            age_s=age_s,
            meta=reader.meta,
            summary=reader.summary,
            samples=reader.samples,
            histograms=self._histograms.found,
            ranks=self._paces.found,
            exit_code=exit_code,
            problems=tuple(reader.problems.values()),
            is_gone=reader.is_gone,
        )

    def _liveness(self, alive: Liveness, exit_code: int | None) -> Liveness:
        """What the files say, corrected by what is known of the process we started."""
        if exit_code is not None:
            return alive if alive is Liveness.OVER else Liveness.CRASHED
        is_ours = self._process is not None and self._reader.status is None and alive is Liveness.CRASHED
        return Liveness.STARTING if is_ours else alive

    def _new_hardware(self) -> tuple[tuple[HardwareSample, ...], bool]:
        """Samples read since the last call, and whether they start over; what is no such file has none."""
        try:
            new = self._hardware.read_new()
        except UserError:
            return (), False
        restarted = self._hardware.generation != self._hardware_generation
        self._hardware_generation = self._hardware.generation
        return tuple(new), restarted

    def _new_events(self) -> tuple[tuple[Event, ...], bool]:
        """Events read since the last call, and whether they start over. The reader keeps none: the view does."""
        restarted = self._reader.events is not self._event_list
        self._event_list = self._reader.events
        new = tuple(self._event_list)
        self._event_list.clear()
        return new, restarted


def read_whole(paths: RunPaths) -> RunView:
    """What is known of a run, read as far as it goes now.

    Raises:
        UserError: a newer version wrote it.
    """
    feed, view = RunFeed(paths), RunView(paths)
    while True:
        view.apply(feed.poll())
        if not feed.behind:
            return view


class Follower:
    """Polls in a thread until stopped.

    Args:
        feed: what to follow.
        deliver: called in the thread with each update; `applied` must be called before there is another.
        fail: called in the thread with a reason when the run cannot be read; nothing follows.
    """

    def __init__(self, feed: RunFeed, deliver: Callable[[RunUpdate], object], fail: Callable[[str], object]) -> None:
        self._feed = feed
        self._deliver = deliver
        self._fail = fail
        self._stop = threading.Event()
        self._applied = threading.Event()
        self._applied.set()

    def run(self) -> None:
        """Poll until `stop`."""
        while not self._stop.is_set():
            self._applied.wait()
            if self._stop.is_set():
                return
            try:
                update = self._feed.poll()
            except UserError as err:
                self._fail(str(err))
                return
            self._applied.clear()
            self._deliver(update)
            if not self._feed.behind:
                self._stop.wait(self._feed.period_s)

    def applied(self) -> None:
        """The last update has been taken in."""
        self._applied.set()

    def stop(self) -> None:
        """End `run` soon."""
        self._stop.set()
        self._applied.set()
        self._feed.nudged.set()
