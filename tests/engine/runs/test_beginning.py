"""A run that died before it said anything does not start for ever."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sample_runs import new_run

from trainctl.engine.runs.beginning import beginning
from trainctl.engine.runs.index import create_run, list_runs
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.lock import RunLock
from trainctl.engine.runs.meta import collect_meta, write_meta
from trainctl.engine.runs.reader import RunReader
from trainctl.engine.runs.status import CRASHED_AFTER_S, SILENT_AFTER_S, Liveness

NOW = time.time()


@pytest.fixture
def dead_pid() -> int:
    """Number of a process that has ended."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def lock_as(paths: RunPaths, pid: int) -> None:
    (paths.root / ".lock").write_text(f"{pid}\n")


def test_a_folder_that_is_not_there_is_starting(tmp_path: Path):
    assert beginning(RunPaths(tmp_path / "gone"), None, NOW) == (Liveness.STARTING, 0.0)


def test_a_new_folder_is_starting_until_nothing_has_happened_for_long(tmp_path: Path):
    paths = new_run(tmp_path)
    assert beginning(paths, None, time.time())[0] is Liveness.STARTING
    later = time.time() + CRASHED_AFTER_S + 1
    alive, age_s = beginning(paths, None, later)
    assert alive is Liveness.CRASHED
    assert age_s == pytest.approx(CRASHED_AFTER_S + 1, abs=5)
    paths.console.write_text("reading images\n")
    os.utime(paths.console, (later, later))
    assert beginning(paths, None, later)[0] is Liveness.STARTING


def test_a_process_that_holds_the_lock_may_take_its_time(tmp_path: Path):
    paths = new_run(tmp_path)
    with RunLock(paths):
        assert beginning(paths, None, time.time() + 1e6)[0] is Liveness.STARTING


def test_a_run_of_this_host_whose_process_is_gone_has_crashed(tmp_path: Path, dead_pid: int):
    paths = new_run(tmp_path)
    lock_as(paths, dead_pid)
    write_meta(paths, collect_meta(["trainctl"], seed=0, cwd=tmp_path))
    reader = RunReader(paths)
    reader.poll()
    assert reader.liveness(time.time() + 1)[0] is Liveness.CRASHED


def test_without_a_host_a_process_that_is_not_here_is_given_a_moment(tmp_path: Path, dead_pid: int):
    paths = new_run(tmp_path)
    lock_as(paths, dead_pid)
    assert beginning(paths, None, time.time())[0] is Liveness.STARTING
    assert beginning(paths, None, time.time() + SILENT_AFTER_S + 1)[0] is Liveness.CRASHED


def test_a_run_on_another_host_is_judged_by_its_folder(tmp_path: Path, dead_pid: int):
    paths = new_run(tmp_path)
    lock_as(paths, dead_pid)
    meta = {"host": "elsewhere"}
    assert beginning(paths, meta, time.time() + SILENT_AFTER_S + 1)[0] is Liveness.STARTING
    assert beginning(paths, meta, time.time() + CRASHED_AFTER_S + 1)[0] is Liveness.CRASHED


@pytest.mark.skipif(not os.path.exists("/proc/stat"), reason="this system has no /proc")  # noqa: PTH110
def test_a_later_process_with_the_number_of_a_dead_one_is_not_taken_for_it(tmp_path: Path):
    paths = new_run(tmp_path)
    lock_as(paths, os.getpid())
    long_ago = NOW - 30 * 86400
    for file in (paths.root / ".lock", paths.root):
        os.utime(file, (long_ago, long_ago))
    assert beginning(paths, None, NOW)[0] is Liveness.CRASHED


def test_an_empty_lock_says_nothing(tmp_path: Path):
    paths = new_run(tmp_path)
    (paths.root / ".lock").touch()
    assert beginning(paths, None, time.time() + SILENT_AFTER_S + 1)[0] is Liveness.STARTING


def test_the_list_of_runs_says_so_too(tmp_path: Path, dead_pid: int):
    paths = create_run(tmp_path, "eyes")
    (info,) = list_runs(tmp_path)
    assert info.liveness is Liveness.STARTING
    lock_as(paths, dead_pid)
    (info,) = list_runs(tmp_path, now=time.time() + 60)
    assert info.liveness is Liveness.CRASHED
