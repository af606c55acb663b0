"""Starting, leaving and ending a training, with a small program in the trainer's place."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from trainctl.engine.errors import UserError
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.states import RunState
from trainctl.tui import launch as launching
from trainctl.tui.launch import LaunchRequest, kill, launch

SLEEPER = (
    sys.executable,
    "-c",
    "import sys, os, time; print(sys.argv[1:], os.environ.get('MINE'), flush=True); time.sleep(60)",
)


@pytest.fixture
def sleeper(monkeypatch, runs_dir):
    """A started process that waits; ended after the test."""
    monkeypatch.setattr(launching, "TRAINER", SLEEPER)
    request = LaunchRequest(runs_dir, preset="eyes/balanced", overrides=("train.epochs=2",), environ={"MINE": "yes"})
    run, process = launch(request)
    yield run, process
    if process.poll() is None:
        process.kill()
        process.wait()


def printed(run: RunPaths) -> str:
    """The console, once there is something in it."""
    end = time.monotonic() + 5
    while not run.console.read_text():
        assert time.monotonic() < end
        time.sleep(0.01)
    return run.console.read_text()


def test_the_training_gets_its_directory_options_and_the_environment_it_was_given(sleeper):
    run, _ = sleeper
    text = printed(run)
    assert f"'--run-dir', '{run.root}'" in text
    assert "'--preset', 'eyes/balanced', '--scale', 'auto', '--set', 'train.epochs=2'" in text
    assert text.rstrip().endswith("yes")


def test_the_training_has_its_own_session(sleeper):
    _, process = sleeper
    assert os.getsid(process.pid) == process.pid != os.getsid(0)


def test_kill_ends_it(sleeper):
    _, process = sleeper
    kill(None, process)
    assert process.wait(5) == -9


def test_a_run_that_somebody_else_started_is_found_by_its_status(live_run):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        live_run.status(RunState.RUNNING, pid=child.pid)
        from trainctl.engine.runs.status import read_status

        kill(read_status(live_run.paths), None)
        assert child.wait(5) == -9
    finally:
        if child.poll() is None:
            child.kill()


def test_a_run_on_another_host_is_not_killed_from_here(live_run):
    live_run.status(RunState.RUNNING, host="elsewhere")
    from trainctl.engine.runs.status import read_status

    with pytest.raises(UserError, match="elsewhere"):
        kill(read_status(live_run.paths), None)


def ui(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """`trainctl ui` without a terminal; only for what ends before the screen is taken."""
    return subprocess.run(
        [sys.executable, "-m", "trainctl.tui.cli.main", "ui", *words],
        capture_output=True,
        text=True,
        timeout=30,
        env=os.environ | environ,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--preset", "nonsense"], "unknown preset 'nonsense'"),
        (["--set", "train.epoch=3"], "train.epoch"),
        (["--data", "/nowhere"], "no such data: /nowhere"),
        (["nosuchrun"], "no run 'nosuchrun'"),
        (["--readonly"], "name a run to open"),
        ([], "needs a terminal"),
    ],
)
def test_mistakes_are_one_line_before_the_screen_is_taken(tmp_path: Path, words, expected):
    done = ui(*words, "--runs-dir", str(tmp_path / "runs"))
    assert done.returncode == 2
    assert done.stdout == "" and done.stderr.count("\n") == 1 and expected in done.stderr
    assert not (tmp_path / "runs").exists()


def test_the_cockpit_imports_neither_torch_nor_what_takes_long():
    code = "import sys, trainctl.tui.app; print([m for m in ('torch','sklearn','scipy','pyarrow') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == "[]"
