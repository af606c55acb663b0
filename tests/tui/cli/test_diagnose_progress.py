"""What `diagnose --progress` says on its way, and `diagnose RUN --preflight`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trainctl.engine.diagnosis.catalogue import SECTIONS
from trainctl.engine.diagnosis.finding import Report
from trainctl.engine.runs.index import create_run
from trainctl.engine.runs.meta import write_meta
from trainctl.engine.tasks.configured import resolve
from trainctl.tui.cli.main import run_command_line

TASK = """
import torch
from torch import nn
from torch.nn import functional as F
from trainctl.engine.tasks.task import Split, Splits, StepOutput, Task

class OneClass(Task):
    def load(self):
        one = torch.zeros(640, dtype=torch.long)
        two = torch.arange(90) % 3
        x = torch.randn(640, 4, generator=torch.Generator().manual_seed(1))
        val = Split({"x": x[:90] + 1, "labels": two}, two)
        return Splits(Split({"x": x, "labels": one}, one), val, ("a", "b", "c"))
    def build_model(self, splits):
        return nn.Linear(4, 3)
    def step(self, model, batch):
        return StepOutput({"ce": F.cross_entropy(model(batch["x"]), batch["labels"])})
"""


@pytest.fixture
def run_of_own_task(tmp_path: Path) -> Path:
    """A run directory that was begun and holds no record."""
    path = tmp_path / "mine.py"
    path.write_text(TASK)
    task = f"{path}:OneClass"
    paths = create_run(tmp_path / "runs", "mine")
    paths.config.write_text(resolve(task=task, overrides=["train.epochs=30", "runtime.device=cpu"]).to_yaml())
    write_meta(paths, {"schema": 1, "preset": task, "data": None})
    return paths.root


def ask(*words: str | Path) -> int:
    return run_command_line(["diagnose", *map(str, words)])


def test_every_section_is_said_once_when_it_is_judged_and_the_report_last(
    run_of_own_task: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(run_of_own_task, "--preflight", "--json", "--progress") == 3
    out, err = capsys.readouterr()
    said = [json.loads(line) for line in err.splitlines()]
    assert sorted(line["section"] for line in said if line["event"] == "section") == sorted(SECTIONS)
    work = [line["part"] for line in said if line["event"] == "work"]
    assert work[:7] == ["training data", "labels", "sampler", "schedule", "data", "overlap", "batch"]
    assert set(work[7:]) <= {"trial", "attempt", "relation", "metric", "reach"}
    place = {line.get("section") or line.get("part"): k for k, line in enumerate(said)}
    assert place["batch"] < place["model"]
    early = [line["section"] for line in said[: place["batch"]] if line["event"] == "section"]
    assert "environment" in early, "what is known is judged before the network is built"
    assert said[-1]["event"] == "report" and "before training" in said[-1]["title"]
    report = Report.from_plain(said[-1]["report"])
    assert report.to_json() == json.loads(out)
    assert report.findings[0].code == "D103" and "640" in report.findings[0].summary


def test_a_section_on_its_way_says_what_the_whole_report_says(
    run_of_own_task: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ask(run_of_own_task, "--preflight", "--progress")
    out, err = capsys.readouterr()
    lines = [json.loads(line) for line in err.splitlines()]
    for line in lines:
        if line["event"] == "section":
            assert "".join(text for text, _ in line["line"]).rstrip() in out


def test_preflight_without_a_run_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert ask("--preflight") == 2
    assert "--preflight goes with a run" in capsys.readouterr().err


def test_the_configuration_of_a_run_is_its_own(run_of_own_task: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(run_of_own_task, "--preflight", "--preset", "eyes/balanced") == 2
    assert "not with --preset" in capsys.readouterr().err
