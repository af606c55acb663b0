"""What a task learnt from its data goes with the checkpoint; a task that keeps nothing says so in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from trainctl.engine.errors import ExitCode
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.training.state.checkpoint import load_checkpoint
from trainctl.tui.cli.main import run_command_line

TASKS = Path(__file__).with_name("texts.py")


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("texts").write_text("good a b c\nbad d e f\ngood a c b\nbad e d f\n" * 8)
    Path("others").write_text("bad f new words\ngood c more new\n" * 4)
    Path("one.txt").write_text("good a b c")


def train(name: str, *words: str) -> int:
    options = ["--device", "cpu", "train.epochs=40", "train.batch_size=8", "optimizer.lr=0.05"]
    return run_command_line(["run", "--task", f"{TASKS}:{name}", *options, *words])


def test_a_vocabulary_goes_with_the_checkpoint(capsys: pytest.CaptureFixture[str]) -> None:
    assert train("Keeping", "--data", "texts") == ExitCode.OK
    run = RunPaths(Path("runs/latest").resolve())
    assert load_checkpoint(run.best)["about"]["task_state"] == {"words": ["a", "b", "bad", "c", "d", "e", "f", "good"]}
    assert torch.load(run.best, weights_only=True)["state"]["model"]["weight"].shape == (8, 2)
    Path("texts").unlink()
    capsys.readouterr()
    assert run_command_line(["predict", "latest", "one.txt", "--json"]) == ExitCode.OK
    assert json.loads(capsys.readouterr().out)["good"] > 0.9
    assert run_command_line(["evaluate", "latest", "--data", "others", "--json"]) == ExitCode.OK
    assert json.loads(capsys.readouterr().out)["samples"] == 8


@pytest.mark.parametrize("how", ["--resume", "--fork"])
def test_whoever_goes_on_keeps_the_vocabulary(how: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert train("Keeping", "--data", "texts") == ExitCode.OK
    words = ["run", how, "latest", "--data", "others", "train.epochs=122", "--device", "cpu", "train.batch_size=4"]
    assert run_command_line(words) == ExitCode.OK, capsys.readouterr().err
    assert len(load_checkpoint(RunPaths(Path("runs/latest").resolve()).latest)["about"]["task_state"]["words"]) == 8


def test_a_task_that_keeps_nothing_is_told_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert train("Forgetful", "--data", "texts") == ExitCode.OK
    capsys.readouterr()
    assert run_command_line(["predict", "latest", "one.txt"]) == ExitCode.USAGE
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "cannot be built without its data: KeyError" in err and "Task.state" in err


def test_a_task_without_its_data_asks_for_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert train("Keeping") == ExitCode.USAGE
    assert "the task Keeping has no built-in data; name yours with --data PATH" in capsys.readouterr().err
