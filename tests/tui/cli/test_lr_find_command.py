"""`trainctl lr-find` as it is typed: text, JSON, and what it says on the way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trainctl.tui.cli.main import run_command_line

TASK = """
import torch
from torch import nn
from trainctl.engine.tasks.task import Split, Splits, StepOutput, Task

def split(n):
    x = torch.randn(n, 4, generator=torch.Generator().manual_seed(n))
    return Split({"x": x, "y": x.sum(1)})

class Line(Task):
    def load(self):
        return Splits(split(640), split(64))
    def build_model(self, splits):
        return nn.Linear(4, 1)
    def step(self, model, batch):
        return StepOutput({"mse": (model(batch["x"])[:, 0] - batch["y"]).square().mean()})
"""


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    path = tmp_path / "line.py"
    path.write_text(TASK)
    return ["lr-find", "--task", f"{path}:Line", "--device", "cpu", "optimizer.lr=2e-3", "--steps", "40"]


def test_it_suggests_a_rate_beside_the_configured_one(words: list[str], capsys: pytest.CaptureFixture[str]):
    assert run_command_line(words) == 0
    printed = capsys.readouterr().out
    assert "suggested: --set optimizer.lr=" in printed and "(configured: 0.002)" in printed


def test_json_is_one_object_with_what_it_is_about(words: list[str], capsys: pytest.CaptureFixture[str]):
    assert run_command_line([*words, "--json"]) == 0
    out, err = capsys.readouterr()
    result = json.loads(out)
    assert len(result["lrs"]) == len(result["losses"]) == len(result["smoothed"]) <= 40
    assert result["configured"] == 0.002 and result["total"] == 40 and "cpu" in result["device"].lower()
    assert result["lrs"][0] < result["suggestion"] < result["lrs"][-1]
    assert err == ""


def test_progress_comes_in_lines_that_grow(words: list[str], capsys: pytest.CaptureFixture[str]):
    assert run_command_line([*words, "--json", "--progress"]) == 0
    out, err = capsys.readouterr()
    lines = [json.loads(line) for line in err.splitlines()]
    assert [line["stage"] for line in lines] == ["loading", *["sweep"] * (len(lines) - 1)]
    counts = [len(line["losses"]) for line in lines[1:]]
    assert counts[:3] == [0, 8, 16]
    result = json.loads(out)
    assert result["losses"][: counts[-1]] == lines[-1]["losses"]


@pytest.mark.parametrize("bounds", [("1", "0.1"), ("0", "1"), ("-1", "1"), ("1e-3", "inf")])
def test_a_range_that_is_none_is_refused(words: list[str], capsys: pytest.CaptureFixture[str], bounds: tuple[str, str]):
    assert run_command_line([*words, "--start", bounds[0], "--end", bounds[1]]) == 2
    assert "not a range" in capsys.readouterr().err


def test_losses_that_are_no_numbers_are_said_in_a_line(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "nan.py").write_text(TASK.replace(".square().mean()", ".square().mean() * float('nan')"))
    nan = [word.replace("line.py", "nan.py") for word in words]
    assert run_command_line(nan) == 0
    out, err = capsys.readouterr()
    assert out == "no loss is finite, from the first step on: no suggestion; run `trainctl diagnose`\n"
    assert "Traceback" not in err
    assert run_command_line([*nan, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["suggestion"] is None


def test_a_loss_that_is_no_number_has_no_bar_and_is_not_called_diverged(
    words: list[str], capsys: pytest.CaptureFixture[str]
):
    path = Path(words[2].partition(":")[0])
    code = TASK.replace(".mean()})", '.mean() * (float("nan") if len(seen) > 5 else 1)})')
    code = code.replace("        return StepOutput", "        seen.append(1)\n        return StepOutput")
    path.write_text(f"{code}\nseen = []\n")
    assert run_command_line(words) == 0
    rows = capsys.readouterr().out.splitlines()
    assert not any("#" in row for row in rows if "nan" in row)
    assert any("nan" in row for row in rows) and any(row.startswith("the loss is not finite at ") for row in rows)
    assert not any("diverges" in row for row in rows)
