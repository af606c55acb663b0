"""`run --fork` from the command line: mistakes leave nothing behind, every reader copes with what it makes."""

from __future__ import annotations

import csv
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from kills import OPTIONS, TASK, only_run
from shells import Shell, snapshot
from sittings import Sittings

from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.lock import RunLock
from trainctl.engine.runs.reader import RunReader
from trainctl.engine.runs.status import process_start
from trainctl.tui.run.feed import RunFeed
from trainctl.tui.run.view import RunView

STEPS = 2
"""Of an epoch of `BLOBS`: 160 samples, 64 in a batch, the incomplete batch left out."""


@pytest.fixture
def folder(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    """An empty folder to type in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRAINCTL_RUNS_DIR", str(tmp_path / "runs"))
    return Shell(tmp_path, capsys)


def newest(shell: Shell) -> RunPaths:
    return RunPaths((shell.runs / "latest").resolve())


def test_a_fork_is_a_run_of_its_own(folder: Shell) -> None:
    parent = folder.run()
    before = snapshot(parent.root)
    out = folder.ok("run", "--fork", parent.root.name, "train.epochs=3", "optimizer.lr=0.01")
    assert f"note: forked from {parent.root.name} at step {STEPS}" in out
    fork = newest(folder)
    assert fork.root != parent.root and snapshot(parent.root) == before
    origin = json.loads(fork.meta.read_text())["forked_from"]
    assert (origin["run"], origin["step"], origin["checkpoint"]) == (parent.root.name, STEPS, "latest_model.pth")
    assert origin["changed"] == {"train.epochs": [1, 3], "optimizer.lr": [0.001, 0.01]}


def test_a_running_run_can_be_forked(folder: Shell) -> None:
    parent = folder.run()
    with RunLock(parent):
        folder.ok("run", "--fork", "latest", "--from", "best", "train.epochs=2")
    assert json.loads(newest(folder).meta.read_text())["forked_from"]["checkpoint"] == "best_model.pth"


def test_every_reader_copes_with_a_first_step_after_1(folder: Shell) -> None:
    folder.run()
    folder.ok("run", "--fork", "latest", "train.epochs=4", "train.batch_size=16")
    fork, first, last = newest(folder), STEPS + 1, 40
    assert f"{last}/{last}" in folder.ok("runs")
    assert "over: finished" in folder.ok("tail", fork.root)
    steps = [json.loads(line) for line in folder.ok("tail", "--json", "-n", "-1", fork.root).splitlines()]
    assert [row["step"] for row in steps if row["kind"] == "step"] == list(range(first, last + 1))
    folder.ok("export", fork.root, "--out", "out.csv")
    with Path("out.csv").open() as file:
        assert [int(row["step"]) for row in csv.DictReader(file)] == list(range(first, last + 1))
    folder.ok("evaluate", fork.root)
    assert f"{last - STEPS} steps" in folder("diagnose", fork.root)[1]
    view = RunView(fork)
    view.apply(RunFeed(fork).poll())
    assert view.step == last
    assert view.series["loss"].extent == (first, last + 1)


def without_checkpoint(shell: Shell) -> None:
    newest(shell).latest.unlink()


def without_any_checkpoint(shell: Shell) -> None:
    newest(shell).latest.unlink()
    newest(shell).best.unlink()


def as_it_is(shell: Shell) -> None:
    del shell


@pytest.mark.few(6)
@pytest.mark.parametrize(
    ("spoil", "words", "said"),
    [
        (as_it_is, ["--fork", "nothing"], "no run 'nothing'"),
        (as_it_is, ["--fork", "./nothing"], "no such run directory"),
        (as_it_is, ["--fork", "latest", "--resume", "latest"], "--resume goes on with a run, --fork starts a new one"),
        (as_it_is, ["--from", "best"], "name the run with --fork RUN"),
        (as_it_is, ["--fork", "latest", "--from", "first"], "'first' is not one of"),
        (as_it_is, ["--fork", "latest", "--task", TASK], "a fork keeps the task of its run; leave out --task"),
        (as_it_is, ["--fork", "latest", "--preset", "eyes/balanced"], "a fork keeps the task of its run, "),
        (as_it_is, ["--fork", "latest", "--scale", "full"], "--scale goes with a preset"),
        (as_it_is, ["--fork", "latest", "task=eyes"], "the task of a run cannot change"),
        (as_it_is, ["--fork", "latest", "train.epoch=2"], "unknown key train.epoch"),
        (as_it_is, ["--fork", "latest"], "is at the end of the fork's 1 epochs (2 steps); to go on, raise them"),
        (
            as_it_is,
            ["--fork", "latest", "hidden=32", "train.epochs=2"],
            "is of another network: 0.weight is 16x16 in it and 32x16 here; a fork keeps the network of its run: "
            "hidden=16",
        ),
        (without_checkpoint, ["--fork", "latest"], "has no latest checkpoint to fork from; use --from best"),
        (without_any_checkpoint, ["--fork", "latest"], "has no latest checkpoint to fork from; it is over: take its"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing_behind(
    folder: Shell, spoil: Callable[[Shell], None], words: list[str], said: str
) -> None:
    folder.run()
    spoil(folder)
    assert said in folder.refuses("run", *words)
    assert len([path for path in folder.runs.iterdir() if not path.is_symlink()]) == 1


def test_a_run_without_a_checkpoint_is_asked_for_one_only_while_it_can_answer(folder: Shell) -> None:
    paths = folder.run()
    without_any_checkpoint(folder)
    for words in (["run", "--fork", "latest"], ["evaluate"], ["export", "latest", "--to", "safetensors"]):
        said = folder.refuses(*words)
        assert f"it is over: take its steps again (trainctl run --resume {paths.root.name})" in said
    status = json.loads(paths.status.read_text())
    paths.summary.unlink()
    paths.status.write_text(json.dumps(status | {"state": "running", "pid": os.getpid(), "heartbeat": time.time(),
                                                 "process_start": process_start(os.getpid())}))  # fmt: skip
    said = folder.refuses("run", "--fork", "latest")
    assert "let it write one first (trainctl send RUN checkpoint)" in said and "over" not in said


def test_an_empty_folder_has_nothing_to_fork(folder: Shell) -> None:
    assert "no run in" in folder.refuses("run", "--fork", "latest")
    assert not folder.runs.exists()


@pytest.mark.few(1)
@pytest.mark.parametrize("preset", ["eyes/aggressive", "eyes/conservative"])
def test_an_eyes_run_goes_on_with_another_preset(folder: Shell, preset: str) -> None:
    small = ["data.samples=120", "data.image_size=[16,32]", "model.num_blocks=1", "model.base_channels=8"]
    words = ["--preset", "eyes/balanced", "--scale", "small", "--device", "cpu", *small, "data.leak_check=false"]
    folder.ok("run", *words, "train.epochs=2", "train.batch_size=32")
    folder.ok("run", "--fork", "latest", "--preset", preset, "train.batch_size=32", "train.epochs=3")
    reader = RunReader(newest(folder))
    reader.poll()
    assert reader.meta is not None and reader.meta["preset"] == preset
    assert reader.steps.all()["step"].tolist() == [7, 8, 9]
    assert not [event for event in reader.events if event.kind == "warning"]


@pytest.mark.slow
def test_a_fork_that_is_killed_goes_on_as_if_nothing_had_happened(tmp_path: Path, sittings: Sittings) -> None:
    new = ["run", "--task", TASK, *OPTIONS, "train.epochs=2", "--runs-dir", str(tmp_path / "parents")]
    (tmp_path / "parents").mkdir()
    assert sittings.run(new, tmp_path / "output") == 0
    parent = str(only_run(tmp_path / "parents").root)

    def fork(folder: Path) -> list[str]:
        folder.mkdir()
        return ["run", "--fork", parent, "train.epochs=12", "optimizer.lr=0.01", "--runs-dir", str(folder)]

    assert sittings.run(fork(tmp_path / "whole"), tmp_path / "output") == 0
    pid = sittings.start(fork(tmp_path / "killed"), tmp_path / "output")
    end = time.monotonic() + 20
    while not any(path.stat().st_size for path in (tmp_path / "killed").glob("2*/steps.bin")):
        assert time.monotonic() < end
        time.sleep(0.005)
    os.kill(pid, signal.SIGKILL)
    sittings.wait(pid)
    killed = only_run(tmp_path / "killed")
    assert not killed.summary.exists()
    assert sittings.run(["run", "--resume", str(killed.root)], tmp_path / "output") == 0
    records = [RunReader(run).steps.all() for run in (only_run(tmp_path / "whole"), killed)]
    assert records[0]["step"].tolist() == records[1]["step"].tolist() == list(range(81, 481))
    np.testing.assert_array_equal(records[0]["loss"], records[1]["loss"])
