"""A worker: takes one trial of a study after the other until none is left, or somebody asks it to end."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from trainctl.engine.errors import ExitCode, UserError
from trainctl.engine.runs.layout import RunPaths
from trainctl.tui.cli.sweep.journal import IsGone, Journal
from trainctl.tui.cli.sweep.progress import Progress
from trainctl.tui.cli.sweep.study import Study
from trainctl.tui.cli.sweep.trial import Trial
from trainctl.tui.cli.sweep.worker import is_gone
from trainctl.tui.processes.launch import LaunchRequest
from trainctl.tui.processes.trainings import asked_to_end
from trainctl.tui.run.trial import TrialState

MOST_FAILED = 5
"""Trials that may fail one after the other while none of the study has ever come to its end."""
ENDED = (ExitCode.INTERRUPTED, ExitCode.TERMINATED)


@dataclass(frozen=True)
class Work:
    """What is to be done."""

    study: Study
    journal: Journal
    request: LaunchRequest
    """The configuration that is varied, into the folder of runs."""
    most: int
    """Trials of the whole study."""


def work(plan: Work, progress: Progress) -> ExitCode:
    """Work until no trial is left.

    Raises:
        UserError: no trial can be judged, one after the other fails, or the journal cannot be used.
    """
    asks, failed = gone_asker(plan.request.runs_dir), 0
    with asked_to_end() as asked, _warning_ends():
        while not asked:
            given = plan.journal.take(plan.most, asks)
            if given is None:
                return ExitCode.OK
            trial = Trial(plan.study, given, plan.request, plan.journal, progress)
            verdict, code = trial.work()
            if verdict is None:
                plan.journal.let_go(given.number)
                progress.say(f"trial {given.number}: left for another worker, or for the same command again")
            else:
                trial.close(verdict)
                failed = failed + 1 if verdict.state is TrialState.FAILED else 0
            if trial.error is not None:
                raise trial.error
            if code in ENDED:
                return code
            if failed >= MOST_FAILED and not _has_complete(plan.journal):
                assert verdict is not None
                raise UserError(f"{failed} trials failed one after the other, the last: {verdict.reason}", "mend that")
    return ExitCode.TERMINATED if asked[0] == signal.SIGTERM else ExitCode.INTERRUPTED


def gone_asker(runs_dir: Path) -> IsGone:
    """Tells of a trial in the journal whether its worker is gone."""

    def asks(worker: Mapping[str, Any] | None, run: str, began: float) -> bool:
        return is_gone(worker, RunPaths(runs_dir / run) if run else None, began, time.time())

    return asks


def _has_complete(journal: Journal) -> bool:
    return any(trial.state is TrialState.COMPLETE for _, trial in journal.trials())


@contextmanager
def _warning_ends() -> Generator[None]:
    """A scheduler's warning of its time limit (SIGUSR1) means the same as SIGTERM."""

    def end(number: int, frame: FrameType | None) -> None:
        del number, frame
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.signal(signal.SIGUSR1, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR1, before)
