"""Ends a training at once, and writes into its directory that somebody did: the process itself says nothing any more.

The one place of the cockpit that writes what otherwise only the trainer does, and only when that is certainly gone.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from contextlib import suppress
from dataclasses import replace

from trainctl.engine.errors import UserError
from trainctl.engine.runs.events import EventKind, EventWriter
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.status import Status, first_status, is_running, write_status

GONE_S = 5.0
"""How long a process may take to be gone: the kernel has to free what it held."""
LOOK_S = 0.01


def kill(paths: RunPaths, status: Status | None, process: subprocess.Popen[bytes] | None, step: int) -> Status | None:
    """End a training without a checkpoint; returns the status that says so, None where it had ended by itself.

    Args:
        paths: the run.
        status: what it last said of itself; None: nothing yet.
        process: where we started it.
        step: its newest step.

    Raises:
        UserError: it runs on another host, is not known, or is not ours.
    """
    if not _end(status, process):
        return None
    _wait(status, process)
    reason = f"killed from the cockpit after step {step}" if step else "killed from the cockpit before its first step"
    known = status or first_status(0 if process is None else process.pid)
    said = replace(known, state=RunState.KILLED, step=max(step, known.step), heartbeat=time.time(), message=reason)
    with suppress(UserError):  # it is ended, whatever the disk thinks of it
        EventWriter(paths).append(EventKind.END, said.step, state=str(RunState.KILLED), exit_reason=reason)
        write_status(paths, said)
    return said


def _end(status: Status | None, process: subprocess.Popen[bytes] | None) -> bool:
    """Whether there was a process to end."""
    try:
        if process is not None and process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)  # it leads its own session, see `launch`
            return True
        if status is not None and status.host != socket.gethostname():
            raise UserError(f"the training runs on {status.host}", "kill it there")
        if status is not None and not status.state.is_over and is_running(status):
            os.kill(status.pid, signal.SIGKILL)
            return True
    except ProcessLookupError:
        pass  # it ended meanwhile
    except PermissionError as err:
        raise UserError("the training belongs to somebody else", "ask them to end it") from err
    return False


def _wait(status: Status | None, process: subprocess.Popen[bytes] | None) -> None:
    """Until it is gone: what it had begun to write must not come after the last word."""
    if process is not None:
        with suppress(subprocess.TimeoutExpired):
            process.wait(GONE_S)
    deadline = time.monotonic() + GONE_S
    while status is not None and is_running(status) and time.monotonic() < deadline:
        time.sleep(LOOK_S)
