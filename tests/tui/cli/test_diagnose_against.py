"""`trainctl diagnose RUN --against GOOD` as it is typed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trainctl.engine.errors import ExitCode
from trainctl.tui.cli.main import run_command_line

TASK = """
import torch
from torch import nn
from torch.nn import functional as F
from trainctl.engine.tasks.task import Split, Splits, StepOutput, Task

def split(n, seed, wrong=0.0):
    g = torch.Generator().manual_seed(seed)
    right = torch.arange(n) % 4
    x = torch.randn(n, 6, generator=g) + 1.6 * torch.eye(4, 6)[right]
    labels = torch.where(torch.rand(n, generator=g) < wrong, (right + 1) % 4, right)
    return Split({"x": x, "labels": labels}, labels)

class Good(Task):
    wrong = 0.0
    def load(self):
        return Splits(split(800, 1), split(400, 2, self.wrong), ("a", "b", "c", "d"))
    def build_model(self, splits):
        return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 4))
    def step(self, model, batch):
        return StepOutput({"ce": F.cross_entropy(model(batch["x"]), batch["labels"])})

class WrongLabels(Good):
    wrong = 0.5
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four runs: a good one, the same under another seed, at a tiny rate, and with wrong validation labels."""
    root = tmp_path_factory.mktemp("against")
    (root / "mine.py").write_text(TASK)
    wanted = {
        "good": ["Good"],
        "seed": ["Good", "seed=7"],
        "slow": ["Good", "optimizer.lr=3e-5"],
        "labels": ["WrongLabels"],
    }
    for name, (task, *words) in wanted.items():
        (root / name).mkdir()
        options = [
            "--device",
            "cpu",
            "runtime.threads=1",
            "train.epochs=10",
            "train.batch_size=16",
            "optimizer.lr=3e-3",
        ]
        run = ["run", "--run-dir", str(root / name), "--task", f"{root / 'mine.py'}:{task}", *options, *words]
        assert run_command_line(run) == ExitCode.OK
    return root


Found = Callable[..., dict[str, Any]]


@pytest.fixture
def found(runs: Path, capsys: pytest.CaptureFixture[str]) -> Found:
    """Findings of a comparison by their code."""

    def ask(here: str, good: str = "good") -> dict[str, Any]:
        words = ["diagnose", str(runs / here), "--against", str(runs / good), "--json", "--fail-on", "never"]
        assert run_command_line(words) == ExitCode.OK
        return {one["code"]: one for one in json.loads(capsys.readouterr().out)["findings"]}

    return ask


@pytest.mark.slow
@pytest.mark.parametrize("here", ["good", "seed"])
def test_itself_and_another_seed_give_no_finding(found: Found, here: str) -> None:
    assert not {"E1021", "E1022"} & set(found(here))


def test_wrong_labels_of_the_validation_are_seen_beside_the_good_one(found: Found) -> None:
    findings = found("labels")
    assert findings["E1021"]["why"].startswith("validation loss parts from good at epoch ")
    assert "the training loss does not: labels, or validation data" in findings["E1021"]["why"]
    assert findings["E1022"]["where"] == "other validation samples, or the same under other labels"


def test_a_rate_far_too_small_is_named_with_the_good_ones_value(found: Found) -> None:
    findings = found("slow")
    assert "the learning rate is another one" in findings["E1021"]["why"]
    assert findings["E1022"]["fix"]["set"] == {"optimizer.lr": 0.003}


def test_a_log_may_stand_on_either_side(runs: Path, found: Found, capsys: pytest.CaptureFixture[str]) -> None:
    log = runs / "good.csv"
    rows = [f"{step},{1.5 * 0.99**step + 0.5}" for step in range(1, 500)]
    log.write_text("\n".join(["step,loss", *rows]))
    assert "E1021" in found("slow", "good.csv")
    assert run_command_line(["diagnose", str(log), "--against", str(log)]) == ExitCode.OK
    assert "E1021" not in capsys.readouterr().out


def test_of_two_runs_that_share_no_course_the_settings_are_still_compared(
    runs: Path, found: Found, capsys: pytest.CaptureFixture[str]
) -> None:
    (runs / "short").mkdir()
    words = ["--task", f"{runs / 'mine.py'}:Good", "--device", "cpu", "train.max_steps=2", "train.batch_size=16"]
    assert run_command_line(["run", "--run-dir", str(runs / "short"), *words]) == ExitCode.OK
    capsys.readouterr()
    findings = found("short")
    assert "E1021" not in findings and "optimizer.lr 0.001, 0.003 in the good one" in findings["E1022"]["where"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--against", "good"], "--against goes with the records of a run, or with a log"),
        (["RUN", "--against", "RUN", "--preflight"], "--against goes with the records of a run"),
        (["RUN", "--against", "nothing"], "no run 'nothing'"),
    ],
)
def test_what_cannot_be_compared_is_said_in_a_line(
    runs: Path, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    typed = [str(runs / "good") if word == "RUN" else word for word in words]
    assert run_command_line(["diagnose", *typed, "--runs-dir", str(runs)]) == ExitCode.USAGE
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1
