"""`trainctl diagnose` as it is typed: what it prints and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trainctl.tui.cli.main import run_command_line

TASK = """
import torch
from torch import nn
from torch.nn import functional as F
from trainctl.engine.tasks.task import Split, Splits, StepOutput, Task

def split(n, seed, one_class):
    x = torch.randn(n, 4, generator=torch.Generator().manual_seed(seed))
    labels = torch.zeros(n, dtype=torch.long) if one_class else torch.arange(n) % 3
    return Split({"x": x, "labels": labels}, labels)

class Healthy(Task):
    one_class = False
    def load(self):
        return Splits(split(640, 1, self.one_class), split(90, 2, False), ("a", "b", "c"))
    def build_model(self, splits):
        return nn.Linear(4, 3)
    def step(self, model, batch):
        return StepOutput({"ce": F.cross_entropy(model(batch["x"]), batch["labels"])})

class OneClass(Healthy):
    one_class = True
"""


@pytest.fixture
def task_file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(TASK)
    return path


def ask(*words: str | Path) -> int:
    return run_command_line(["diagnose", *map(str, words)])


def options(path: Path, name: str) -> list[str]:
    return ["--task", f"{path}:{name}", "--set", "train.epochs=30", "--device", "cpu"]


def test_a_healthy_task_ends_with_zero(task_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(*options(task_file, "Healthy")) == 0
    out = capsys.readouterr().out
    assert "✓ clean" in out
    assert "\x1b" not in out


def test_an_error_ends_with_three_and_names_its_cause(task_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(*options(task_file, "OneClass")) == 3
    assert "✗ D103 class imbalance" in capsys.readouterr().out


def test_json_is_one_document_and_nothing_else(task_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(*options(task_file, "OneClass"), "--json") == 3
    document = json.loads(capsys.readouterr().out)
    assert document["verdict"] == "error"
    assert document["findings"][0]["code"] == "D103"


def test_only_sampler_prints_the_class_distribution_and_five_batches(
    task_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(*options(task_file, "Healthy"), "--only", "sampler") == 0
    out = capsys.readouterr().out
    assert "class distribution of the training split, 640 samples" in out
    assert out.count("✓ ok: 3 classes") == 5
    assert "gradient flow" not in out


def test_several_parts_can_be_asked_for(task_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(*options(task_file, "Healthy"), "--only", "data", "--only", "loss", "--json") == 0
    assert set(json.loads(capsys.readouterr().out)["checked"]) == {"D104", "D107", "C306", "C310", "N901"}


@pytest.mark.parametrize(
    "words",
    [
        ["--preset", "no-such-preset"],
        ["--task", "nowhere.py:Mine"],
        ["--set", "no.such=1"],
        ["--only", "nonsense"],
        ["no-such-run"],
        ["latest", "--preset", "balanced"],
    ],
)
def test_what_cannot_be_asked_ends_with_two_and_one_line(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert ask(*words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("trainctl: error: ")
    assert captured.err.count("\n") == 1
