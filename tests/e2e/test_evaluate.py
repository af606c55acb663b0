"""Measuring a checkpoint on data: all of it, as many samples as are said, and as `predict` answers."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from kills import TASK
from test_trained_eyes import TRAIN, write_eyes

from trainctl.engine.errors import ExitCode
from trainctl.tui.cli.main import run_command_line


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on photographs in `eyes`; other photographs in `others`, three of them in the wrong folder."""
    found = tmp_path_factory.mktemp("evaluated")
    write_eyes(found / "eyes")
    write_eyes(found / "others", 15)
    for k in range(3):
        (found / "others" / "open" / f"{k:02}.jpg").rename(found / "others" / "closed" / f"wrong{k}.jpg")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(found)
        assert run_command_line(TRAIN) == ExitCode.OK
    return found


@pytest.fixture(autouse=True)
def inside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def evaluated(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    capsys.readouterr()
    assert run_command_line(["evaluate", "latest", "--json", *words]) == ExitCode.OK
    return json.loads(capsys.readouterr().out)


def test_other_data_is_measured_whole(capsys: pytest.CaptureFixture[str]) -> None:
    found = evaluated(capsys, "--data", "others")
    assert (found["samples"], found["split"]) == (30, "all")
    parts = [evaluated(capsys, "--data", "others", "--split", part)["samples"] for part in ("train", "val")]
    assert sum(parts) == 30 and min(parts) > 0


def test_the_runs_own_data_are_those_it_was_chosen_on(capsys: pytest.CaptureFixture[str]) -> None:
    found = evaluated(capsys)
    assert found["split"] == "val" and found["samples"] == 10
    assert evaluated(capsys, "--split", "all")["samples"] == 48


def test_it_answers_as_predict_does(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    errors = tmp_path / "errors.csv"
    found = evaluated(capsys, "--data", "others", "--errors", str(errors))
    assert run_command_line(["predict", "latest", "--json", "others"]) == ExitCode.OK
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    predicted = {row["file"].removeprefix("others/"): row["prob_open"] >= 0.5 for row in rows}
    listed = list(csv.DictReader(errors.open()))
    assert {row["file"]: row["answer"].startswith("open") for row in listed} == predicted
    table = [[0, 0], [0, 0]]
    for name, is_open in predicted.items():
        table[name.startswith("open/")][is_open] += 1
    assert found["confusion"] == {"classes": ["closed", "open"], "truth_by_answer": table}
    right = sum(table[k][k] for k in range(2))
    assert found["metrics"]["accuracy"] == pytest.approx(right / 30)
    assert {row["file"] for row in listed[:3]} == {f"closed/wrong{k}.jpg" for k in range(3)}
    losses = [float(row["loss"]) for row in listed]
    assert losses == sorted(losses, reverse=True)
    best = found["thresholds"]["best_f1"]["f1"]
    assert best >= found["per_class"][1]["f1"] - 1e-9


def test_the_text_says_of_how_many_samples(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["evaluate", "latest", "--data", "others"]) == ExitCode.OK
    out = capsys.readouterr().out
    assert "30 samples, all of others" in out
    assert "samples by truth (rows) and answer (columns)" in out and "best F1" in out


def test_what_cannot_be_written_is_said_before_anything_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    Path("there.csv").write_text("mine")
    for name, said in (("there.csv", "there.csv exists"), ("nowhere/x.csv", "no folder nowhere")):
        assert run_command_line(["evaluate", "latest", "--errors", name]) == ExitCode.USAGE
        assert said in capsys.readouterr().err
    assert Path("there.csv").read_text() == "mine"


def test_a_task_that_does_not_judge_samples_says_so(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["run", "--task", TASK, "--device", "cpu", "hidden=16", "num_train=160", "num_val=40", "train.epochs=1"]
    assert run_command_line(words) == ExitCode.OK
    capsys.readouterr()
    assert run_command_line(["evaluate", "latest", "--errors", "x.csv"]) == ExitCode.USAGE
    assert "does not say how bad a sample is" in capsys.readouterr().err
    assert run_command_line(["evaluate", "latest"]) == ExitCode.OK
    assert "40 samples, the validation part of the built-in data" in capsys.readouterr().out


def test_everything_has_no_split_to_speak_of(capsys: pytest.CaptureFixture[str]) -> None:
    assert not [note for note in evaluated(capsys, "--data", "others")["notes"] if "split" in note or "copies" in note]
    assert [note for note in evaluated(capsys, "--data", "others", "--split", "val")["notes"] if "split:" in note]


@pytest.mark.parametrize("kind", ["open", "closed"])
def test_eyes_of_one_kind_are_measured(capsys: pytest.CaptureFixture[str], tmp_path: Path, kind: str) -> None:
    shutil.copytree(Path("others") / kind, tmp_path / "one" / kind)
    found = evaluated(capsys, "--data", str(tmp_path / "one"))
    assert run_command_line(["predict", "latest", "--json", str(tmp_path / "one")]) == ExitCode.OK
    said = [json.loads(line)["prob_open"] >= 0.5 for line in capsys.readouterr().out.splitlines()]
    assert found["samples"] == len(said)
    assert found["metrics"]["accuracy"] == pytest.approx(
        sum(is_open == (kind == "open") for is_open in said) / len(said)
    )
    assert found["metrics"]["auroc"] is None
    assert run_command_line(["evaluate", "latest", "--data", str(tmp_path / "one")]) == ExitCode.OK
    assert run_command_line(["evaluate", "latest", "--data", str(tmp_path / "one"), "--split", "val"]) == ExitCode.USAGE
    assert run_command_line(["data", "--data", str(tmp_path / "one")]) == ExitCode.USAGE


def test_the_options_about_data_are_those_of_run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    shutil.copytree(Path("others"), tmp_path / "bad")
    (tmp_path / "bad" / "open" / "broken.png").write_bytes(b"no picture")
    words = ["evaluate", "latest", "--data", str(tmp_path / "bad")]
    assert run_command_line(words) == ExitCode.USAGE
    assert "open/broken.png (not an image)" in capsys.readouterr().err
    assert run_command_line([*words, "--skip-corrupt", "--json"]) == ExitCode.OK
    found = json.loads(capsys.readouterr().out)
    assert found["samples"] == 30
    assert any(note.startswith("left out: 1 of 31 images") for note in found["notes"])
    grouped = [*words, "--skip-corrupt", "--group-by", r"(\d+)", "--split", "val", "--json"]
    assert run_command_line(grouped) == ExitCode.OK
    assert any("held out by group" in note for note in json.loads(capsys.readouterr().out)["notes"])
