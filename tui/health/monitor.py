"""Judges a run by its records while the cockpit is open: in a thread of its own, never in the training.

Looks at sizes of files only, until there is something new. Memory and time of a judgement do not depend on the
length of the run. Knows no widget; the rules are imported when they are first needed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from trainctl.engine.errors import UserError
from trainctl.engine.runs.events import Event, EventKind, is_taken_back
from trainctl.engine.runs.layout import RunPaths

if TYPE_CHECKING:
    from trainctl.engine.diagnosis.records.evidence import RunEvidence
    from trainctl.tui.health.health import Health

FIRST_S = 0.6
"""Before the first judgement: the screen and the curves come first."""
PERIOD_S = 5.0
"""Between two judgements of a run that goes on."""
SHORTEST_S = 1.0
"""Between two judgements where an epoch or the run has ended."""
MOST_BUSY = 0.008
"""Share of a core that judging may take where epochs are shorter than judgements are apart."""
LOOK_S = 0.5
"""Between two looks at whether there is anything new."""
MOST_WARNINGS = 16
URGENT = frozenset({"epoch", "validation", "end", "nonfinite", "finding", "warning"})
"""Events after which nobody waits for the period to pass."""


class Monitor:
    """Judges until stopped.

    Args:
        paths: the run.
        deliver: called in the thread with each judgement.
    """

    def __init__(self, paths: RunPaths, deliver: Callable[[Health], object]) -> None:
        self._paths, self._deliver = paths, deliver
        self._stop = threading.Event()
        self._evidence: RunEvidence | None = None
        self._spoken: list[Event] = []
        """`finding` events in force."""
        self._warned: list[Event] = []
        """`warning` events in force, the newest."""

    def start(self) -> None:
        """Begin, in a thread that does not keep the process alive; once."""
        threading.Thread(target=self.run, name="monitor", daemon=True).start()

    def stop(self) -> None:
        """End soon; a judgement under way is not delivered."""
        self._stop.set()

    def run(self) -> None:
        """Judge until `stop`."""
        judged: Stamps = ()
        self._stop.wait(FIRST_S)
        while not self._stop.is_set():
            stamps = _stamps(self._paths)
            if stamps == judged:
                self._stop.wait(LOOK_S)
                continue
            judged, started, before = stamps, time.monotonic(), time.thread_time()
            health = self.judge_anyhow()
            spent_s = time.thread_time() - before
            if health is not None and not self._stop.is_set():
                self._deliver(health)
            self._rest(started, pause_s(spent_s))

    def judge_anyhow(self) -> Health | None:
        """As `judge`; what goes wrong in a rule is said, and must not end the judging for good."""
        try:
            return self.judge()
        except Exception as err:
            from trainctl.tui.health.health import Health

            self._evidence = None
            return Health(problem=f"{type(err).__name__}: {err}")

    def judge(self) -> Health | None:
        """What the rules say now; none while there is no record."""
        from trainctl.engine.diagnosis.differential import diagnose
        from trainctl.tui.health.health import Health, health_of

        if not self._paths.steps_layout.exists() or not _stamp(self._paths.steps)[0]:
            return None
        started = time.perf_counter()
        try:
            evidence = self._source().read(lambda: not self._stop.is_set())
        except UserError as err:
            return Health(problem=str(err))
        self._hear()
        report = diagnose(evidence, seconds=time.perf_counter() - started)
        facts = self._source().records
        assert facts is not None, "a run that could be read has records"
        health = health_of(report, self._spoken, facts.last_step)
        warnings = tuple(str(event.data.get("text", "")) for event in self._warned)
        return replace(health, is_over=facts.is_over, warnings=warnings)

    def _source(self) -> RunEvidence:
        from trainctl.engine.diagnosis.records.evidence import RunEvidence

        if self._evidence is None:
            self._evidence = RunEvidence(self._paths)
        return self._evidence

    def _hear(self) -> bool:
        """Take in what happened since; whether any of it is urgent."""
        try:
            events = self._source().listen()
        except UserError:  # said by whoever reads the file for the screen
            return False
        for event in events:
            if event.kind is EventKind.RESUME:
                self._spoken = [spoken for spoken in self._spoken if not is_taken_back(spoken, event)]
                self._warned = [warned for warned in self._warned if not is_taken_back(warned, event)]
            elif event.kind is EventKind.WARNING:
                self._warned = [*self._warned, event][-MOST_WARNINGS:]
            elif event.kind is EventKind.FINDING:
                code = event.data.get("code")
                self._spoken = [*(spoken for spoken in self._spoken if spoken.data.get("code") != code), event]
        return any(event.kind in URGENT for event in events)

    def _rest(self, started: float, shortest_s: float) -> None:
        """Wait for the next turn, less long where an epoch or the run has ended meanwhile, but `shortest_s`."""
        is_urgent = False
        while not self._stop.wait(LOOK_S):
            is_urgent = self._hear() or is_urgent
            passed = time.monotonic() - started
            if passed >= PERIOD_S or (is_urgent and passed >= shortest_s):
                return


def pause_s(spent_s: float) -> float:
    """Seconds from one judgement to the next where every moment an epoch ends, by what one takes of a processor."""
    return min(max(spent_s / MOST_BUSY, SHORTEST_S), PERIOD_S)


Stamps = tuple[tuple[int, int], ...]


def _stamps(paths: RunPaths) -> Stamps:
    """Size and inode of what a judgement rests on."""
    return tuple(_stamp(path) for path in (paths.steps, paths.events, paths.summary))


def _stamp(path: Path) -> tuple[int, int]:
    try:
        info = path.stat()
    except OSError:
        return (0, 0)
    return (info.st_size, info.st_ino)
