"""Several trainings, so many at a time, each a process of its own, until all are over or somebody asks to end.

Asked to end (SIGINT, SIGTERM), it passes that on once: each training finishes its step and writes its checkpoint. Asked
again, it passes that on as well, and they end at once. Knows neither a preset nor how progress is shown.
"""

from __future__ import annotations

import re
import signal
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Protocol

from trainctl.engine.errors import ExitCode, UserError
from trainctl.engine.files import read_limited
from trainctl.engine.runs.index import run_info
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.status import Liveness
from trainctl.engine.runs.summary import read_summary
from trainctl.tui.processes.launch import Process

LOOK_S = 0.1
PATIENCE_S = 1.0
"""Between two looks at a run that somebody else started."""
MOST_CONSOLE = 1 << 22
"""Bytes of a console that are looked at for the reason of an end."""
_OF_A_PROCESS = re.compile(r"^exit code \d+: (trainctl: error: )?")
"""What a reason says of the process that it is of."""


class Training(Protocol):
    """What is to be trained."""

    def start(self) -> tuple[RunPaths, Process | None]:
        """Start it; no process: somebody else's, which is waited for.

        Raises:
            UserError: it cannot be started.
        """
        ...


@dataclass(frozen=True)
class Outcome:
    """How one ended."""

    run: RunPaths | None
    is_finished: bool
    reason: str = ""
    """Why it is not finished."""

    @property
    def bare_reason(self) -> str:
        """The same without what it says of the process."""
        return _OF_A_PROCESS.sub("", self.reason)


@dataclass
class UnderWay:
    """One that was started."""

    number: int
    """Which of the trainings."""
    run: RunPaths
    process: Process | None
    looked: float = 0.0

    def has_ended(self) -> bool:
        """Whether it is over."""
        if self.process is not None:
            return self.process.poll() is not None
        if time.monotonic() - self.looked < PATIENCE_S:
            return False
        self.looked = time.monotonic()
        info = run_info(self.run, time.time())
        return info.liveness in (Liveness.OVER, Liveness.CRASHED) or info.state is RunState.PAUSED


class Watcher(Protocol):
    """Is told what happens; called from the thread that runs the trainings."""

    def started(self, one: UnderWay) -> None:
        """It was started, or found running."""
        ...

    def ended(self, number: int, outcome: Outcome) -> None:
        """It is over."""
        ...

    def looked(self, under_way: Iterable[UnderWay], asked: int) -> None:
        """Nothing else happened; `asked`: how often somebody asked to end."""
        ...


def run_all(trainings: list[Training], jobs: int, watcher: Watcher) -> tuple[list[Outcome | None], ExitCode]:
    """Run them, at most `jobs` at a time; the outcomes, None of what was not begun, and how it ended altogether."""
    waiting = deque(enumerate(trainings))
    under_way: list[UnderWay] = []
    outcomes: list[Outcome | None] = [None] * len(trainings)

    def over(number: int, outcome: Outcome) -> None:
        outcomes[number] = outcome
        watcher.ended(number, outcome)

    with asked_to_end() as asked:
        passed_on = 0
        while under_way or (waiting and not asked):
            while waiting and not asked and len(under_way) < jobs:
                number, training = waiting.popleft()
                try:
                    under_way.append(UnderWay(number, *training.start()))
                except UserError as err:
                    over(number, Outcome(None, False, str(err)))
                else:
                    watcher.started(under_way[-1])
            if len(asked) > passed_on:
                passed_on = len(asked)
                _pass_on(under_way)
                under_way = [one for one in under_way if one.process is not None]  # others' go on
            for one in [one for one in under_way if one.has_ended()]:
                under_way.remove(one)
                over(one.number, outcome_of(one))
            watcher.looked(under_way, len(asked))
            if under_way:
                time.sleep(LOOK_S)
    if asked:
        return outcomes, ExitCode.TERMINATED if asked[0] == signal.SIGTERM else ExitCode.INTERRUPTED
    is_whole = all(outcome is not None and outcome.is_finished for outcome in outcomes)
    return outcomes, ExitCode.OK if is_whole else ExitCode.RUN_FAILED


@contextmanager
def asked_to_end() -> Generator[list[int]]:
    """The signals that arrive meanwhile; nothing else comes of them."""
    found: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        del frame
        found.append(number)

    before: dict[signal.Signals, Callable[[int, FrameType | None], object] | int | None] = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        before[number] = signal.signal(number, note)
    try:
        yield found
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _pass_on(under_way: Iterable[UnderWay]) -> None:
    for one in under_way:
        if one.process is not None and one.process.poll() is None:
            with suppress(ProcessLookupError):
                one.process.send_signal(signal.SIGINT)


def outcome_of(one: UnderWay) -> Outcome:
    """How it ended, as its directory says, else its process."""
    state, reason = None, ""
    with suppress(UserError):
        summary = read_summary(one.run)
        if summary is not None:
            state, reason = summary.state, summary.exit_reason
    code = None if one.process is None else one.process.returncode
    if state is RunState.FINISHED and code in (None, 0):
        return Outcome(one.run, True)
    said = reason or _last_words(one.run.console)
    words = "" if code is None else f"ended by signal {-code}" if code < 0 else f"exit code {code}"
    return Outcome(one.run, False, ": ".join(word for word in (words, said) if word) or "did not finish")


def _last_words(console: Path) -> str:
    """The last line of what it printed."""
    try:
        text = read_limited(console, MOST_CONSOLE).decode("utf-8", "replace")
    except (OSError, ValueError):
        return ""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
