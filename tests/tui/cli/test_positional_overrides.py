"""Every command that takes a configuration takes KEY=VALUE as `run` does, beside a run or log where it has one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trainctl.engine.errors import ExitCode
from trainctl.tui.cli.main import run_command_line
from trainctl.tui.cli.options import names_and_overrides

DATA = ["--device", "cpu", "data.samples=60"]


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_word_is_an_override_unless_something_is_called_so(tmp_path: Path) -> None:
    (tmp_path / "lr=3.csv").write_text("")
    (tmp_path / "runs" / "seed=1").mkdir(parents=True)
    words = ["latest", "lr=3.csv", "seed=1", "seed=2", "data.group_by=a=b"]
    assert names_and_overrides(words, tmp_path / "runs") == (
        ["latest", "lr=3.csv", "seed=1"], ["seed=2", "data.group_by=a=b"],
    )  # fmt: skip


def test_diagnose_takes_them_before_a_training(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["diagnose", *DATA, "train.batch_size=7", "train.epochs=2", "--only", "sampler", "--json"]
    assert run_command_line(words) == ExitCode.OK
    figures = {one["code"]: one["figures"] for one in json.loads(capsys.readouterr().out)["findings"]}
    assert figures["D112"]["batch_size"] == 7


def test_diagnose_takes_them_with_a_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.log").write_text("Train Loss: 0.50\n  - Quality Loss: 0.60\n  - Cluster Loss: -0.5\n" * 3)
    preset = ["--preset", "quality/balanced", "loss_weights.balance=0", "loss_weights.entropy=0"]
    codes: list[set[str]] = []
    for weight in ("1.0", "0.2"):
        run_command_line(["diagnose", "a.log", *preset, f"loss_weights.cluster={weight}", "--json"])
        codes.append({one["code"] for one in json.loads(capsys.readouterr().out)["findings"]})
    assert "E1012" in codes[0] and "E1012" not in codes[1]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["diagnose", "no.such=1"], "unknown key no.such"),
        (["data", "no.such=1"], "unknown key no.such"),
        (["lr-find", "no.such=1"], "unknown key no.such"),
        (["verify", "no.such=1"], "unknown key no.such"),
        (["ui", "no.such=1"], "unknown key no.such"),
        (["diagnose", "a", "b"], "one run or log at a time"),
        (["evaluate", "a", "b"], "one run at a time"),
        (["ui", "a", "b"], "opens on one run"),
        (["predict", "latest", "a=b"], "no file to apply it to"),
    ],
)
def test_what_cannot_work_is_one_line(words: list[str], expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(words) == ExitCode.USAGE
    said = capsys.readouterr().err
    assert expected in said and said.count("\n") == 1


def test_past_runs_take_them_too(capsys: pytest.CaptureFixture[str]) -> None:
    train = ["run", *DATA, "--scale", "small", "train.epochs=1", "train.batch_size=8", "data.image_size=[16,32]"]
    assert run_command_line([*train, "model.base_channels=8", "model.num_blocks=2"]) == ExitCode.OK
    capsys.readouterr()
    assert run_command_line(["evaluate", "data.val_fraction=0.5", "--json"]) == ExitCode.OK
    assert json.loads(capsys.readouterr().out)["samples"] == 30
    assert run_command_line(["diagnose", "latest", "train.epochs=3"]) == ExitCode.USAGE
    assert "a run has its own configuration, not with KEY=VALUE" in capsys.readouterr().err
    words = ["diagnose", "latest", "train.batch_size=6", "--preflight", "--only", "sampler", "--json"]
    assert run_command_line(words) == ExitCode.OK
    figures = {one["code"]: one["figures"] for one in json.loads(capsys.readouterr().out)["findings"]}
    assert figures["D112"]["batch_size"] == 6
