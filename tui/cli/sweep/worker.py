"""Who works on a study, and whether that process is gone, so that its trial can be taken over.

Never signals a process. On another machine nobody can be asked for: there the run's sign of life tells.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainctl.engine.runs.index import run_info
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.status import CRASHED_AFTER_S, is_alive, process_start


def this_worker() -> dict[str, Any]:
    """This process as plain data, for others to judge it by."""
    return {
        "host": socket.gethostname(),
        "namespace": _namespace(),
        "pid": os.getpid(),
        "start": process_start(os.getpid()),
    }


def is_gone(worker: Mapping[str, Any] | None, run: RunPaths | None, began: float, now: float) -> bool:
    """Whether nobody will say any more how a trial ended.

    Args:
        worker: who works on it, as `this_worker` gave it; None or empty: nobody.
        run: its run; None: none was made yet.
        began: when the trial was made, seconds since 1970.
        now: seconds since 1970.
    """
    if not worker:
        return True
    if (worker.get("host"), worker.get("namespace")) == (socket.gethostname(), _namespace()):
        pid, start = worker.get("pid"), worker.get("start")
        return not isinstance(pid, int) or not is_alive(pid, start if isinstance(start, int) else None)
    silent_s = now - began if run is None else run_info(run, now).age_s
    return silent_s > CRASHED_AFTER_S


def _namespace() -> str:
    """In which numbers of processes mean the same: containers of one name have their own."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""
