"""What `trainctl compare` prints."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from sample_run_directories import SampleRun

from trainctl.engine.errors import ExitCode
from trainctl.engine.runs.events import EventKind
from trainctl.engine.tasks.configured import resolve
from trainctl.tui.cli.main import run_command_line

A, B = "20260101-120000-eyes-balanced-00aa", "20260102-120000-eyes-aggressive-00bb"


@pytest.fixture
def pair(tmp_path: Path):
    """Two finished runs, the second one better."""
    for name, preset, f1 in ((A, "eyes/balanced", 0.9), (B, "eyes/aggressive", 0.95)):
        run = SampleRun(tmp_path, name)
        for epoch, value in ((1, f1 - 0.1), (2, f1)):
            data = {"epoch": epoch, "raw": {"f1": value, "loss": 0.1}, "monitor": "f1", "monitor_mode": "max"}
            run.events.append(EventKind.VALIDATION, 10 * epoch, **data)
        run.paths.config.write_text(resolve(preset).to_yaml())
        run.end()
    return tmp_path


def compare(capsys: pytest.CaptureFixture[str], *words: str, code: int = ExitCode.OK) -> str:
    assert run_command_line(["compare", *words]) == code
    return capsys.readouterr().out


def line(text: str, label: str) -> list[str]:
    return next(one for one in text.splitlines() if one.strip().startswith(label)).split()


def test_figures_configuration_and_promises_stand_side_by_side(pair: Path, capsys: pytest.CaptureFixture[str]):
    text = compare(capsys, "balanced", "aggressive", "--runs-dir", str(pair))
    assert line(text, "FIGURES") == ["FIGURES", "balanced", "aggressive"]
    assert line(text, "best f1") == ["best", "f1", "0.9", "0.95", "*"]
    assert line(text, "optimizer.lr") == ["optimizer.lr", "0.0002", "0.0003"]
    assert "promised  low risk" in text and "· in words" in text
    assert "seed" not in text


def test_a_metric_is_followed_epoch_by_epoch(pair: Path, capsys: pytest.CaptureFixture[str]):
    text = compare(capsys, A, B, "--metric", "f1", "--runs-dir", str(pair))
    assert line(text, "epoch 1") == ["epoch", "1", "0.8", "0.85", "*"]
    assert line(text, "epoch 2") == ["epoch", "2", "0.9", "0.95", "*"]
    assert "last val loss" not in text


def test_json_holds_plain_figures(pair: Path, capsys: pytest.CaptureFixture[str]):
    data = json.loads(compare(capsys, A, B, "--json", "--metric", "f1", "--runs-dir", str(pair)))
    assert [run["name"] for run in data["runs"]] == [A, B]
    best = next(one for one in data["figures"] if one["name"] == "best f1")
    assert best["values"] == [0.9, 0.95] and best["best"] == [1]
    assert {"key": "optimizer.lr", "values": [0.0002, 0.0003]} in data["configuration"]
    assert data["by_epoch"][1] == {"epoch": 2, "values": [0.9, 0.95]}
    assert data["runs"][0]["promises"][1] == {"text": "low risk", "kept": None, "measured": ""}


def test_a_run_without_configuration_is_compared_as_far_as_it_goes(pair: Path, capsys: pytest.CaptureFixture[str]):
    (pair / A / "config.yaml").unlink()
    text = compare(capsys, A, B, "--runs-dir", str(pair))
    assert "no readable config.yaml: balanced" in text and "best f1" in text


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["balanced"], "a comparison needs two"),
        (["balanced", A], "a comparison needs two"),
        (["balanced", "nothing"], "no run 'nothing'"),
        (["balanced", "aggressive", "--metric", "f2"], "no run has the metric 'f2'; there is: f1, loss"),
    ],
)
def test_what_cannot_be_compared_is_said_in_a_line(
    pair: Path, capsys: pytest.CaptureFixture[str], words: list[str], part: str
):
    assert run_command_line(["compare", *words, "--runs-dir", str(pair)]) == ExitCode.USAGE
    error = capsys.readouterr().err
    assert part in error and error.count("\n") == 1


def test_comparing_needs_no_torch(pair: Path):
    code = (
        "import sys; from trainctl.tui.cli.main import run_command_line as run;"
        f"run(['compare', 'balanced', 'aggressive', '--runs-dir', {str(pair)!r}]);"
        "print({'torch', 'pydantic'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "torch" not in done.stdout.splitlines()[-1]
