"""Where `trainctl export` writes, and that it overwrites nothing."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest
from sample_run_directories import NAME, SampleRun

from trainctl.tui.cli.main import run_command_line


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run = SampleRun(tmp_path / "runs")
    run.validate(0.5)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_csv_lands_in_the_working_directory_under_the_name_of_the_run(root: Path, capsys: pytest.CaptureFixture[str]):
    assert run_command_line(["export"]) == 0
    assert capsys.readouterr().out.splitlines() == [f"wrote {NAME}.csv", f"wrote {NAME}.validation.csv"]
    with (root / f"{NAME}.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == [str(step) for step in range(1, 21)]
    assert rows[0]["lr[0]"] == "0.001"
    assert rows[0]["classes.open"] == "34"


@pytest.mark.parametrize("to", ["csv", "jsonl", "parquet", "tensorboard", "trackio"])
def test_every_format_can_be_named(root: Path, capsys: pytest.CaptureFixture[str], to: str):
    assert run_command_line(["export", NAME, "--to", to, "--out", f"out-{to}"]) == 0
    assert f"wrote out-{to}" in capsys.readouterr().out
    assert (root / f"out-{to}").exists()


def test_nothing_is_overwritten_without_force(root: Path, capsys: pytest.CaptureFixture[str]):
    (root / "mine.csv").write_text("precious")
    assert run_command_line(["export", NAME, "-o", "mine.csv"]) == 2
    assert "mine.csv exists" in capsys.readouterr().err
    assert (root / "mine.csv").read_text() == "precious"
    assert run_command_line(["export", NAME, "-o", "mine.csv", "--force"]) == 0
    assert (root / "mine.csv").read_text() != "precious"


@pytest.mark.parametrize("to", ["csv", "jsonl", "parquet", "state_dict", "onnx"])
def test_force_replaces_files_only(root: Path, capsys: pytest.CaptureFixture[str], to: str):
    os.mkfifo(root / "pipe")
    (root / "folder").mkdir()
    for name in ("pipe", "folder"):
        before = (root / name).stat()
        assert run_command_line(["export", NAME, "--to", to, "-o", name, "--force"]) == 2
        assert f"{name} is no file; name one with --out" in capsys.readouterr().err
        assert (root / name).stat().st_ino == before.st_ino


def test_an_unknown_format_is_a_usage_error(root: Path, capsys: pytest.CaptureFixture[str]):
    assert run_command_line(["export", NAME, "--to", "xlsx"]) == 2
    assert "xlsx" in capsys.readouterr().err
