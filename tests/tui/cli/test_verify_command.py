"""`trainctl verify` as it is typed: what helps, what does not, and what cannot be asked."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from trainctl.engine.errors import ExitCode
from trainctl.engine.runs.index import create_run, find_run
from trainctl.engine.runs.layout import RunPaths
from trainctl.tui.cli import trials
from trainctl.tui.cli.main import run_command_line
from trainctl.tui.processes.launch import LaunchRequest

TASK = """
import torch
from torch import nn
from torch.nn import functional as F
from trainctl.engine.tasks.task import Split, Splits, StepOutput, Task

def split(n, seed):
    labels = torch.arange(n) % 4
    x = torch.randn(n, 6, generator=torch.Generator().manual_seed(seed)) + 1.2 * torch.eye(4, 6)[labels]
    return Split({"x": x, "labels": labels}, labels)

class Toy(Task):
    def load(self):
        return Splits(split(400, 1), split(200, 2), ("a", "b", "c", "d"))
    def build_model(self, splits):
        return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 4))
    def step(self, model, batch):
        return StepOutput({"ce": F.cross_entropy(model(batch["x"]), batch["labels"])})

class Square(Toy):
    def step(self, model, batch):
        return StepOutput({"mse": (model(batch["x"]) - F.one_hot(batch["labels"], 4)).pow(2).mean()})
"""


@dataclass
class Done:
    """A training that was made in this process."""

    returncode: int

    def poll(self) -> int:
        return self.returncode


def train_here(request: LaunchRequest) -> tuple[RunPaths, Done]:
    run = create_run(request.runs_dir, request.label)
    words = request.arguments(run)
    with run.console.open("w") as console, contextlib.redirect_stdout(console), contextlib.redirect_stderr(console):
        return run, Done(run_command_line(words[words.index("run") :]))


Ask = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Types a command on the toy task; exit code and what was printed."""
    monkeypatch.setattr(trials, "launch", train_here)
    monkeypatch.setenv("TRAINCTL_RUNS_DIR", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(TASK)

    def typed(command: str, *words: str, task: str = "Toy") -> tuple[int, str, str]:
        options = ["--task", f"mine.py:{task}", "--device", "cpu", "runtime.threads=1"] if task else []
        code = run_command_line([command, *words, *options])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return typed


def test_a_fix_without_which_nothing_trains_helps(ask: Ask, tmp_path: Path) -> None:
    code, out, err = ask("verify", "d112", "train.batch_size=512", "train.epochs=40", "--steps", "30")
    assert code == ExitCode.OK
    assert "train.batch_size  512 -> 50" in out and "before training: gone with the fix" in out
    assert "the fix helps: without it the training does not finish: the training split has 400 samples" in out
    assert "fixed seed 42: finished" in err and "\x1b" not in out
    runs = [path.name for path in (tmp_path / "runs" / "verify").iterdir() if not path.is_symlink()]
    assert sorted(name.split("-")[3] for name in runs) == ["fixed", "present"]
    assert not (tmp_path / "runs" / "latest").exists()


SGD = ("train.batch_size=16", "train.epochs=10", "optimizer.name=sgd")


@pytest.mark.parametrize(
    ("lr", "code", "says"),
    [
        (3, ExitCode.OK, "the fix helps: without it the training does not finish"),
        (50, ExitCode.RUN_FAILED, "no difference beyond noise: with it, too, the training does not finish"),
    ],
)
def test_a_rate_far_too_large_is_verified_from_the_records(ask: Ask, lr: int, code: int, says: str) -> None:
    assert ask("run", *SGD, f"optimizer.lr={lr}", task="Square")[0] == ExitCode.RUN_FAILED
    found, out, _ = ask("verify", "latest", "--json", task="")
    document = json.loads(out)
    assert found == code and f"{document['verdict']}: {document['why']}".startswith(says)
    assert document["finding"]["code"] == "N901" and document["finding"]["source"].startswith("records of ")
    assert document["changes"] == [{"key": "optimizer.lr", "old": lr, "new": lr / 10}]
    present, fixed = document["runs"]
    assert (present["has_finding"], fixed["has_finding"]) == (True, code != ExitCode.OK)
    assert find_run(Path(present["path"]).parent, present["path"]).config.is_file()


@pytest.mark.slow
def test_a_training_too_short_is_compared_at_each_ones_length(ask: Ask) -> None:
    code, out, _ = ask("verify", "train.batch_size=100", "train.epochs=4")
    assert code == ExitCode.OK and "compared: each over its own length, 16 and 200 steps" in out
    assert "the fix helps: validation loss" in out and "one seed: chance between seeds is not known" in out


@pytest.mark.slow
def test_batches_are_compared_over_the_same_samples(ask: Ask) -> None:
    words = ("D113", "train.batch_size=130", "train.epochs=200", "--steps", "15", "--seeds", "3", "--json")
    code, out, _ = ask("verify", *words)
    document = json.loads(out)
    assert document["compared"] == "the same 1,950 samples, 15 and 61 steps"
    assert document["seeds"] == [42, 1, 2] and len(document["runs"]) == 6
    assert code == ExitCode.OK and document["figures"][0]["direction"] == "better"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("D113", "train.epochs=4"), "cannot be verified: D113 is not found here; found here: D112"),
        (("train.epochs=40",), "cannot be verified: there is no primary finding; found here: nothing"),
        (("D999",), "no rule has the code 'D999'"),
        (("D112", "D113"), "D112 and D113: one finding at a time"),
        (("D112", "--seeds", "x"), "neither a number nor a list"),
    ],
)
def test_what_cannot_be_asked_is_said_in_a_line(ask: Ask, words: tuple[str, ...], says: str) -> None:
    code, out, err = ask("verify", *words, "train.batch_size=32" if "D113" in words else "train.batch_size=16")
    assert (code, out) == (ExitCode.USAGE, "") and says in err and err.count("\n") == 1


def test_a_finding_without_a_setting_names_those_that_have_one(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(TASK.replace("labels = torch.arange(n) % 4", "labels = torch.zeros(n).long()"))
    code, _, err = ask("verify", "train.epochs=2")
    assert code == ExitCode.USAGE
    assert "no setting mends D103 class imbalance" in err and "findings with a setting: D112" in err
