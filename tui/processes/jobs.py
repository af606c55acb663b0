"""A `trainctl` command in a process of its own, whose lines come back as messages while the cockpit goes on.

Whatever needs torch or takes longer than a moment runs here: diagnosis, sweep of the learning rate, data. A job
belongs to the screen that started it and ends with it; a training does not, see `launch`.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, Literal, cast

from textual.message import Message
from textual.message_pump import MessagePump

from trainctl.engine.errors import UserError

COMMAND = (sys.executable, "-m", "trainctl.tui.cli.main")
GRACE_S = 2.0
"""How long a job may take to end by itself when it is told to."""
MAX_OUTPUT = 16 << 20
"""Characters of standard output that are kept."""

Stream = Literal["out", "err"]


class Job:
    """One command line. The screen that starts it takes the messages and closes it:

    ```python
    def on_mount(self) -> None:
        self.job = Job(self, ["diagnose", "--json", "--progress"], self.request.environ)
        self.job.start()

    def on_job_said(self, message: Job.Said) -> None: ...  # message.data: the line's JSON object, or None
    def on_job_ended(self, message: Job.Ended) -> None: ...  # message.output: what `--json` printed
    def on_unmount(self) -> None:
        self.job.close()
    ```

    Args:
        owner: the screen or widget to which the messages go.
        words: the command line after `trainctl`.
        environ: environment of the process, as it was before the cockpit took the screen; none: the present one.
    """

    @dataclass
    class Said(Message):
        """The job printed a line."""

        job: Job
        stream: Stream
        text: str

        @property
        def data(self) -> dict[str, Any] | None:
            """The JSON object the line holds; None where it holds none."""
            return _object(self.text)

    @dataclass
    class Ended(Message):
        """The job is over, and every line was said."""

        job: Job
        code: int
        """Exit code; negative: ended by that signal."""
        output: str
        """All of its standard output."""
        complaint: str
        """Last line of its standard error that is no JSON object: what went wrong, in words. May be empty."""

        @property
        def data(self) -> dict[str, Any] | None:
            """The JSON object that it printed; None where it printed none."""
            return _object(self.output)

    def __init__(self, owner: MessagePump, words: Sequence[str], environ: Mapping[str, str] | None = None) -> None:
        self.owner, self.words = owner, tuple(words)
        self._environ = dict(os.environ if environ is None else environ)
        self._process: subprocess.Popen[str] | None = None
        self._is_closed = False

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the process; once.

        Raises:
            UserError: it cannot be started.
        """
        assert self._process is None, "a job is started once"
        try:
            self._process = subprocess.Popen(
                [*COMMAND, *self.words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                errors="replace",
                env={**self._environ, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"},
                start_new_session=True,  # so that what it starts ends with it, and Ctrl-C does not reach it
            )
        except OSError as err:
            raise UserError(f"cannot start trainctl {self.words[0]}: {err}") from err
        threading.Thread(target=self._follow, args=(self._process,), name="job", daemon=True).start()

    def close(self) -> None:
        """End the process and what it started, and say nothing more; again, or before `start`, is harmless."""
        self._is_closed = True
        if self._process is not None:
            _end(self._process)

    def _follow(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None and process.stderr is not None
        complaints: list[str] = []
        reader = threading.Thread(target=self._read, args=(process.stderr, "err", complaints), daemon=True)
        reader.start()
        printed: list[str] = []
        self._read(process.stdout, "out", printed)
        reader.join()
        code = process.wait()
        complaint = next((line for line in reversed(complaints) if line.strip() and _object(line) is None), "")
        self._post(self.Ended(self, code, "".join(printed), complaint.strip()))

    def _read(self, stream: IO[str], name: Stream, kept: list[str]) -> None:
        size = 0
        for line in stream:
            size += len(line)
            if size <= MAX_OUTPUT:
                kept.append(line)
            self._post(self.Said(self, name, line.rstrip("\n")))

    def _post(self, message: Message) -> None:
        if not self._is_closed:
            self.owner.post_message(message)


def _object(text: str) -> dict[str, Any] | None:
    if not text.lstrip().startswith("{"):
        return None
    with contextlib.suppress(ValueError):
        value = json.loads(text)
        return cast("dict[str, Any]", value) if isinstance(value, dict) else None
    return None


def _end(process: subprocess.Popen[str]) -> None:
    """Ask the process group to end; make it, if it does not within `GRACE_S`."""
    if process.poll() is not None or not _signal(process, signal.SIGTERM):
        return

    def make_sure() -> None:
        try:
            process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            _signal(process, signal.SIGKILL)

    threading.Thread(target=make_sure, name="job end", daemon=True).start()


def _signal(process: subprocess.Popen[str], number: signal.Signals) -> bool:
    try:
        os.killpg(process.pid, number)  # it leads its own session
    except (ProcessLookupError, PermissionError):
        return False
    return True
