"""The examples of the documentation run as they are written there, and nothing is found wrong with them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trainctl.engine.errors import ExitCode
from trainctl.engine.runs.index import find_run
from trainctl.tui.cli.main import run_command_line

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
SHORT = ["--device", "cpu"]


@pytest.mark.slow
def test_the_two_networks_of_the_example_learn_against_each_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["run", "--task", f"{EXAMPLES / 'gan.py'}:Gan", "--runs-dir", str(tmp_path), *SHORT]
    assert run_command_line([*words, "train.epochs=16", "hidden=64"]) == ExitCode.OK
    metrics = json.loads(find_run(tmp_path, "latest").summary.read_text())["metrics"]
    # .41 to .46 of the points, and all centres, under four seeds; none after one epoch.
    assert metrics["ema.good"] > 0.2
    assert metrics["ema.covered"] > 0.7
    capsys.readouterr()
    assert run_command_line(["diagnose", "--task", f"{EXAMPLES / 'gan.py'}:Gan"]) == ExitCode.OK


def test_the_digits_of_the_example_are_learnt(tmp_path: Path) -> None:
    words = ["run", "--task", f"{EXAMPLES / 'digits.py'}:Digits", "--runs-dir", str(tmp_path), *SHORT]
    assert run_command_line([*words, "train.epochs=4"]) == ExitCode.OK
    # .94 to .96 under four seeds; one in ten is right by chance.
    assert json.loads(find_run(tmp_path, "latest").summary.read_text())["metrics"]["accuracy"] > 0.9


def test_the_example_with_several_sets_lets_one_of_them_decide(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    task = f"{EXAMPLES / 'drifting.py'}:Drifting"
    words = ["run", "--task", task, "--runs-dir", str(tmp_path), *SHORT, "train.epochs=3"]
    assert run_command_line([*words, "train.monitor=noisy/accuracy"]) == ExitCode.OK
    paths = find_run(tmp_path, "latest")
    summary = json.loads(paths.summary.read_text())
    assert summary["best"]["metric"] == "noisy/accuracy" and summary["metrics"]["shifted/accuracy"] > 0.5
    assert len(list(paths.histograms.iterdir())) == 3
    capsys.readouterr()
    for command in (["evaluate", str(paths.root), "--split", "noisy"], ["diagnose", "--task", task]):
        assert run_command_line(command) == ExitCode.OK
    assert "400 samples, noisy of the built-in data" in capsys.readouterr().out
    assert run_command_line(["evaluate", str(paths.root), "--split", "nosy"]) == ExitCode.USAGE
