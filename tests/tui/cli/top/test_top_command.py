"""`trainctl top`: the machine and the live runs; without a card nothing of one, in a pipe plain text, once."""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from fake_nvml import FakeLibrary, h200
from sample_run_directories import NAME, SampleRun

from trainctl.engine.machine.cards import Card
from trainctl.engine.machine.load import Load
from trainctl.engine.runs.hardware.samples import HardwareSample, line_of
from trainctl.engine.runs.lines import append_lines
from trainctl.engine.runs.states import RunState
from trainctl.tui.cli.main import run_command_line
from trainctl.tui.cli.top import command as top_command
from trainctl.tui.cli.top.command import fitting
from trainctl.tui.cli.top.looking import Look, Looker
from trainctl.tui.cli.top.shown import lines_of

Capture = pytest.CaptureFixture[str]
OTHER = "20260102-120000-eyes-aggressive-00bb"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without waiting, and without a card."""
    monkeypatch.setattr(top_command, "FIRST_S", 0.0)
    monkeypatch.setitem(sys.modules, "pynvml", None)


def top(capsys: Capture, folder: Path, *words: str) -> str:
    assert run_command_line(["top", "--runs-dir", str(folder), *words]) == 0
    return capsys.readouterr().out


def sample(run: SampleRun, age_s: float = 1.0, *cards: Card) -> None:
    load = Load(process_cpu_percent=187.0, process_memory_bytes=812e6)
    append_lines(run.paths.hardware, [line_of(HardwareSample(time.time() - age_s, 20, 6.0, 2, load, cards=cards))])


def test_a_live_run_says_where_it_stands_and_what_it_takes(tmp_path: Path, capsys: Capture) -> None:
    run = SampleRun(tmp_path)
    run.beat(RunState.RUNNING)
    sample(run)
    heading, line = top(capsys, tmp_path).splitlines()[-2:]
    assert NAME in line and "▸ running" in line and "20/300" in line
    assert "1.9 cores" in line and "812 MB" in line
    assert "GPU" not in heading


def test_the_cards_of_machine_and_run_are_shown_where_there_are_any(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", FakeLibrary(h200(total=150 << 30), h200(use=3)))
    run = SampleRun(tmp_path)
    run.beat(RunState.RUNNING)
    sample(run, 1.0, Card(0, "NVIDIA H200", 87, 12.9e9, 150.8e9))
    text = top(capsys, tmp_path)
    assert "GPU 0  87 %" in text and "GPU 1  3 %" in text and "54 °C" in text and "412 W" in text
    assert "87 % 12.9 of 151 GB" in text.splitlines()[-1]


def test_runs_that_are_over_and_broken_ones_are_left_out(tmp_path: Path, capsys: Capture) -> None:
    SampleRun(tmp_path).end()
    SampleRun(tmp_path, OTHER).crash()
    SampleRun(tmp_path, "20260101-120000-c-00cc").paths.status.write_text("{")
    assert "no live run in" in top(capsys, tmp_path) and "trainctl run" in top(capsys, tmp_path / "none")


def test_a_sample_of_long_ago_is_not_of_now(tmp_path: Path, capsys: Capture) -> None:
    run = SampleRun(tmp_path)
    run.beat(RunState.RUNNING)
    sample(run, 3600.0)
    text = top(capsys, tmp_path)
    assert NAME in text and "812 MB" not in text and "CPU  " not in text.splitlines()[-2]


def test_as_json_with_what_the_page_says(tmp_path: Path, capsys: Capture) -> None:
    run = SampleRun(tmp_path)
    run.beat(RunState.RUNNING)
    sample(run)
    found: dict[str, Any] = json.loads(top(capsys, tmp_path, "--json"))
    (only,) = found["runs"]
    assert only["name"] == NAME and only["process_memory_bytes"] == 812e6 and only["gpus"] == []
    assert found["machine"]["gpus"] == [] and found["machine"]["cores"] >= 1


def test_a_run_that_ended_and_goes_on_is_seen_again(tmp_path: Path) -> None:
    run, looker = SampleRun(tmp_path), Looker(tmp_path)
    run.end()
    assert looker.look().runs == [] and looker.look().runs == []
    run.paths.summary.unlink()
    run.beat(RunState.RUNNING)
    assert [one.info.name for one in looker.look().runs] == [NAME]


def test_what_is_not_known_of_the_machine_has_no_figure() -> None:
    look = Look(0.0, Load(), 2, (), ())
    text = " ".join(piece for line in lines_of(look, Path("runs")) for piece, _ in line)
    assert "nan" not in text and "not known here" in text
    assert math.isnan(look.as_json()["machine"]["cpu_percent"])


def test_a_narrow_and_low_terminal_gets_whole_lines_and_how_many_are_missing() -> None:
    lines = fitting([[(f"run {k} with a long name", ""), (" running", "bold")] for k in range(9)], 16, 6)
    assert len(lines) == 4 and lines[-1] == [("+6", "dim")]
    assert all(sum(len(text) for text, _ in line) < 16 for line in lines)


@pytest.mark.parametrize("words", [["--every", "x"], ["--every", "0"], ["--runs-dir", "/dev/null"], ["more"]])
def test_wrong_words_are_one_line(words: list[str], capsys: Capture) -> None:
    assert run_command_line(["top", *words]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
