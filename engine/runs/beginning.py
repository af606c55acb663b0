"""Whether a run that has not said anything yet still may: told from its lock, its folder and `meta.json`.

Never takes the lock and never signals a process.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from trainctl.engine.files import read_limited
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.lock import LOCK_NAME
from trainctl.engine.runs.status import CRASHED_AFTER_S, SILENT_AFTER_S, Liveness, is_alive, process_start

CLOCK_SLACK_S = 60.0
"""By how much a process must be younger than the lock that names its number before it is taken for another one."""


def beginning(paths: RunPaths, meta: Mapping[str, Any] | None, now: float) -> tuple[Liveness, float]:
    """Starting or crashed, for a run without a status, and the age of its last sign of life in seconds.

    The process that holds the lock tells, where it can be asked for: on this host. Else the run counts as crashed when
    nothing in its folder has changed for too long.

    Args:
        paths: the run.
        meta: content of `meta.json`, None where it is not written yet.
        now: seconds since 1970.
    """
    signs = list(_signs(paths.root))
    if not signs:
        return Liveness.STARTING, 0.0
    age_s = max(now - max(signs), 0.0)
    return (Liveness.CRASHED if age_s > _patience_s(paths.root / LOCK_NAME, meta) else Liveness.STARTING), age_s


def _patience_s(lock: Path, meta: Mapping[str, Any] | None) -> float:
    """Silence after which the run counts as crashed, in seconds."""
    try:
        pid, written = int(read_limited(lock, 64, follow=False)), lock.stat().st_mtime
    except (OSError, ValueError):
        return CRASHED_AFTER_S  # it prepares its data, or never got that far
    host = None if meta is None else meta.get("host")
    if host not in (None, socket.gethostname()):
        return CRASHED_AFTER_S
    if is_alive(pid) and not _is_younger(pid, written):
        return float("inf")
    # Without a host it may be another one's process, which is then about to say so.
    return SILENT_AFTER_S if host is None else 0.0


def _is_younger(pid: int, written: float) -> bool:
    """Whether a process began after a moment (seconds since 1970), so that it cannot have written then."""
    ticks = process_start(pid)
    if ticks is None:
        return False
    try:
        lines = Path("/proc/stat").read_text().splitlines()
        booted = next(float(line.split()[1]) for line in lines if line.startswith("btime "))
    except (OSError, StopIteration, ValueError):
        return False
    return booted + ticks / os.sysconf("SC_CLK_TCK") > written + CLOCK_SLACK_S


def _signs(folder: Path) -> Iterator[float]:
    """When the folder and what lies in it were last changed, seconds since 1970."""
    try:
        yield folder.stat().st_mtime
        with os.scandir(folder) as entries:
            for entry in entries:
                yield entry.stat(follow_symlinks=False).st_mtime
    except OSError:
        return
