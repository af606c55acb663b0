"""A run directory that an earlier version left unfinished opens, compares and goes on.

`tests/data/old_runs` holds one of version 0.1.0: a few epochs of a tiny network, ended by SIGTERM at step 31 of 480.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from trainctl.engine.errors import ExitCode
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.store import StepReader
from trainctl.tui.cli.main import run_command_line

KEPT = Path(__file__).parents[1] / "data" / "old_runs"
NAME = "20261127-122810-eyes-balanced-7c3f"
STEP = 31


@pytest.fixture
def old_run(tmp_path: Path) -> Path:
    """A copy that may be written to."""
    shutil.copytree(KEPT, tmp_path / "runs")
    return tmp_path / "runs" / NAME


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What a command prints; it must succeed."""
    assert run_command_line(words) == ExitCode.OK, capsys.readouterr().err
    return capsys.readouterr().out


def test_it_is_listed_and_told(capsys: pytest.CaptureFixture[str], old_run: Path) -> None:
    assert NAME[:8] in said(capsys, "runs", "--runs-dir", str(old_run.parent))
    assert "received SIGTERM" in said(capsys, "tail", str(old_run))
    run_command_line(["diagnose", str(old_run), "--json"])
    assert json.loads(capsys.readouterr().out)["checked"]


def test_its_records_are_exported(capsys: pytest.CaptureFixture[str], old_run: Path, tmp_path: Path) -> None:
    said(capsys, "export", str(old_run), "--to", "csv", "--out", str(tmp_path / "steps.csv"))
    assert len((tmp_path / "steps.csv").read_text().splitlines()) == 1 + STEP


def test_it_goes_on_where_it_was_and_compares_with_a_new_run(capsys: pytest.CaptureFixture[str], old_run: Path) -> None:
    before = StepReader(RunPaths(old_run)).all()["loss"][:STEP].tolist()
    said(capsys, "run", "--resume", str(old_run), "train.max_steps=60", "runtime.device=cpu")
    records = StepReader(RunPaths(old_run)).all()
    assert records["step"].tolist() == list(range(1, 61))
    assert records["loss"][:STEP].tolist() == before

    config = ["--preset", str(old_run / "config.yaml"), "--scale", "small", "runtime.device=cpu", "train.max_steps=10"]
    said(capsys, "run", *config, "--runs-dir", str(old_run.parent / "new"))
    compared = said(capsys, "compare", str(old_run), str(old_run.parent / "new" / "latest"))
    assert "train.max_steps" in compared
