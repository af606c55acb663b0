"""Starts the process that tells of a run, and waits for it when the run is over. Imports nothing of it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping

from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.status import process_start
from trainctl.tui.alerts.wishes import Wishes

WATCHER = (sys.executable, "-m", "trainctl.tui.alerts.watcher")
LAST_S = 40.0
"""How long the end of a command waits for the last alert: a container ends with it."""


class Teller:
    """The process of one run; none where nobody wants to be told."""

    def __init__(self, wishes: Wishes) -> None:
        self._wishes = wishes
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, paths: RunPaths, environ: Mapping[str, str] | None = None) -> str:
        """Begin to follow a run; returns why that cannot be, empty where it can.

        It has a session of its own: a key or a terminal that is closed does not end it. The wishes go through a pipe:
        a token in them is not for the list of processes.
        """
        if not self._wishes.leave_the_terminal:
            return ""
        own = os.getpid()
        about = {"on_end": self._wishes.on_end, "on_finding": self._wishes.on_finding}
        try:
            self._process = subprocess.Popen(
                [*WATCHER, str(paths.root.absolute())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=None if environ is None else dict(environ),
                start_new_session=True,
            )
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps({**about, "pid": own, "start": process_start(own)}).encode())
            self._process.stdin.close()
        except OSError as err:
            return f"nobody will be told of this run: {err}"
        return ""

    def wait(self) -> list[str]:
        """Wait for the last alert, for a while; what could not be told and why, a line each."""
        process, self._process = self._process, None
        if process is None or process.stdout is None:
            return []
        with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            process.wait(LAST_S)
        if process.poll() is None:
            return ["the last alert is still under way"]
        lines = process.stdout.read().decode(errors="replace").splitlines()
        return lines if process.returncode == 0 else ["who should have told of this run failed"]
