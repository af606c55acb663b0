"""A disk that answers nobody, or takes its time, holds up no step; a mistake of the task leaves what was trained."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from sittings import Sittings
from test_signals import FOREVER, argv, events, run_in, start, trainctl, trouble, until

from trainctl.engine.errors import ExitCode
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.reader import RunReader
from trainctl.engine.runs.summary import read_summary
from trainctl.engine.training.state.checkpoint import load_checkpoint

ENDS_WITHIN_S = 10.0


def step_of_latest(path: Path) -> int:
    return load_checkpoint(path)["about"]["step"]


@pytest.mark.slow
def test_a_run_whose_disk_is_stuck_goes_on_and_ends_with_a_checkpoint_when_asked(
    tmp_path: Path, sittings: Sittings
) -> None:
    pid, run = start(sittings, tmp_path, FOREVER, task=trouble("StuckDisk"))
    recorded = 0

    def is_stuck() -> bool:
        nonlocal recorded
        before, recorded = recorded, len(RunReader(run).steps.all())
        time.sleep(0.5)
        return before == recorded > 0

    until(is_stuck)
    until(lambda: run.latest.exists() and step_of_latest(run.latest) > recorded + 200)  # the loop goes on
    asked = time.monotonic()
    os.kill(pid, signal.SIGTERM)
    assert sittings.wait(pid) == ExitCode.TERMINATED
    assert time.monotonic() - asked < ENDS_WITHIN_S
    saved = step_of_latest(run.latest)
    assert saved > recorded + 200
    resumed = ["run", "--resume", str(run.root), f"train.max_steps={saved + 5}"]
    assert sittings.run(resumed, tmp_path / "again", env={"WELL": "1"}) == ExitCode.OK
    steps = RunReader(run).steps.all()["step"]
    assert np.all(np.diff(steps.astype(int)) > 0) and steps[-1] == saved + 5, "a gap, and nothing twice"


@pytest.mark.slow
def test_a_slow_disk_costs_no_step_and_no_record(tmp_path: Path, sittings: Sittings) -> None:
    options = ("train.epochs=20", "checkpoint.every_s=0", "checkpoint.epoch_every_s=1000")  # each waits for records
    words = argv(tmp_path / "runs", *options, task=trouble("SlowDisk"))
    assert sittings.run(words, tmp_path / "output") == ExitCode.OK
    run = run_in(tmp_path / "runs")
    assert run is not None
    records = RunReader(run).steps.all()
    assert records["step"].tolist() == list(range(1, 801))
    assert len(events(run, EventKind.EPOCH)) == 20
    summary = read_summary(run)
    assert summary is not None and summary.state == "finished"


def test_a_mistake_of_the_task_leaves_a_checkpoint_of_its_last_step(tmp_path: Path, sittings: Sittings) -> None:
    words = argv(tmp_path / "runs", "checkpoint.every_s=0", "checkpoint.epoch_every_s=1000", task=trouble("FailsLater"))
    assert sittings.run(words, tmp_path / "output") == ExitCode.RUN_FAILED
    run = run_in(tmp_path / "runs")
    assert run is not None
    assert step_of_latest(run.latest) == 54 == len(RunReader(run).steps.all())
    assert "a mistake of the task" in (tmp_path / "output").read_text()
    again = ["run", "--resume", str(run.root), "train.max_steps=60"]
    assert sittings.run(again, tmp_path / "again") == ExitCode.OK
    assert RunReader(run).steps.all()["step"].tolist() == list(range(1, 61))


@pytest.mark.slow
def test_a_warning_of_the_scheduler_while_the_process_starts_does_not_end_it(tmp_path: Path) -> None:
    process = trainctl(*argv(tmp_path / "runs", FOREVER))
    until(lambda: "run" in Path(f"/proc/{process.pid}/cmdline").read_text() and _holds_back(process.pid))
    os.kill(process.pid, signal.SIGUSR1)
    assert process.wait(timeout=60) == ExitCode.STOPPED
    run = run_in(tmp_path / "runs")
    assert run is not None
    assert step_of_latest(run.latest) == 1
    assert events(run, EventKind.END)[-1].data["exit_reason"] == "received SIGUSR1"


def _holds_back(pid: int) -> bool:
    """Whether the process blocks SIGUSR1, as it does from its first lines on."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    blocked = next(int(line.split()[1], 16) for line in lines if line.startswith("SigBlk"))
    return bool(blocked & 1 << (signal.SIGUSR1 - 1))
