"""A run is told of when it ends, fails, is killed or never begins; its findings are told once each."""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sample_run_directories import SampleRun
from synthetic_run import NewRun

from trainctl.engine.runs.events import EventKind, EventReader
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.status import process_start
from trainctl.tui.alerts import watcher as module
from trainctl.tui.alerts.starting import Teller
from trainctl.tui.alerts.watcher import Watcher
from trainctl.tui.alerts.wishes import Wishes
from trainctl.tui.cli.main import run_command_line

HERE = (os.getpid(), process_start(os.getpid()))
NOBODY = (0, None)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_S", 0.02)
    monkeypatch.setattr(module, "SURE_S", 0.02)


@pytest.fixture
def told(tmp_path: Path) -> Callable[[], list[dict[str, Any]]]:
    """What a command was given, in order; `into` is the command."""
    return lambda: [json.loads(path.read_text()) for path in sorted((tmp_path / "told").glob("*"))]


@pytest.fixture
def into(tmp_path: Path) -> str:
    folder = tmp_path / "told"
    folder.mkdir()
    return f"cat > {folder}/$(date +%s%N)"


def watch(paths: RunPaths, wishes: Wishes, starter: tuple[int, int | None] = HERE) -> Watcher:
    watcher = Watcher(paths, wishes, starter, os.environ)
    watcher.run()
    return watcher


def notes(paths: RunPaths) -> list[str]:
    return [event.data["text"] for event in EventReader(paths).read_new() if event.kind is EventKind.NOTE]


def test_the_end_is_told(tmp_path: Path, told: Callable[[], list[dict[str, Any]]], into: str):
    run = SampleRun(tmp_path)
    run.end()
    assert watch(run.paths, Wishes(on_end=into)).failures == []
    (alert,) = told()
    assert (alert["alert"], alert["state"], alert["step"]) == ("end", "finished", 20)
    assert (alert["metric"], alert["best"]) == ("f1", 0.75)
    assert alert["path"] == str(run.paths.root)
    assert alert["summary"].startswith("finished")


def test_it_waits_for_the_end(tmp_path: Path, told: Callable[[], list[dict[str, Any]]], into: str):
    run = SampleRun(tmp_path)
    thread = threading.Thread(target=watch, args=(run.paths, Wishes(on_end=into)), daemon=True)
    thread.start()
    time.sleep(0.3)
    assert thread.is_alive()
    assert told() == []
    run.end(RunState.FAILED)
    thread.join(30)
    assert [alert["state"] for alert in told()] == ["failed"]


def test_a_run_that_was_killed_is_told_of(tmp_path: Path, told: Callable[[], list[dict[str, Any]]], into: str):
    run = SampleRun(tmp_path)
    run.crash()
    watch(run.paths, Wishes(on_end=into))
    (alert,) = told()
    assert alert["state"] == "presumed crashed"
    assert alert["severity"] == "error"
    assert "the process is gone" in alert["summary"]


def test_a_program_that_never_took_a_step_is_told_of(
    tmp_path: Path, told: Callable[[], list[dict[str, Any]]], into: str
):
    paths = RunPaths(tmp_path / "20260101-120000-mine-00aa")
    paths.root.mkdir()
    thread = threading.Thread(target=watch, args=(paths, Wishes(on_end=into)), daemon=True)
    thread.start()
    time.sleep(0.2)
    assert thread.is_alive(), "who started it is there: it begins"
    shutil.rmtree(paths.root)
    thread.join(30)
    (alert,) = told()
    assert (alert["state"], alert["summary"]) == ("did not start", "ended before its first step")


def test_findings_are_told_once_each_and_information_is_not(
    new_run: NewRun, told: Callable[[], list[dict[str, Any]]], into: str
):
    run = new_run().begin()
    run.train(100)
    run.train(5, loss=np.nan, term__bce=np.nan)
    run.status(RunState.FAILED)
    watch(run.paths, Wishes(on_end=into, on_finding=into))
    alerts = told()
    codes = [alert["code"] for alert in alerts if alert["alert"] == "finding"]
    assert "N901" in codes
    assert len(codes) == len(set(codes))
    assert alerts[-1]["alert"] == "end"
    assert alerts[-1]["verdict"] == "wrong"
    assert {alert["severity"] for alert in alerts} <= {"error", "warning"}


def test_who_could_not_be_told_is_one_line_of_the_log(tmp_path: Path):
    run = SampleRun(tmp_path)
    run.end()
    watcher = watch(run.paths, Wishes(on_end="echo no >&2; exit 3"))
    assert watcher.failures == ["--on-end: exit code 3: no"]
    assert notes(run.paths) == ["--on-end: exit code 3: no"]


def test_the_process_tells_by_itself(tmp_path: Path, told: Callable[[], list[dict[str, Any]]], into: str):
    run = SampleRun(tmp_path)
    run.end()
    teller = Teller(Wishes(on_end=f"{into}; exit 5"))
    assert teller.start(run.paths) == ""
    assert teller.wait() == ["--on-end: exit code 5"]
    assert len(told()) == 1
    assert teller.wait() == []


def test_nobody_is_started_where_nobody_wants_to_be_told(tmp_path: Path):
    teller = Teller(Wishes(bell=True))
    assert teller.start(RunPaths(tmp_path)) == ""
    assert teller.wait() == []


def test_any_program_is_told_of(
    tmp_path: Path,
    told: Callable[[], list[dict[str, Any]]],
    into: str,
    capfd: pytest.CaptureFixture[str],
):
    words = [
        "run",
        "--runs-dir",
        str(tmp_path / "runs"),
        "--on-end",
        into,
        "--",
        sys.executable,
        "-c",
        "raise SystemExit(4)",
    ]
    assert run_command_line(words) == 4
    assert "nothing was recorded" in capfd.readouterr().err
    assert [alert["state"] for alert in told()] == ["did not start"]


def test_a_run_that_is_over_has_nothing_to_wait_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    run = SampleRun(tmp_path)
    run.end()
    assert run_command_line(["ui", run.paths.root.name, "--runs-dir", str(tmp_path), "--on-end", "true"]) == 2
    assert "is over: --on-end and --on-finding have nothing to wait for" in capsys.readouterr().err
