"""Cells of a notebook: an error in one that trains ends its run; others, and interrupts, do not."""

# pyright: reportMissingImports=false
from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from foreign_loops import records_of

from trainctl.engine.runs.layout import RunPaths

pytest.importorskip("IPython")

BEGIN = """
import torch, trainctl
model = torch.nn.Linear(2, 1)
opt = torch.optim.SGD(model.parameters(), lr=.1)
watch = trainctl.watch(opt, runs_dir={folder!r})
def train(steps):
    for _ in range(steps):
        opt.zero_grad(); model(torch.ones(1, 2)).sum().backward(); opt.step()
"""


@pytest.fixture
def shell(tmp_path: Path) -> Generator[Any]:
    """A notebook's, in which a network is watched."""
    from IPython.core.interactiveshell import InteractiveShell

    found = InteractiveShell.instance()
    found.run_cell(BEGIN.format(folder=str(tmp_path)))
    yield found
    found.user_ns["watch"].close()
    InteractiveShell.clear_instance()


def state(shell: Any) -> str:
    paths = RunPaths(shell.user_ns["watch"].path)
    return str(json.loads(paths.summary.read_text())["state"]) if paths.summary.exists() else "alive"


def test_an_error_in_a_cell_that_trains_ends_the_run(shell: Any) -> None:
    shell.run_cell("train(3)")
    assert state(shell) == "alive"
    shell.run_cell("train(2); 1 / 0")
    assert state(shell) == "failed"
    paths = RunPaths(shell.user_ns["watch"].path)
    assert len(records_of(paths)) == 5 and "ZeroDivisionError" in paths.console.read_text()


def test_an_error_elsewhere_and_an_interrupt_end_nothing(shell: Any) -> None:
    for cell in ("train(2)", "1 / 0", "train(2); raise KeyboardInterrupt", "train(2)"):
        shell.run_cell(cell)
        assert state(shell) == "alive"
    shell.run_cell("watch.close()")
    assert state(shell) == "finished"
    assert len(records_of(RunPaths(shell.user_ns["watch"].path))) == 6


def test_training_anew_ends_the_run_of_before(shell: Any, tmp_path: Path) -> None:
    shell.run_cell("train(2)")
    first = shell.user_ns["watch"].path
    shell.run_cell(BEGIN.format(folder=str(tmp_path)) + "train(4)\nwatch.close()")
    assert json.loads(RunPaths(first).summary.read_text())["state"] == "finished"
    assert len(records_of(RunPaths(shell.user_ns["watch"].path))) == 4
