"""Whole answers of the commands in Chinese: no English sentence is left in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from log_files import SAMPLE, as_csv, as_one_line_each, classifier_steps, contrastive_steps, regressor_epochs

from trainctl.tui.cli.main import run_command_line
from trainctl.tui.spoken import said
from trainctl.tui.words.language import speaking

SENTENCE = re.compile(r"(?<![\w./=-])[A-Za-z][a-z']+(?:,? [a-z][a-z']*){2,}")
"""Three plain words or more."""
COMMANDS = re.compile(r"trainctl [a-z-]+(?: --[a-z-]+| [a-z]+)*|(?:python|torch) [\w.+, ]+")
TASK = """
import torch
from torch import nn
from torch.nn import functional as F
from trainctl.engine.tasks.task import Split, Splits, StepOutput, Task

class Odd(Task):
    def load(self):
        x, labels = torch.randn(640, 4), torch.zeros(640, dtype=torch.long)
        return Splits(Split({"x": x, "labels": labels}, labels), Split({"x": x, "labels": labels}, labels), ("a", "b"))
    def build_model(self, splits):
        model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3), nn.Linear(3, 3))
        model[0].requires_grad_(False)
        return model
    def step(self, model, batch):
        return StepOutput({"ce": 9 * F.cross_entropy(model(batch["x"]), batch["labels"], reduction="sum")})
"""


def left(text: str) -> Iterator[str]:
    """English sentences of an answer."""
    for line in text.splitlines():
        if SENTENCE.search(COMMANDS.sub("", line)):
            yield line


def answer(capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
    assert run_command_line([*map(str, words), "--lang", "zh"]) in (0, 3)
    return capsys.readouterr().out


LOGS = {
    "sample": SAMPLE,
    "classifier": as_csv(classifier_steps()),
    "contrastive": as_csv([{**row, "lr": 0.0} for row in contrastive_steps()]),
    "regressor": as_one_line_each(regressor_epochs()),
    "nan": "".join(f"step {k} loss: {'nan' if k > 30 else 2.3 + 0.01 * k} lr: 0.1\n" for k in range(60)),
    "constant": as_csv([{"epoch": k, "train_loss": 0.6931, "val_loss": 0.7 + k / 50} for k in range(30)]),
}


@pytest.mark.parametrize("name", LOGS)
def test_a_log(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.log").write_text(LOGS[name], encoding="utf-8")
    out = answer(capsys, "diagnose", tmp_path / "a.log")
    assert "项检查，用时" in out and list(left(out)) == []


def test_a_training_to_come(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.py").write_text(TASK)
    out = answer(capsys, "diagnose", "--task", f"{tmp_path / 'mine.py'}:Odd", "--device", "cpu")
    assert out.count("\n✗ ") + out.count("\n! ") > 3 and list(left(out)) == []


@pytest.mark.parametrize("code", ["D103", "C307", "Q504"])
def test_an_explanation(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert list(left(answer(capsys, "explain", code))) == []


def test_a_trial() -> None:
    with speaking("zh"):
        told = [
            "  compared: the same 120 steps; seeds 1, 2",
            "the fix helps",
            ": f1 0.71 -> 0.93 (+0.22, noise within a training 0.01); one seed: chance between seeds is not known",
            "  G707  before training: gone with the fix; records of present: found in 2 of 2",
            ": without it the training does not finish: its loss is no number (12 s)",
            "cannot be verified: no setting mends D101 single-class batches (smaller batches)",
        ]
        assert [line for text in told for line in left(said(text))] == []
