"""The short way to the cockpit: which command lines take it, that it says the same, and that it imports little."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trainctl.engine.errors import ExitCode
from trainctl.engine.runs.index import create_run
from trainctl.tui.cli import opening
from trainctl.tui.cli.main import run_command_line


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the cockpit was opened with, instead of opening it."""
    calls: list[dict[str, Any]] = []

    def open_cockpit(run: object, request: object, **options: object) -> int:
        calls.append({"run": run, "request": request, **options})
        return 0

    monkeypatch.setattr(opening, "open_cockpit", open_cockpit)
    return calls


@pytest.mark.parametrize(
    ("words", "readonly", "glyphs"),
    [
        (["latest"], False, ""),
        (["latest", "--readonly"], True, ""),
        (["--ascii", "latest"], False, "ascii"),
        (["--readonly", "latest", "--blocks"], True, "block"),
    ],
)
def test_a_plain_line_opens_the_run(
    tmp_path: Path, opened: list[dict[str, Any]], words: list[str], readonly: bool, glyphs: str
):
    run = create_run(tmp_path, "eyes/balanced")
    assert opening.open_by_name([*words, "--runs-dir", str(tmp_path)]) == 0
    (call,) = opened
    assert call["run"].root.resolve() == run.root.resolve()
    assert call["request"].runs_dir == tmp_path
    assert (call["readonly"], call["glyphs"]) == (readonly, glyphs)


@pytest.mark.parametrize(
    "words",
    [
        [""],
        ["--help"],
        ["a", "b"],
        ["a", "-p", "balanced"],
        ["a", "--runs-dir"],
        ["a", "--runs-dir=x"],
        ["--preset", "b"],
        ["--", "a"],
        ["a", "--ascii", "--blocks"],
    ],
)
def test_everything_else_is_left_to_the_whole_command_line(opened: list[dict[str, Any]], words: list[str]):
    assert opening.open_by_name(words) is None
    assert opened == []


@pytest.mark.parametrize("words", [[], ["--readonly"], ["--ascii"]])
def test_without_a_run_the_list_is_opened_where_there_is_anything_to_list(
    tmp_path: Path, opened: list[dict[str, Any]], words: list[str]
):
    assert opening.open_by_name([*words, "--runs-dir", str(tmp_path)]) is None and opened == []
    create_run(tmp_path, "eyes/balanced")
    assert opening.open_by_name([*words, "--runs-dir", str(tmp_path)]) == 0
    (call,) = opened
    assert (call["run"], call["lists"], call["readonly"]) == (None, True, "--readonly" in words)


@pytest.mark.parametrize(
    ("words", "lists"),
    [
        (["--keys", "keys.yaml"], True),
        (["--no-bell"], True),
        (["--preset", "eyes/balanced"], False),
        (["seed=3"], False),
        (["--scale", "small"], False),
        (["--on-end", "true"], False),
    ],
)
def test_options_of_a_new_run_start_one_although_there_are_others(
    tmp_path: Path, opened: list[dict[str, Any]], words: list[str], lists: bool
):
    create_run(tmp_path, "eyes/balanced")
    assert run_command_line(["ui", *words, "--runs-dir", str(tmp_path)]) == 0
    (call,) = opened
    assert (call["run"], call["lists"]) == (None, lists)


def test_the_newest_run_is_opened_and_followed(
    tmp_path: Path, opened: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
):
    assert run_command_line(["ui", "--newest", "--runs-dir", str(tmp_path)]) == ExitCode.USAGE
    run = create_run(tmp_path, "eyes/balanced")
    assert run_command_line(["ui", "--newest", "--runs-dir", str(tmp_path)]) == 0
    (call,) = opened
    assert call["run"].root.resolve() == run.root.resolve() and call["follows"] and not call["lists"]
    assert run_command_line(["ui", run.root.name, "--newest", "--runs-dir", str(tmp_path)]) == ExitCode.USAGE
    assert "--newest opens the newest run; leave out RUN" in capsys.readouterr().err


def test_the_folder_of_runs_may_come_from_the_environment(
    tmp_path: Path, opened: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
):
    run = create_run(tmp_path / "elsewhere", "eyes/balanced")
    monkeypatch.setenv("TRAINCTL_RUNS_DIR", str(tmp_path / "elsewhere"))
    assert opening.open_by_name([run.root.name]) == 0
    assert opened[0]["run"] == run


@pytest.mark.parametrize("way", [["nosuchrun", "--readonly"], ["--readonly", "--scale", "auto", "nosuchrun"]])
def test_both_ways_say_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str], way: list[str]):
    assert run_command_line(["ui", *way, "--runs-dir", str(tmp_path)]) == ExitCode.USAGE
    assert capsys.readouterr().err == f"trainctl: error: no run 'nosuchrun' in {tmp_path}; it holds no run yet\n"
    assert gc.isenabled()


def test_a_run_is_opened_without_typer_and_the_configuration_schema(tmp_path: Path):
    run = create_run(tmp_path, "eyes/balanced")
    code = (
        "import json, os, sys; from trainctl.tui.cli.main import run_command_line as r; "
        "code = r(['ui', sys.argv[1]]); import trainctl.tui.app; "
        "print(json.dumps([code, [m for m in ('typer', 'pydantic', 'yaml', 'torch') if m in sys.modules]]))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(run.root)], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [ExitCode.USAGE, []]
    assert "the cockpit needs a terminal" in done.stderr


def test_numpy_comes_without_threads_and_the_environment_stays(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(opening.BLAS_THREADS, "3")
    opening.import_numpy()
    assert os.environ[opening.BLAS_THREADS] == "3"
    monkeypatch.delenv(opening.BLAS_THREADS)
    opening.import_numpy()
    assert opening.BLAS_THREADS not in os.environ


@pytest.mark.parametrize("words", [[], ["--bell"]], ids=["short way", "other options"])
@pytest.mark.parametrize(("wished", "paints"), [(None, 120), ("30", 30)])
def test_a_key_is_painted_soon_unless_the_user_wants_fewer_paints(
    tmp_path: Path, words: list[str], wished: str | None, paints: int
):
    run = create_run(tmp_path, "eyes/balanced")
    code = (
        "import os, sys; from trainctl.tui.cli import opening; opening.check_terminal = lambda: None\n"
        "def look(app, left):\n"
        "    from textual import constants; print(constants.MAX_FPS, os.environ.get('TEXTUAL_FPS')); return 0\n"
        "opening._take_screen = look\n"
        "from trainctl.tui.cli.main import run_command_line; sys.exit(run_command_line(['ui', *sys.argv[1:]]))"
    )
    environ = {name: value for name, value in os.environ.items() if name != opening.PAINTS}
    environ |= {opening.PAINTS: wished} if wished else {}
    argv = [sys.executable, "-c", code, str(run.root), *words]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, env=environ)
    assert done.stdout.split() == [str(paints), str(wished)]


class Alarm:
    """In place of a timer: goes off when told to."""

    def __init__(self, after_s: float, act: Callable[[], None]) -> None:
        self.act = act
        self.daemon = self.is_set = False
        alarms.append(self)

    def start(self) -> None:
        self.is_set = True

    def cancel(self) -> None:
        self.is_set = False


alarms: list[Alarm] = []


def test_the_collector_skips_what_was_there_and_works_as_before_afterwards(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(opening.threading, "Timer", Alarm)
    gc.unfreeze()  # what the tests froze
    before = gc.isenabled(), gc.get_freeze_count()
    with opening.resting_collector():
        assert not gc.isenabled()
        with opening.short_collections():
            assert gc.isenabled()
            at_first = gc.get_freeze_count()
            assert at_first > 0
            made = [[] for _ in range(10_000)]
            assert alarms[-1].is_set and alarms[-1].daemon
            alarms[-1].act()
            assert gc.get_freeze_count() > at_first + len(made) / 2
    assert not alarms[-1].is_set
    assert (gc.isenabled(), gc.get_freeze_count()) == before
