"""What a task's own exception looks like: code 1, its traceback, and no escape of its message in the terminal."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TASK = """
import torch
from torch import nn
from trainctl.engine.tasks.task import Split, Splits, StepOutput, Task

class Crashing(Task):
    def load(self):
        self.fail("load")
        part = Split({"x": torch.randn(64, 2)})
        return Splits(part, part)

    def build_model(self, splits):
        return nn.Linear(2, 1)

    def step(self, model, batch):
        self.fail("step")
        return StepOutput({"mse": model(batch["x"]).square().mean()})

    def metrics(self, columns):
        self.fail("metrics")
        return {}

    def fail(self, where):
        if where == WHERE:
            raise ValueError("\\x1b[31mred\\x1b]0;title\\x07 \\x9b1mbold\\nsecond \\u202eline")
"""


@pytest.mark.slow
@pytest.mark.parametrize("where", ["load", "step", "metrics"])
def test_a_traceback_moves_no_cursor(tmp_path: Path, where: str) -> None:
    (tmp_path / "mine.py").write_text(TASK.replace("WHERE:", f"{where!r}:"))
    words = ["run", "--task", "mine.py:Crashing", "train.epochs=1", "--device", "cpu"]
    done = subprocess.run(
        [sys.executable, "-m", "trainctl.tui.cli.main", *words],
        cwd=tmp_path,
        capture_output=True,
        check=False,
        timeout=120,
    )
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == 1
    assert "Traceback (most recent call last)" in said
    assert "ValueError: red bold" in said
    assert 'raise ValueError("' in said  # with the line of the code, indented as Python does
    assert not [char for char in said if not char.isprintable() and char != "\n"]
