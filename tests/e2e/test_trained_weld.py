"""What a weld training leaves behind: two checkpoints, and a best one that measures as its epoch did."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score

from trainctl.engine.errors import ExitCode
from trainctl.tui.cli.main import run_command_line

TRAIN = [
    *("run", "--preset", "weld/warmup", "--scale", "small", "--device", "cpu"),
    *("data.samples=96", "data.val_samples=48", "model.width=16", "model.embedding=16", "schedule.warmup_epochs=1"),
    *("data.video=[1,32]", "data.image=[1,32]", "data.audio=[1,32]", "data.sensor=[32,6]", "ema.decay=0.9"),
]


@pytest.mark.parametrize("epochs", [1, 5])
def test_the_best_checkpoint_measures_as_its_epoch_did(
    epochs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_command_line([*TRAIN, f"train.epochs={epochs}"]) == ExitCode.OK
    (run,) = (path for path in (tmp_path / "runs").iterdir() if path.is_dir() and not path.is_symlink())
    assert sorted(path.name for path in run.glob("*.pth")) == ["best_model.pth", "latest_model.pth"]
    events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    best = [event["data"] for event in events if event["kind"] == "validation" and event["data"]["best"]][-1]
    capsys.readouterr()
    for named in (["latest"], [str(run / "best_model.pth")]):
        assert run_command_line(["evaluate", *named, "--json"]) == ExitCode.OK
        found = json.loads(capsys.readouterr().out)
        assert found["epoch"] == best["epoch"]
        assert found["metrics"] == pytest.approx(best[found["weights"]], abs=1e-6)
    assert run_command_line(["evaluate"]) == ExitCode.OK
    _, how_many, *lines = capsys.readouterr().out.splitlines()
    assert how_many == f"{found['samples']} samples, the validation part of the built-in data"
    assert [line.split()[0] for line in lines[: len(found["metrics"])]] == list(found["metrics"])


def test_the_table_of_answers_is_that_of_the_nearest_neighbours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_command_line([*TRAIN, "train.epochs=2"]) == ExitCode.OK
    capsys.readouterr()
    assert run_command_line(["evaluate", "--json"]) == ExitCode.OK
    found = json.loads(capsys.readouterr().out)
    table = np.array(found["confusion"]["truth_by_answer"])
    assert table.shape == (12, 12) and table.sum() == found["samples"] == 48
    assert table.sum(1).tolist() == [4] * 12
    assert np.trace(table) / 48 == pytest.approx(found["metrics"]["knn_accuracy"])
    truth, answer = (np.repeat(np.arange(144), table.ravel()) // 12, np.repeat(np.arange(144), table.ravel()) % 12)
    assert found["metrics"]["macro_f1"] == pytest.approx(f1_score(truth, answer, average="macro"))
    assert run_command_line(["evaluate"]) == ExitCode.OK
    assert "samples by truth (rows) and answer (columns)" in capsys.readouterr().out


def test_a_checkpoint_file_and_another_one_asked_for_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "best_model.pth").touch()
    assert run_command_line(["evaluate", str(tmp_path / "best_model.pth"), "--checkpoint", "latest"]) == ExitCode.USAGE
    assert "one of the two" in capsys.readouterr().err
