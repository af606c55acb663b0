"""A disk that is full, or fails for a while, costs as little as can be: what was good stays good, a run can go on.

A checkpoint that finds no room ends the run with one line and code 2. Everything else is tried again while the training
goes on.
"""

from __future__ import annotations

import errno
import itertools
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from faulty_disk import Disk
from kills import OPTIONS, TASK, assert_same_run, leaves

from trainctl.engine.errors import ExitCode
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.reader import RunReader
from trainctl.engine.training.state.checkpoint import load_checkpoint
from trainctl.tui.cli.main import run_command_line

SIZE = ("hidden=16", "num_train=160", "num_val=40", "train.epochs=60", "checkpoint.every_s=1")
ARGV = ["run", "--task", TASK, *OPTIONS, *SIZE]


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    found = Disk()
    monkeypatch.setattr(os, "write", found.write)
    return found


def run_of(folder: Path) -> RunPaths:
    return RunPaths((folder / "latest").resolve())


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunPaths:
    folder = tmp_path_factory.mktemp("whole")
    assert run_command_line([*ARGV, "--runs-dir", str(folder)]) == ExitCode.OK
    return run_of(folder)


def complaint(capsys: pytest.CaptureFixture[str]) -> str:
    err = capsys.readouterr().err
    assert err.count("\n") == 1, err
    assert err.startswith("trainctl: error: disk full: cannot write ")
    return err


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("suffix", "room"),
    [
        (".latest_model.pth", 150_000),
        (".best_model.pth", 30_000),
        ("", 0),
    ],
)
def test_a_run_that_meets_a_full_disk_goes_on_when_there_is_space_again(
    tmp_path: Path,
    disk: Disk,
    whole: RunPaths,
    capsys: pytest.CaptureFixture[str],
    suffix: str,
    room: int,
) -> None:
    disk.suffix, disk.room = (suffix, room) if suffix else (str(tmp_path), 400_000)
    assert run_command_line([*ARGV, "--runs-dir", str(tmp_path)]) == ExitCode.USAGE
    assert suffix.lstrip("/.") in complaint(capsys)
    run = run_of(tmp_path)
    if run.latest.exists():
        load_checkpoint(run.latest)
    steps = RunReader(run).steps.all()["step"].tolist()
    assert steps == list(range(1, len(steps) + 1))
    disk.suffix = ""
    assert run_command_line(["run", "--resume", str(run.root)]) == ExitCode.OK
    assert_same_run(whole, run)


OPTIONAL = {"/steps.bin": 40_000, "/events.jsonl": 5_000, ".status.json": 700, "/overview": 0, ".samples.npz": 0}
"""Files without which a training goes on, and what fits into them before the disk refuses."""


def training_of(run: RunPaths) -> tuple[list[object], list[object]]:
    """What was trained: both checkpoints, without the clock."""
    found: list[list[object]] = []
    for path in (run.latest, run.best):
        state = load_checkpoint(path)["state"]
        for clock in ("train_s", "elapsed_s"):
            state["progress"].pop(clock)
        found.append(list(leaves(state)))
    return found[0], found[1]


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["/steps.bin", "/events.jsonl"])
def test_what_is_no_checkpoint_costs_no_step_of_the_training(
    tmp_path: Path, disk: Disk, whole: RunPaths, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    disk.suffix, disk.room = suffix, OPTIONAL[suffix]
    assert run_command_line([*ARGV, "--runs-dir", str(tmp_path)]) == ExitCode.USAGE
    assert suffix.lstrip("/.") in complaint(capsys)
    run = run_of(tmp_path)
    assert training_of(run) == training_of(whole)
    steps = RunReader(run).steps.all()["step"].tolist()
    assert steps == list(range(1, len(steps) + 1))


@pytest.mark.few(2)
@pytest.mark.parametrize(
    ("suffix", "number"),
    [
        *itertools.product(["/steps.bin"], [errno.ENOSPC, errno.EIO]),
        *(pytest.param("/steps.bin", k, marks=pytest.mark.slow) for k in (errno.ESTALE, errno.EDQUOT, errno.EROFS)),
        *((suffix, errno.EIO) for suffix in OPTIONAL if suffix != "/steps.bin"),
    ],
)
def test_a_hiccup_costs_nothing_and_is_said(
    tmp_path: Path, disk: Disk, whole: RunPaths, suffix: str, number: int
) -> None:
    disk.suffix, disk.room, disk.number, disk.refusals = suffix, OPTIONAL[suffix], number, 3
    assert run_command_line([*ARGV, "--runs-dir", str(tmp_path)]) == ExitCode.OK
    run = run_of(tmp_path)
    assert_same_run(whole, run)
    reader = RunReader(run)
    reader.poll()
    said = [event.data["text"] for event in reader.events if event.kind is EventKind.WARNING]
    name = suffix.lstrip("/.")
    if name in ("overview", "samples.npz"):
        return  # made anew by whoever reads; and this task has no pictures
    assert sum("the training goes on without" in text for text in said) == 1
    assert sum(f"{name} is written again" in text for text in said) == 1


@pytest.mark.few(1)
@pytest.mark.parametrize("number", [errno.EIO, pytest.param(errno.ESTALE, marks=pytest.mark.slow)])
@pytest.mark.parametrize("suffix", [".latest_model.pth", ".best_model.pth"])
def test_a_checkpoint_that_fails_for_a_moment_is_tried_again(
    tmp_path: Path, disk: Disk, whole: RunPaths, suffix: str, number: int
) -> None:
    disk.suffix, disk.room, disk.number, disk.refusals = suffix, 30_000, number, 2
    assert run_command_line([*ARGV, "--runs-dir", str(tmp_path)]) == ExitCode.OK
    assert disk.refusals == 0
    assert_same_run(whole, run_of(tmp_path))


def test_a_full_disk_is_told_in_the_run_where_it_still_can(
    tmp_path: Path, disk: Disk, capsys: pytest.CaptureFixture[str]
) -> None:
    disk.suffix, disk.room = ".latest_model.pth", 50_000
    run_command_line([*ARGV, "--runs-dir", str(tmp_path)])
    reader = RunReader(run_of(tmp_path))
    reader.poll()
    assert reader.status is not None and reader.summary is not None
    assert reader.status.state == reader.summary.state == "failed"
    assert reader.summary.exit_reason.startswith("disk full")
    assert reader.summary.steps > 0


@pytest.mark.parametrize("suffix", ["config.yaml", "meta.json", ".lock", "steps.json", "status.json"])
def test_a_disk_that_is_full_from_the_start_is_told(
    tmp_path: Path, disk: Disk, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    disk.suffix = suffix
    assert run_command_line([*ARGV, "--runs-dir", str(tmp_path)]) == ExitCode.USAGE
    assert suffix in complaint(capsys)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 600 kB, where we may mount one."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs the right to mount a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_small_disk_that_fills_up_is_survived(
    tmp_path: Path, small_disk: Path, whole: RunPaths, capsys: pytest.CaptureFixture[str]
) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(450_000))
    assert run_command_line([*ARGV, "--runs-dir", str(small_disk / "runs")]) == ExitCode.USAGE
    complaint(capsys)
    ballast.unlink()
    run = run_of(small_disk / "runs")
    assert run_command_line(["run", "--resume", str(run.root)]) == ExitCode.OK
    assert_same_run(whole, run)
