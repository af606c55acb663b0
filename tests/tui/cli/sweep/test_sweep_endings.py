"""How a sweep's workers end, by signals and by kills, and what becomes of the trial that they were at."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_trials import COMMON, NAME, FakeProcess, FakeTrainer, Sweep, journal, trials
from sample_run_directories import SampleRun

from trainctl.engine.errors import ExitCode
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.summary import Summary, write_summary
from trainctl.tui.cli.sweep import trial as trial_module
from trainctl.tui.cli.sweep.journal import LostTrialError
from trainctl.tui.cli.sweep.verdict import Verdict
from trainctl.tui.run.trial import TrialState, read_trial, trials_of

pytest.importorskip("optuna")


def press(number: int, trial: int) -> Callable[[FakeProcess], None]:
    """Sends this process a signal once, in the middle of a trial."""

    def meanwhile(process: FakeProcess) -> None:
        if process.epoch == 2 and process.returncode is None and f"-t00{trial}-" in process.run.paths.root.name:
            os.kill(os.getpid(), number)
            process.epoch = 1  # it goes on until it is told to end

    return meanwhile


def test_ctrl_c_ends_the_trial_with_its_checkpoint_and_tells_it_as_interrupted(
    sweep: Sweep, trainer: FakeTrainer
) -> None:
    trainer.meanwhile = press(signal.SIGINT, 1)
    code, out, err = sweep(*COMMON, "-n", "4")
    assert code == ExitCode.INTERRUPTED and "1 complete, 1 failed" in out
    assert [(one.state, one.reason) for one in trials()] == [("complete", ""), ("failed", "interrupted")]
    assert "ending: the training finishes its step and writes a checkpoint; again: it ends at once" in err
    assert trials_of(Path("runs"), NAME)[1][0].latest.exists()
    trainer.meanwhile = lambda process: None
    assert sweep(*COMMON, "-n", "4")[0] == 0
    assert [one.state for one in trials()] == ["complete", "failed", "complete", "complete"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_worker_that_its_scheduler_ends_leaves_the_trial_to_the_next(
    sweep: Sweep, trainer: FakeTrainer, number: int
) -> None:
    trainer.meanwhile = press(number, 1)
    code, out, err = sweep(*COMMON, "-n", "3")
    assert code == ExitCode.TERMINATED and "left by their workers: 1" in out
    assert "trial 1: left for another worker" in err
    trainer.meanwhile = lambda process: None
    code, out, err = sweep(*COMMON, "-n", "3")
    assert code == 0 and "3 complete" in out
    assert "trial 1: taken over, its worker is gone\ntrial 1: resumed  " in err
    (left,) = trainer.resumed
    assert "-t001-" in left and len(trainer.started) == 3


def abandoned(state: RunState | None) -> RunPaths | None:
    """A trial whose worker was killed: its run ended so, crashed (RUNNING), goes on (STARTING), was not made (None)."""
    of_dead = journal()
    given = of_dead.take(99, lambda worker, run, began: False)
    assert given is not None
    if state is None:
        return None
    run = SampleRun(Path("runs"), f"20260101-12000{given.number}-left-t{given.number:03d}-00aa")
    run.validate(0.77)
    of_dead.note_run(given.number, run.paths.root.name)
    if state is RunState.RUNNING:
        run.crash()
    elif state is not RunState.STARTING:
        run.end(state)
    return run.paths


@pytest.mark.parametrize(
    ("state", "has_checkpoint", "becomes", "reason"),
    [
        (None, False, "failed", "its worker was gone before the training began"),
        (RunState.FINISHED, True, "complete", ""),
        (RunState.FAILED, True, "failed", "did not finish"),
        (RunState.RUNNING, False, "failed", "killed with its worker before its first checkpoint"),
        (RunState.RUNNING, True, "complete", ""),
        (RunState.PREEMPTED, True, "complete", ""),
    ],
)
def test_the_trial_of_a_killed_worker_is_accounted_for(
    sweep: Sweep, trainer: FakeTrainer, state: RunState | None, has_checkpoint: bool, becomes: str, reason: str
) -> None:
    sweep(*COMMON, "-n", "1")
    run = abandoned(state)
    if run is not None and has_checkpoint:
        run.latest.write_bytes(b"")
    assert "left by their workers: 1" in sweep("status")[1]
    code, _, err = sweep(*COMMON, "-n", "3")
    assert code == 0 and "trial 1: taken over, its worker is gone" in err
    told = [trial for _, trial in journal().trials()]
    assert (told[1].state, told[1].reason) == (becomes, reason)
    assert [trial.number for trial in told] == [0, 1, 2] and len(trainer.started) == 2
    assert trainer.resumed == ([run.root.name] if run and becomes == "complete" and state != "finished" else [])
    if run is not None:
        assert read_trial(run) == told[1]


def test_a_training_that_outlived_its_worker_is_waited_for(
    sweep: Sweep, trainer: FakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep(*COMMON, "-n", "1")
    paths = abandoned(RunState.STARTING)
    assert paths is not None
    looked = trial_module.Trial.looked

    def look(self: Any, under_way: Any, asked: int) -> None:
        looked(self, under_way, asked)
        if self.given.number == 1:
            run = SampleRun.__new__(SampleRun)
            run.paths, run.step = paths, 20
            run.beat(RunState.FINISHED)
            write_summary(paths, Summary(RunState.FINISHED, 20, 1, 1.0, 1.0))

    monkeypatch.setattr(trial_module.Trial, "looked", look)
    code, _, err = sweep(*COMMON, "-n", "2")
    assert code == 0 and "trial 1: found running  " in err and len(trainer.started) == 1
    assert journal().trials()[1][1].value == 0.77 and trainer.resumed == []


def test_a_trial_is_not_gone_on_with_for_ever(sweep: Sweep, trainer: FakeTrainer) -> None:
    sweep(*COMMON, "-n", "1")
    paths = abandoned(RunState.RUNNING)
    assert paths is not None
    paths.latest.write_bytes(b"")
    for _ in range(2):
        journal().take(2, lambda worker, run, began: run != "" and "left" in run)
    code, out, _ = sweep(*COMMON, "-n", "2")
    assert code == 0 and trainer.resumed == []
    assert "killed with its worker after 3 workers  [1]" in out


def test_a_worker_that_was_taken_for_dead_lets_the_trial_go(sweep: Sweep, trainer: FakeTrainer) -> None:
    def told_by_another(process: FakeProcess) -> None:
        if process.epoch == 2 and "-t001-" in process.run.paths.root.name:
            with contextlib.suppress(LostTrialError):
                journal().tell(1, Verdict(TrialState.FAILED, reason="the machine was silent"))

    trainer.meanwhile = told_by_another
    code, out, err = sweep(*COMMON, "-n", "3", "train.epochs=3")
    assert code == 0 and "trial 1: another worker has told how it ended" in err
    assert "failed (1): the machine was silent  [1]" in out and "2 complete" in out
