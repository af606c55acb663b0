"""What the rules find in a run's records is in its summary, and `compare` shows it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from trainctl.engine.diagnosis import conclusion
from trainctl.engine.errors import ExitCode
from trainctl.tui.cli.main import run_command_line

TASK = """
import torch
from torch import nn
from trainctl.engine.tasks.task import Split, Splits, StepOutput, Task

def split(n, seed):
    x = torch.randn(n, 4, generator=torch.Generator().manual_seed(seed))
    labels = (x[:, 0] > 0).long()
    return Split({"x": x, "labels": labels}, labels)

class Sound(Task):
    def load(self):
        return Splits(split(320, 1), split(80, 2), ("no", "yes"))
    def build_model(self, splits):
        return nn.Linear(4, 2)
    def step(self, model, batch):
        return StepOutput({"ce": nn.functional.cross_entropy(model(batch["x"]), batch["labels"])})

class Leaky(Sound):
    def load(self):
        train = split(320, 1)
        val = Split({name: tensor[:80] for name, tensor in train.tensors.items()}, train.labels[:80])
        return Splits(train, val, ("no", "yes"))
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "mine.py").write_text(TASK)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def train(name: str, *words: str, code: int = ExitCode.OK) -> dict[str, Any]:
    options = ["--task", f"mine.py:{name}", "--device", "cpu", "train.epochs=12", "train.batch_size=16"]
    assert run_command_line(["run", *options, *words]) == code
    return json.loads((Path("runs") / "latest" / "summary.json").read_text())


def compare(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    names = sorted(path.name for path in Path("runs").iterdir() if not path.is_symlink())
    assert run_command_line(["compare", *names, *words]) == ExitCode.OK
    return capsys.readouterr().out


def test_findings_and_their_lack_reach_summary_and_comparison(capsys: pytest.CaptureFixture[str]) -> None:
    leaky, sound = train("Leaky"), train("Sound")
    (finding,) = leaky["findings"]
    assert (finding["code"], finding["severity"], finding["step"]) == ("D104", "error", 240)
    assert finding["title"] and "80 of 80" in finding["summary"]
    assert sound["findings"] == [] and sound["num_checks"] == leaky["num_checks"] >= 8
    text = compare(capsys)
    row = next(line for line in text.splitlines() if line.strip().startswith("findings"))
    assert "D104 error" in row and f"none in {sound['num_checks']} checks" in row
    plain = sorted((run["findings"] for run in json.loads(compare(capsys, "--json"))["runs"]), key=len)
    assert plain == [[], leaky["findings"]]


def test_a_rule_that_fails_costs_the_judgement_and_nothing_else(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("of a rule")

    monkeypatch.setattr(conclusion, "diagnose", fail)
    first, second = train("Sound"), train("Leaky")
    assert first["state"] == second["state"] == "finished" and first["metrics"]["loss"] < 1
    assert first["findings"] == [] and first["num_checks"] is None
    assert "ZeroDivisionError: of a rule" in first["not_judged"]
    assert compare(capsys).count("not judged") == 2


def test_a_run_is_judged_anew_at_the_end_of_each_sitting(capsys: pytest.CaptureFixture[str]) -> None:
    before = train("Leaky")
    assert run_command_line(["run", "--resume", "latest", "train.epochs=14"]) == ExitCode.OK
    after = json.loads((Path("runs") / "latest" / "summary.json").read_text())
    for summary in (before, after):
        assert [one["code"] for one in summary["findings"] if one["severity"] != "info"] == ["D104"]
    assert after["findings"][0]["step"] == 280
