"""Starting, leaving and ending a training, with a small program in the trainer's place."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from trainctl.engine.errors import UserError
from trainctl.engine.runs.layout import RunPaths
from trainctl.tui import presets
from trainctl.tui.processes import launch as launching
from trainctl.tui.processes.launch import LaunchRequest, launch

SLEEPER = (
    sys.executable,
    "-c",
    "import sys, os, time; print(sys.argv[1:], os.environ.get('MINE'), flush=True); time.sleep(60)",
)


@pytest.fixture
def sleeper(monkeypatch: pytest.MonkeyPatch, runs_dir: Path):
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


def test_the_training_gets_its_directory_options_and_the_environment_it_was_given(
    sleeper: tuple[RunPaths, subprocess.Popen[bytes]],
):
    run, _ = sleeper
    text = printed(run)
    assert f"'--run-dir', '{run.root}'" in text
    assert "'--preset', 'eyes/balanced', '--scale', 'auto', '--set', 'train.epochs=2'" in text
    assert text.rstrip().endswith("yes")


@pytest.fixture
def parent(runs_dir: Path) -> Path:
    """A run directory with a configuration and a newest checkpoint."""
    from trainctl.engine.runs.index import create_run
    from trainctl.engine.tasks.configured import resolve

    run = create_run(runs_dir, "eyes/balanced")
    run.config.write_text(resolve("eyes/balanced", scale="small", overrides=["seed=7"]).to_yaml(), encoding="utf-8")
    run.latest.write_bytes(b"weights")
    return run.root


def test_a_fork_is_started_with_the_run_it_comes_from_and_nothing_of_the_last_request(runs_dir: Path, parent: Path):
    last = LaunchRequest(runs_dir, task="eyes", data=Path("eyes"), scale="full", overrides=("seed=1",))
    run = RunPaths(runs_dir / "new")
    beginning = [*launching.TRAINER, "--run-dir", str(run.root), "--fork", str(parent), "--from"]
    assert last.forking(parent).arguments(run) == [*beginning, "latest"]
    with_preset = last.forking(parent, "eyes/aggressive", best=True)
    assert with_preset.arguments(run) == [*beginning, "best", "--preset", "eyes/aggressive"]
    assert with_preset.with_preset("eyes/current").arguments(run)[-4:] == [
        "--preset",
        "eyes/current",
        "--scale",
        "auto",
    ]


def test_a_fork_is_checked_before_it_is_started(runs_dir: Path, parent: Path):
    request = LaunchRequest(runs_dir)
    assert presets.checked(request.forking(parent)).label == "eyes/balanced"
    forked = presets.checked(request.forking(parent, "aggressive"))
    assert forked.label == "eyes/aggressive"
    config = presets.resolved(forked)
    assert (config.config.seed, config.scale, config.config.optimizer.lr) == (7, "small", 3e-3)
    changed = presets.changes(presets.present_configuration(parent / "config.yaml", None), forked)
    assert ("optimizer.lr", 2e-3, 3e-3) in changed and not [path for path, _, _ in changed if path == "seed"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fork_from": "best"}, "has no best checkpoint to fork from"),
        ({"preset": "nonsense"}, "unknown preset 'nonsense'"),
        ({"overrides": ("train.epoch=3",)}, "unknown key train.epoch"),
        ({"fork": Path("nowhere")}, "file not found: nowhere/config.yaml"),
    ],
)
def test_a_fork_that_cannot_be_is_named(runs_dir: Path, parent: Path, change: dict[str, Any], message: str):
    request = replace(LaunchRequest(runs_dir).forking(parent), **change)
    with pytest.raises(UserError, match=message):
        presets.checked(request)


def test_the_training_has_its_own_session(sleeper: tuple[RunPaths, subprocess.Popen[bytes]]):
    _, process = sleeper
    assert os.getsid(process.pid) == process.pid != os.getsid(0)


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


@pytest.mark.few(3)
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
def test_mistakes_are_one_line_before_the_screen_is_taken(tmp_path: Path, words: list[str], expected: str):
    done = ui(*words, "--runs-dir", str(tmp_path / "runs"))
    assert done.returncode == 2
    assert done.stdout == "" and done.stderr.count("\n") == 1 and expected in done.stderr
    assert not (tmp_path / "runs").exists()


def test_the_cockpit_imports_neither_torch_nor_what_takes_long():
    code = "import sys, trainctl.tui.app; print([m for m in ('torch','sklearn','scipy','pyarrow') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == "[]"
