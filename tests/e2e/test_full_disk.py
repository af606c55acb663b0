"""A disk that is full ends the run with one line and code 2; what was good stays good, and the run can go on."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from kills import OPTIONS, TASK, assert_same_run

from trainctl.engine.errors import ExitCode
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.reader import RunReader
from trainctl.engine.training.state.checkpoint import load_checkpoint
from trainctl.tui.cli.main import run_command_line

ARGV = ["run", "--task", TASK, *OPTIONS, "hidden=16", "num_train=160", "num_val=40", "train.epochs=60"]


class Disk:
    """Counts what is written to files whose path ends with `suffix`, and takes no more than `room` bytes."""

    def __init__(self) -> None:
        self.suffix, self.room = "", 0
        self._write = os.write

    def write(self, descriptor: int, data: bytes) -> int:
        path = str(Path(f"/proc/self/fd/{descriptor}").readlink())
        if self.suffix and self.suffix in path:
            if self.room <= 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            data = bytes(data)[: self.room]  # a disk takes what still fits
            self.room -= len(data)
        return self._write(descriptor, data)


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


@pytest.mark.parametrize(
    ("suffix", "room"),
    [
        ("/steps.bin", 40_000),
        (".latest_model.pth", 150_000),
        (".best_model.pth", 30_000),
        ("/events.jsonl", 5_000),
        (".status.json", 700),
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
