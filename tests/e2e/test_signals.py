"""How a training ends: signals, commands, failures, and readers that go away; with the exit code of each."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kills import OPTIONS, TASK
from sittings import ONE_THREAD, STARTER, Sittings

from trainctl.engine.errors import ExitCode
from trainctl.engine.runs.commands import send_command
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.reader import RunReader
from trainctl.engine.runs.summary import read_summary
from trainctl.engine.training.state.checkpoint import load_checkpoint
from trainctl.tui.cli.main import run_command_line

FOREVER = "train.epochs=100000"
PATIENCE_S = 60.0


def argv(runs: Path, *options: str, task: str = TASK) -> list[str]:
    return ["run", "--task", task, "--runs-dir", str(runs), *OPTIONS, *options]


def trouble(name: str) -> str:
    return f"{Path(__file__).with_name('troubles.py')}:{name}"


def until(condition: Callable[[], Any]) -> Any:
    limit = time.monotonic() + PATIENCE_S
    while not (value := condition()):
        assert time.monotonic() < limit, "it never happened"
        time.sleep(0.01)
    return value


def run_in(runs: Path) -> RunPaths | None:
    found = [path.parent for path in runs.glob("*/steps.bin") if path.stat().st_size and path.parent.name != "latest"]
    return RunPaths(found[0]) if found else None


def start(sittings: Sittings, folder: Path, *options: str, task: str = TASK, **how: Any) -> tuple[int, RunPaths]:
    """A process that has taken its first steps, and its run."""
    pid = sittings.start(argv(folder / "runs", *options, task=task), folder / "output", **how)
    return pid, until(lambda: run_in(folder / "runs"))


def events(run: RunPaths, kind: EventKind) -> list[Any]:
    reader = RunReader(run)
    reader.poll()
    return [event for event in reader.events if event.kind is kind]


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGINT, ExitCode.INTERRUPTED),
        (signal.SIGTERM, ExitCode.TERMINATED),
        (signal.SIGHUP, ExitCode.TERMINATED),
    ],
)
def test_the_first_signal_leaves_a_run_that_can_go_on(
    tmp_path: Path, sittings: Sittings, number: signal.Signals, code: ExitCode
) -> None:
    pid, run = start(sittings, tmp_path, FOREVER)
    os.kill(pid, number)
    assert sittings.wait(pid) == code
    summary = read_summary(run)
    assert summary is not None
    assert (summary.state, summary.exit_reason) == ("preempted", f"received {number.name}")
    assert load_checkpoint(run.latest)["about"]["step"] == summary.steps
    assert f"resume  trainctl run --resume {run.root}" in (tmp_path / "output").read_text()
    resumed = ["run", "--resume", str(run.root), f"train.max_steps={summary.steps + 5}"]
    assert sittings.run(resumed, tmp_path / "again") == ExitCode.OK
    assert RunReader(run).steps.all()["step"].tolist() == list(range(1, summary.steps + 6))


@pytest.mark.few(1)
@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_samples_that_never_come_hold_up_no_ending(
    tmp_path: Path, sittings: Sittings, workers: int, number: signal.Signals
) -> None:
    task = trouble("StuckSamples")
    pid, run = start(sittings, tmp_path, FOREVER, f"train.workers={workers}", task=task)
    until(lambda: len(RunReader(run).steps.all()))
    time.sleep(1)  # by now it waits
    started = time.monotonic()
    os.kill(pid, number)
    assert sittings.wait(pid) == 128 + number
    assert time.monotonic() - started < 10
    summary = read_summary(run)
    assert summary is not None and summary.steps > 0
    assert load_checkpoint(run.latest)["about"]["step"] == summary.steps
    assert RunReader(run).steps.all()["step"].tolist() == list(range(1, summary.steps + 1))


@pytest.mark.few(1)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_long_validation_holds_up_no_ending(tmp_path: Path, sittings: Sittings, number: signal.Signals) -> None:
    pid, run = start(sittings, tmp_path, FOREVER, task=trouble("SlowValidation"))
    until(lambda: '"validating"' in run.status.read_text())
    asked = time.monotonic()
    os.kill(pid, number)
    assert sittings.wait(pid) == (ExitCode.STOPPED if number == signal.SIGUSR1 else 128 + number)
    assert time.monotonic() - asked < 10
    summary = read_summary(run)
    assert summary is not None and (summary.state, summary.steps) == ("preempted", 40)
    progress = load_checkpoint(run.latest)["state"]["progress"]
    assert (progress["step"], progress["epoch"], progress["batch"]) == (40, 0, 40)  # the validation is still due


def test_the_second_signal_ends_at_once(tmp_path: Path, sittings: Sittings) -> None:
    pid, run = start(sittings, tmp_path, FOREVER, task=trouble("SlowStep"))
    until(lambda: "a long step" in run.console.read_text())
    os.kill(pid, signal.SIGINT)
    time.sleep(0.2)
    assert RunReader(run).steps.all().size  # the first waits for the step
    os.kill(pid, 0)
    os.kill(pid, signal.SIGINT)
    assert sittings.wait(pid) == ExitCode.INTERRUPTED
    assert read_summary(run) is None


@pytest.mark.few(1)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_data_is_loaded_leaves_nothing(
    tmp_path: Path, sittings: Sittings, number: signal.Signals
) -> None:
    pid = sittings.start(argv(tmp_path / "runs", task=trouble("SlowLoad")), tmp_path / "output")
    until(lambda: "loading" in (tmp_path / "output").read_text())
    os.kill(pid, number)
    assert sittings.wait(pid) == 128 + number
    lines = (tmp_path / "output").read_text().splitlines()
    said = ["trainctl: interrupted before the first step; no run was made"] * (number is signal.SIGINT)
    assert lines == ["loading", *said]
    assert not (tmp_path / "runs").exists()


def fake_scontrol(folder: Path, code: int) -> dict[str, str]:
    """Environment of a SLURM job whose `scontrol` notes its arguments and ends with `code`."""
    folder.mkdir()
    program = folder / "scontrol"
    program.write_text(f'#!/bin/sh\necho "$@" > {folder}/asked\necho "no such job" >&2\nexit {code}\n')
    program.chmod(0o755)
    return {"SLURM_JOB_ID": "4711", "PATH": f"{folder}:{os.environ['PATH']}"}


@pytest.mark.few(1)
@pytest.mark.parametrize(("code", "said"), [(0, "SLURM job 4711 is queued again"), (1, "no such job")])
def test_sigusr1_puts_a_slurm_job_back_into_the_queue(tmp_path: Path, sittings: Sittings, code: int, said: str) -> None:
    pid, run = start(sittings, tmp_path, FOREVER, env=fake_scontrol(tmp_path / "bin", code))
    os.kill(pid, signal.SIGUSR1)
    assert sittings.wait(pid) == ExitCode.STOPPED
    assert (tmp_path / "bin" / "asked").read_text() == "requeue 4711\n"
    assert said in events(run, EventKind.WARNING if code else EventKind.NOTE)[-1].data["text"]
    assert load_checkpoint(run.latest)["about"]["step"] == events(run, EventKind.END)[-1].step


def test_sigusr1_without_scontrol_still_ends_in_order(tmp_path: Path, sittings: Sittings) -> None:
    nowhere = {"SLURM_JOB_ID": "4711", "PATH": str(tmp_path)}
    pid, run = start(sittings, tmp_path, FOREVER, env=nowhere)
    os.kill(pid, signal.SIGUSR1)
    assert sittings.wait(pid) == ExitCode.STOPPED
    assert events(run, EventKind.WARNING)[-1].data["text"].startswith("cannot requeue SLURM job 4711")


def test_a_run_that_is_asked_to_stop_ends_with_75(tmp_path: Path, sittings: Sittings) -> None:
    pid, run = start(sittings, tmp_path, FOREVER)
    send_command(run, "stop", {})
    assert sittings.wait(pid) == ExitCode.STOPPED
    assert "stopped: stopped on request" in (tmp_path / "output").read_text()


def test_a_run_that_finishes_ends_with_0(tmp_path: Path, sittings: Sittings) -> None:
    assert sittings.run(argv(tmp_path, "train.epochs=1"), tmp_path / "output") == ExitCode.OK


@pytest.mark.few(1)
@pytest.mark.parametrize(("name", "reason"), [("Failing", "ZeroDivisionError"), ("Leaving", "SystemExit: enough")])
def test_a_task_that_fails_ends_with_1_and_its_traceback_is_kept(
    tmp_path: Path, sittings: Sittings, name: str, reason: str
) -> None:
    argv_failing = argv(tmp_path / "runs", task=trouble(name))
    assert sittings.run(argv_failing, tmp_path / "output") == ExitCode.RUN_FAILED
    run = run_in(tmp_path / "runs")
    assert run is not None
    for text in (run.console.read_text(), (tmp_path / "output").read_text()):
        assert text.count("Traceback (most recent call last)") == 1
        assert "troubles.py" in text
    summary = read_summary(run)
    assert summary is not None
    assert (summary.state, summary.exit_reason.startswith(reason)) == ("failed", True)
    assert json.loads(run.status.read_text())["state"] == "failed"


def test_a_wrong_command_line_ends_with_2(tmp_path: Path, sittings: Sittings) -> None:
    assert sittings.run(argv(tmp_path / "runs", "train.epoch=1"), tmp_path / "output") == ExitCode.USAGE
    assert not (tmp_path / "runs").exists()


def trainctl(
    *words: str, output: int | None = None, preexec_fn: Callable[[], None] | None = None
) -> subprocess.Popen[bytes]:
    """A process from nothing, for what only a real start shows."""
    command, environ = [sys.executable, "-c", STARTER, *words], {**os.environ, **ONE_THREAD}
    return subprocess.Popen(command, env=environ, stdout=output, stderr=output, preexec_fn=preexec_fn)


@pytest.mark.slow
def test_a_reader_that_goes_away_does_not_end_the_training(tmp_path: Path) -> None:
    words = argv(tmp_path, "train.epochs=3", task=trouble("Talkative"))
    process = trainctl(*words, output=subprocess.PIPE)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    process.stderr.close()
    assert process.wait() == ExitCode.OK
    run = run_in(tmp_path)
    assert run is not None
    summary = read_summary(run)
    assert summary is not None
    assert summary.state == "finished"
    console = run.console.read_text()
    assert console.count("a line on standard output") == console.count("a line on standard error") > summary.steps
    assert "finished: all epochs done" in console


@pytest.mark.slow
def test_closed_standard_streams_do_not_end_the_training(tmp_path: Path) -> None:
    def close_all() -> None:
        for descriptor in range(3):
            os.close(descriptor)

    process = trainctl(*argv(tmp_path, "train.epochs=1", task=trouble("Talkative")), preexec_fn=close_all)
    assert process.wait() == ExitCode.OK
    run = run_in(tmp_path)
    assert run is not None
    assert "finished: all epochs done" in run.console.read_text()
    assert RunReader(run).steps.all()["step"].tolist() == list(range(1, 41))


def test_nohup_is_respected(tmp_path: Path, sittings: Sittings) -> None:
    pid, run = start(sittings, tmp_path, FOREVER, ignored=[signal.SIGHUP])
    os.kill(pid, signal.SIGHUP)
    send_command(run, "stop", {})
    assert sittings.wait(pid) == ExitCode.STOPPED


def test_json_lines_stay_json_when_the_task_prints(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = argv(tmp_path, "--json", "train.epochs=1", task=trouble("Talkative"))
    assert run_command_line(words) == ExitCode.OK
    out, err = capfd.readouterr()
    kinds = [json.loads(line)["kind"] for line in out.splitlines()]
    assert (kinds[0], kinds[-1]) == ("start", "end")
    assert "a line on standard output\na line on standard error\n" in err
