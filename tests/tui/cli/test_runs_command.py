"""What `trainctl runs` shows."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from sample_run_directories import NAME, SampleRun

from trainctl.engine.runs.states import RunState
from trainctl.tui.cli.main import run_command_line
from trainctl.tui.words.runs import SYMBOLS


def runs(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert run_command_line(["runs", *words]) == 0
    return capsys.readouterr().out


def test_no_runs_yet_says_how_to_start_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert "no run in" in runs(capsys, "--runs-dir", str(tmp_path / "runs"))
    assert "trainctl run" in runs(capsys, "--runs-dir", str(tmp_path / "runs"))


def test_a_line_says_state_progress_and_best_metric(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    run = SampleRun(tmp_path)
    line = runs(capsys, "--runs-dir", str(tmp_path)).splitlines()[1]
    assert line.split()[:5] == [NAME, "▸", "running", "20/300", "1/3"]
    run.end()
    line = runs(capsys, "--runs-dir", str(tmp_path)).splitlines()[1]
    assert "✓ finished" in line
    assert "f1 0.75" in line
    assert "1 min 1 s" in line


def test_the_folder_can_come_from_the_environment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    SampleRun(tmp_path)
    monkeypatch.setenv("TRAINCTL_RUNS_DIR", str(tmp_path))
    assert NAME in runs(capsys)


@pytest.mark.parametrize("state", list(RunState))
def test_every_state_has_a_symbol_and_its_word(tmp_path: Path, capsys: pytest.CaptureFixture[str], state: RunState):
    SampleRun(tmp_path).beat(state)
    symbol = SYMBOLS[state.value]
    assert f"{symbol} {state.value}" in runs(capsys, "--runs-dir", str(tmp_path))


def test_a_crashed_a_silent_and_an_unreadable_run_are_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    SampleRun(tmp_path, "20260101-120000-a-00aa").crash()
    SampleRun(tmp_path, "20260101-120000-b-00bb").beat(age_s=60)
    (SampleRun(tmp_path, "20260101-120000-c-00cc").paths.status).write_text("{")
    lines = runs(capsys, "--runs-dir", str(tmp_path)).splitlines()
    assert "! unreadable" in lines[1]
    assert "status.json" in lines[1]
    assert "! silent" in lines[2]
    assert "× presumed crashed" in lines[3]


def test_the_limit_keeps_the_newest_and_says_how_many_are_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    for day in range(1, 5):
        SampleRun(tmp_path, f"2026010{day}-120000-eyes-00aa", steps=0)
    lines = runs(capsys, "--runs-dir", str(tmp_path), "--limit", "2").splitlines()
    assert [line.split()[0] for line in lines[1:3]] == ["20260104-120000-eyes-00aa", "20260103-120000-eyes-00aa"]
    assert lines[3].startswith("and 2 older")


def test_json_has_plain_values(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    SampleRun(tmp_path).end()
    (entry,) = json.loads(runs(capsys, "--runs-dir", str(tmp_path), "--json"))
    assert entry["name"] == NAME
    assert (entry["state"], entry["liveness"], entry["step"]) == ("finished", "over", 20)
    assert entry["best"] == {"metric": "f1", "value": 0.75, "epoch": 1}


def test_a_name_is_never_cut_so_that_it_can_be_copied(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COLUMNS", "20")
    SampleRun(tmp_path)
    assert NAME in runs(capsys, "--runs-dir", str(tmp_path))


# --- which of them, and in which order ------------------------------------------------------------------------


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """A folder with a run that goes on, one that is over, and one that crashed."""
    SampleRun(tmp_path, "20260101-120000-eyes-live-00aa")
    SampleRun(tmp_path, "20260102-120000-eyes-over-00bb", steps=40).end()
    SampleRun(tmp_path, "20260103-120000-eyes-gone-00cc", steps=30).crash()
    return tmp_path


def names_of(out: str) -> list[str]:
    return [name for name in ("live", "over", "gone") for line in out.splitlines() if f"eyes-{name}-" in line]


@pytest.mark.parametrize(
    ("where", "names"),
    [("state:running", ["live"]), ("f1>.7", ["over"]), ("-over", ["live", "gone"]), ("loss<.03", ["over"])],
)
def test_a_filter_keeps_those_of_which_it_holds(
    three: Path, capsys: pytest.CaptureFixture[str], where: str, names: list[str]
):
    assert names_of(runs(capsys, "--runs-dir", str(three), "--filter", where)) == names


def test_a_column_sorts_and_inverted_it_sorts_the_other_way(three: Path, capsys: pytest.CaptureFixture[str]):
    lines = runs(capsys, "--runs-dir", str(three), "--sort", "step").splitlines()[1:]
    assert [line.split("-")[3] for line in lines] == ["over", "gone", "live"]
    turned = runs(capsys, "--runs-dir", str(three), "--sort", "step", "--invert", "--limit", "2").splitlines()[1:]
    assert [line.split("-")[3] for line in turned[:2]] == ["live", "gone"] and turned[2] == "and 1 more"


def test_a_filter_that_holds_of_none_says_so(three: Path, capsys: pytest.CaptureFixture[str]):
    assert runs(capsys, "--runs-dir", str(three), "--filter", "xyz") == f"no run in {three} has xyz\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--filter", "stat:x"], "stat:x: no field stat; did you mean state?"),
        (["--sort", "size"], "--sort size: no such column; there is: run, state"),
    ],
)
def test_a_wrong_filter_or_column_is_one_line(
    three: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
):
    assert run_command_line(["runs", "--runs-dir", str(three), *words]) == 2
    assert said in capsys.readouterr().err


# --- deleting and renaming ------------------------------------------------------------------------------------


def change(three: Path, *words: str) -> int:
    return run_command_line(["runs", words[0], "--runs-dir", str(three), *words[1:]])


OVER, LIVE = "20260102-120000-eyes-over-00bb", "20260101-120000-eyes-live-00aa"


def test_runs_are_deleted_without_a_question_only_when_told_so(three: Path, capsys: pytest.CaptureFixture[str]):
    assert change(three, "delete", OVER) == 2
    told = capsys.readouterr()
    assert "nobody to ask" in told.err and "5 files, " in told.out and (three / OVER).is_dir()
    assert change(three, "delete", OVER, "20260103-120000-eyes-gone-00cc", "--yes") == 0
    assert capsys.readouterr().out.count("deleted: ") == 2
    assert names_of(runs(capsys, "--runs-dir", str(three))) == ["live"]


@pytest.mark.parametrize(("typed", "is_kept"), [("", True), ("yes", True), (OVER[:-1], True), (OVER, False)])
def test_the_name_must_be_typed(
    three: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, typed: str, is_kept: bool
):
    class Typed(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Typed(typed + "\n"))
    assert change(three, "delete", OVER) == (2 if is_kept else 0)
    assert (three / OVER).is_dir() is is_kept
    assert ("is kept" in capsys.readouterr().err) is is_kept


def test_where_one_is_refused_none_is_deleted(three: Path, capsys: pytest.CaptureFixture[str]):
    assert change(three, "delete", OVER, LIVE, "--yes") == 2
    assert f"{LIVE} is running; stop it first: trainctl send {LIVE} stop" in capsys.readouterr().err
    assert (three / OVER).is_dir() and (three / LIVE).is_dir()


def test_a_run_is_renamed_and_says_what_it_is_called_now(three: Path, capsys: pytest.CaptureFixture[str]):
    assert change(three, "rename", OVER, "my best") == 0
    assert capsys.readouterr().out == f"{OVER} is now 20260102-120000-my best-00bb\n"
    assert change(three, "rename", OVER, "again") == 2
    assert change(three, "rename", LIVE, "again") == 2
    assert change(three, "rename", "20260102-120000-my best-00bb", "../x") == 2
    assert capsys.readouterr().err.count("\n") == 3
