"""What `trainctl runs` shows."""

from __future__ import annotations

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
