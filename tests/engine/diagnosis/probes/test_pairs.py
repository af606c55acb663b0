"""A temperature among the options of a loss makes it contrastive only where the task says or shows that it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trainctl.engine.errors import ExitCode
from trainctl.tui.cli.main import run_command_line

DISTILLED = """
import torch
from torch import nn
from trainctl.engine.config.schema import RunConfig, Section
from trainctl.engine.tasks.task import Split, Splits, StepOutput, Task

class Loss(Section):
    temperature: float = 4.0

class Config(RunConfig):
    loss: Loss = Loss()

def split(n, seed):
    x = torch.randn(n, 4, generator=torch.Generator().manual_seed(seed))
    labels = torch.zeros(n, dtype=torch.int64)
    return Split({"x": x, "labels": labels}, labels)

class Distilled(Task[Config]):
    def load(self):
        return Splits(split(160, 1), split(40, 2), ("no", "yes"))
    def build_model(self, splits):
        return nn.Linear(4, 2)
    def step(self, model, batch):
        logits = model(batch["x"]) / self.config.loss.temperature
        return StepOutput({"TERM": nn.functional.cross_entropy(logits, batch["labels"])})
"""


def found(words: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """Why each finding matters, by its code."""
    assert run_command_line([*words, "--json"]) == ExitCode.FINDINGS
    report = json.loads(capsys.readouterr().out)
    return {finding["code"]: finding["why"] for finding in report["findings"]}


@pytest.mark.parametrize("only", [[], ["--only", "sampler"]], ids=["everything", "the sampler alone"])
def test_a_softened_cross_entropy_has_no_contrastive_floor(
    only: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    code = tmp_path / "distilled.py"
    code.write_text(DISTILLED.replace("TERM", "ce"))
    words = ["diagnose", "--task", f"{code}:Distilled", "--trust", "--device", "cpu", "train.batch_size=16", *only]
    said = found(words, capsys)
    assert "tell apart" in said["D103"]
    assert not any(word in text for text in said.values() for word in ("contrastive", "negatives", "ln(", "floor"))


@pytest.mark.parametrize("only", [[], ["--only", "sampler"]], ids=["everything", "the sampler alone"])
def test_the_weld_task_has_one(only: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    words = ["diagnose", "--preset", "weld/stuck", "--scale", "small", "--device", "cpu", *only]
    said = found(words, capsys)
    assert "the contrastive loss has no negatives and stands at ln(16−1) = 2.7081" in said["D103"]
    assert "the contrastive loss stands at its floor ln(B−1) = 2.7081" in said["D101"]
