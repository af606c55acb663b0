"""Endings and other processes: what ends a program ends its run with the right words; a fork writes nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from foreign_loops import data, network, records_of, watched
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

from trainctl.engine.runs.layout import RunPaths

LOOP = """
import os, sys, torch, trainctl
from torch import nn
model = nn.Linear(2, 1)
opt = torch.optim.SGD(model.parameters(), lr=.1)
watch = trainctl.watch(opt, runs_dir="runs")
def train(steps):
    for _ in range(steps):
        opt.zero_grad(); model(torch.ones(1, 2)).sum().backward(); opt.step()
train(5)
"""


def ended(folder: Path, code: str, exit_code: int) -> tuple[dict[str, Any], RunPaths]:
    """The summary of a program's run, and where it is."""
    done = subprocess.run(
        [sys.executable, "-c", LOOP + code], cwd=folder, check=False, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == exit_code, done.stderr
    (path,) = (path for path in (folder / "runs").iterdir() if not path.is_symlink())
    paths = RunPaths(path)
    return json.loads(paths.summary.read_text()), paths


@pytest.mark.slow
def test_an_exception_is_a_failure_with_its_traceback(tmp_path: Path) -> None:
    summary, paths = ended(tmp_path, "raise RuntimeError('out of luck')", 1)
    assert (summary["state"], summary["exit_reason"]) == ("failed", "RuntimeError: out of luck")
    assert "Traceback" in paths.console.read_text() and summary["steps"] == 5


@pytest.mark.slow
def test_an_interrupt_is_no_failure(tmp_path: Path) -> None:
    # What a shell starts in the background ignores the interrupt, and its children do.
    listening = "import signal, time\nsignal.signal(2, signal.default_int_handler)\n"
    summary, paths = ended(tmp_path, f"{listening}os.kill(os.getpid(), 2)\ntime.sleep(60)", -signal.SIGINT)
    assert (summary["state"], summary["exit_reason"]) == ("stopped", "interrupted")
    assert len(records_of(paths)) == 5


@pytest.mark.slow
def test_an_exception_that_is_caught_ends_nothing(tmp_path: Path) -> None:
    summary, _ = ended(tmp_path, "try: 1 / 0\nexcept ZeroDivisionError: train(3)\nsys.exit(0)", 0)
    assert (summary["state"], summary["steps"]) == ("finished", 8)


@pytest.mark.slow
def test_a_context_that_is_left_by_an_error_is_a_failure(tmp_path: Path) -> None:
    summary, _ = ended(tmp_path, "try:\n  with watch: 1 / 0\nexcept ZeroDivisionError: train(3)", 0)
    assert (summary["state"], summary["steps"]) == ("failed", 5)


@pytest.mark.slow
def test_a_fork_writes_nothing_and_the_run_goes_on(tmp_path: Path) -> None:
    code = "child = os.fork()\ntrain(4)\nif not child: sys.exit(3)\nassert os.waitpid(child, 0)[1] >> 8 == 3"
    summary, paths = ended(tmp_path, code, 0)
    assert (summary["state"], summary["steps"]) == ("finished", 9)
    assert len(records_of(paths)) == 9


@pytest.mark.slow
def test_batches_of_workers_are_read_like_any_others(tmp_path: Path) -> None:
    begin, end = watched(tmp_path)
    torch.manual_seed(0)
    model = network()
    opt = torch.optim.SGD(model.parameters(), lr=0.1)
    begin(opt)
    loader = DataLoader(data(), batch_size=16, num_workers=2, persistent_workers=True)
    for _ in range(2):
        for x, y in loader:
            opt.zero_grad()
            cross_entropy(model(x), y).backward()
            opt.step()
    paths = end()
    records = records_of(paths)
    assert records["epoch"].tolist() == [1] * 8 + [2] * 8 and (records["classes"].sum(1) == 16).all()
    assert json.loads(paths.meta.read_text())["watched"]["loader"]["workers"] == 2
    assert (records["data_s"] > 0).all()


def test_a_run_is_alive_while_its_process_is(tmp_path: Path) -> None:
    begin, end = watched(tmp_path)
    model = network()
    opt = torch.optim.SGD(model.parameters(), lr=0.1)
    watch = begin(opt)
    assert watch.path is not None
    status = json.loads(RunPaths(watch.path).status.read_text())
    assert status["pid"] == os.getpid() and status["state"] == "starting"
    end()
