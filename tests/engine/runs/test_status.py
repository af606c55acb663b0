"""Live, silent, crashed and over are told apart."""

from __future__ import annotations

import dataclasses
import math
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sample_runs import NOW, STATUS, new_run

from trainctl.engine.errors import UserError
from trainctl.engine.runs.atomic import write_json_atomic
from trainctl.engine.runs.states import SCHEMA, RunState
from trainctl.engine.runs.status import (
    CRASHED_AFTER_S,
    SILENT_AFTER_S,
    Liveness,
    Status,
    liveness,
    process_start,
    read_status,
    write_status,
)


def changed(**values: object) -> Status:
    return dataclasses.replace(STATUS, **values)


def test_the_status_is_read_back_with_the_start_time_of_the_process(tmp_path: Path):
    paths = new_run(tmp_path)
    write_status(paths, STATUS)
    assert read_status(paths) == changed(process_start=process_start(os.getpid()))


def test_unknown_rates_are_read_back_as_unknown(tmp_path: Path):
    paths = new_run(tmp_path)
    write_status(paths, changed(steps_per_s=math.nan, samples_per_s=math.inf, eta_s=None))
    status = read_status(paths)
    assert status is not None
    assert math.isnan(status.steps_per_s)
    assert math.isnan(status.samples_per_s)
    assert status.eta_s is None


def test_no_status_yet_means_starting(tmp_path: Path):
    assert read_status(new_run(tmp_path)) is None
    assert liveness(None, NOW) == (Liveness.STARTING, 0.0)


@pytest.mark.parametrize("bad", [{"state": "dancing"}, {"pid": None}, {"heartbeat": "x"}])
def test_a_damaged_status_is_named(tmp_path: Path, bad: dict[str, Any]):
    paths = new_run(tmp_path)
    write_status(paths, STATUS)
    write_json_atomic(paths.status, {"schema": SCHEMA, **dataclasses.asdict(STATUS), **bad})
    with pytest.raises(UserError, match=r"status\.json"):
        read_status(paths)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (RunState.STARTING, Liveness.STARTING),
        (RunState.RUNNING, Liveness.LIVE),
        (RunState.PAUSED, Liveness.LIVE),
        (RunState.VALIDATING, Liveness.LIVE),
        (RunState.FINISHED, Liveness.OVER),
        (RunState.STOPPED, Liveness.OVER),
        (RunState.PREEMPTED, Liveness.OVER),
        (RunState.FAILED, Liveness.OVER),
    ],
)
def test_every_state_of_a_process_that_reports(state: RunState, expected: Liveness):
    assert liveness(changed(state=state), NOW) == (expected, 1.0)


def test_a_live_process_that_does_not_report_is_silent_not_crashed():
    assert liveness(changed(heartbeat=NOW - SILENT_AFTER_S - 1), NOW)[0] is Liveness.SILENT
    assert liveness(changed(heartbeat=NOW - 1e6), NOW)[0] is Liveness.SILENT


def test_a_clock_behind_the_heartbeat_gives_no_negative_age():
    assert liveness(changed(heartbeat=NOW + 100), NOW) == (Liveness.LIVE, 0.0)


@pytest.mark.parametrize(
    ("age_s", "expected"),
    [(1, Liveness.LIVE), (SILENT_AFTER_S + 1, Liveness.SILENT), (CRASHED_AFTER_S + 1, Liveness.CRASHED)],
)
def test_a_run_on_another_host_is_judged_by_its_heartbeat(age_s: float, expected: Liveness):
    assert liveness(changed(host="elsewhere", pid=1, heartbeat=NOW - age_s), NOW)[0] is expected


def test_a_killed_process_is_crashed_even_before_its_parent_has_noticed():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    status = changed(pid=child.pid, process_start=process_start(child.pid))
    assert liveness(status, NOW)[0] is Liveness.LIVE
    child.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # dead, but still a zombie
    assert liveness(status, NOW)[0] is Liveness.CRASHED
    child.communicate()
    assert liveness(status, NOW)[0] is Liveness.CRASHED


@pytest.mark.skipif(process_start(os.getpid()) is None, reason="this system has no /proc")
def test_another_process_with_the_same_number_is_not_taken_for_it():
    start = process_start(os.getpid())
    assert start is not None
    assert liveness(changed(process_start=start), NOW)[0] is Liveness.LIVE
    assert liveness(changed(process_start=start - 1), NOW)[0] is Liveness.CRASHED


@pytest.mark.parametrize("pid", [0, -1, 2**62])
def test_an_impossible_pid_is_not_running(pid: int):
    assert liveness(changed(pid=pid), NOW)[0] is Liveness.CRASHED
