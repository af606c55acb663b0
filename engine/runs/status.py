"""Where a run stands now, and whether its process is still there. Never signals or ends a process."""

from __future__ import annotations

import dataclasses
import math
import os
import socket
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from trainctl.engine.runs.atomic import read_json, to_plain, understanding, write_json_atomic
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.states import SCHEMA, RunState

SILENT_AFTER_S = 10.0
"""Age of the heartbeat from which a run counts as silent."""
CRASHED_AFTER_S = 300.0
"""Age of the heartbeat from which a run on another host, whose process cannot be asked for, counts as crashed."""


class Liveness(StrEnum):
    """What can be told about a run from outside."""

    STARTING = "starting"
    LIVE = "live"
    SILENT = "silent"
    """The process is there, or may be on another host, but has not reported for a while."""
    CRASHED = "crashed"
    """The process is gone without saying how it ended."""
    OVER = "over"


@dataclass(frozen=True)
class Status:
    """Content of `status.json`."""

    state: RunState
    pid: int
    host: str
    step: int
    """Last finished optimiser step."""
    epoch: int
    """Epoch in progress, 1 for the first."""
    epochs: int
    total_steps: int
    started: float
    """Seconds since 1970."""
    heartbeat: float
    """When this was written, seconds since 1970."""
    steps_per_s: float
    samples_per_s: float
    eta_s: float | None
    device: str
    preset: str
    message: str = ""
    """What it is doing now, in words."""
    process_start: int | None = None
    """Start time of process `pid` in the kernel's ticks, so that another process with its number is not taken
    for it; filled in by `write_status`."""


def first_status(pid: int, preset: str = "", message: str = "") -> Status:
    """The status of a process of this host that has taken no step yet."""
    now, unknown = time.time(), math.nan
    return Status(
        state=RunState.STARTING,
        pid=pid,
        host=socket.gethostname(),
        step=0,
        epoch=0,
        epochs=0,
        total_steps=0,
        started=now,
        heartbeat=now,
        steps_per_s=unknown,
        samples_per_s=unknown,
        eta_s=None,
        device="",
        preset=preset,
        message=message,
    )


def write_status(paths: RunPaths, status: Status) -> None:
    """Replace `status.json`.

    Raises:
        UserError: the disk refuses.
    """
    if status.process_start is None and status.pid == os.getpid():
        status = dataclasses.replace(status, process_start=process_start(status.pid))
    write_json_atomic(paths.status, {"schema": SCHEMA} | to_plain(status))


def read_status(paths: RunPaths) -> Status | None:
    """Content of `status.json`; None where the run has not written it yet.

    Raises:
        UserError: damaged, or written by a newer version.
    """
    data = read_json(paths.status)
    if data is None:
        return None
    with understanding(paths.status):
        return _from_json(data)


def _from_json(data: dict[str, Any]) -> Status:
    eta_s, start = data.get("eta_s"), data.get("process_start")
    return Status(
        state=RunState(data["state"]),
        pid=int(data["pid"]),
        host=str(data["host"]),
        step=int(data["step"]),
        epoch=int(data["epoch"]),
        epochs=int(data["epochs"]),
        total_steps=int(data["total_steps"]),
        started=float(data["started"]),
        heartbeat=float(data["heartbeat"]),
        steps_per_s=_rate(data.get("steps_per_s")),
        samples_per_s=_rate(data.get("samples_per_s")),
        eta_s=None if eta_s is None else float(eta_s),
        device=str(data["device"]),
        preset=str(data["preset"]),
        message=str(data.get("message", "")),
        process_start=None if start is None else int(start),
    )


def _rate(value: float | None) -> float:
    return math.nan if value is None else float(value)


def liveness(status: Status | None, now: float, *, is_summed_up: bool = False) -> tuple[Liveness, float]:
    """Whether the run behind `status` is alive, and the age of its heartbeat in seconds.

    Args:
        status: what it last said; None: nothing yet.
        now: seconds since 1970.
        is_summed_up: there is a summary: the run has ended, even if the disk refused its last status.
    """
    alive, age_s = _liveness(status, now)
    return (Liveness.OVER if is_summed_up and alive is not Liveness.LIVE else alive), age_s


def _liveness(status: Status | None, now: float) -> tuple[Liveness, float]:
    if status is None:
        return Liveness.STARTING, 0.0
    age_s = max(now - status.heartbeat, 0.0)
    if status.state.is_over:
        return Liveness.OVER, age_s
    here = status.host == socket.gethostname()
    if (here and not is_running(status)) or (not here and age_s > CRASHED_AFTER_S):
        return Liveness.CRASHED, age_s
    if status.state is RunState.STARTING:
        return Liveness.STARTING, age_s
    return (Liveness.SILENT if age_s > SILENT_AFTER_S else Liveness.LIVE), age_s


def is_running(status: Status) -> bool:
    """Whether the process that wrote `status` runs on this host (a zombie does not, nor a later namesake)."""
    return is_alive(status.pid, status.process_start)


def is_alive(pid: int, start: int | None = None) -> bool:
    """Whether a process runs on this host; a zombie does not.

    Args:
        pid: its number.
        start: its `process_start`, so that another process with its number is not taken for it.
    """
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except PermissionError:
        pass  # it is somebody else's, but it is there
    except (ProcessLookupError, OverflowError):
        return False
    fields = _stat_fields(pid)
    if fields is None:
        return True
    if fields[0] in ("Z", "X"):
        return False
    return start is None or int(fields[19]) == start


def process_start(pid: int) -> int | None:
    """Start time of a process in ticks since boot; None where the system has no /proc."""
    fields = _stat_fields(pid)
    return None if fields is None else int(fields[19])


def _stat_fields(pid: int) -> list[str] | None:
    # proc(5): "pid (comm) state ppid ...", starttime is field 22; comm may hold spaces and parentheses.
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()
