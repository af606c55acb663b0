"""What the run is asked while it trains: commands from the file and signals, applied at step boundaries.

Each command is acknowledged by an event that names the step at which it took effect. Knows no loop.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self, TypeVar

from trainctl.engine.errors import ExitCode
from trainctl.engine.runs.atomic import DamagedFileError
from trainctl.engine.runs.commands import Command, CommandReader
from trainctl.engine.runs.layout import RunPaths

POLL_S = 0.1
Found = TypeVar("Found")
EXIT_OF_SIGNAL = {
    signal.SIGINT: ExitCode.INTERRUPTED,
    signal.SIGTERM: ExitCode.TERMINATED,
    signal.SIGHUP: ExitCode.TERMINATED,
}
WARNINGS = (signal.SIGUSR1, signal.SIGUSR2)
"""By which a scheduler says that time is up: the job goes back into the queue."""


class Inbox:
    """Commands that arrived and wait for the next step boundary.

    Args:
        paths: the run.
        skip_existing: pass over what was asked before now, as a resume must.
        complain: told, from the clerk's thread, what is wrong with the file; once for each new fault.
    """

    def __init__(self, paths: RunPaths, *, skip_existing: bool, complain: Callable[[str], None]) -> None:
        # What was wrong with commands of before has been said, and a resume that is refused says nothing here.
        self._reader = CommandReader(paths, skip_existing=skip_existing)
        self._complain, self._skipped, self._fault = complain, self._reader.skipped, ""
        self._waiting: deque[Command] = deque()
        self._arrived = threading.Event()

    def poll(self) -> None:
        """Read the file; called by the clerk. Whatever lies there, it never ends a training."""
        fault, commands = "", list[Command]()
        try:
            commands = self._reader.read_new()
        except (DamagedFileError, OSError) as err:
            fault = f"{err}: this run cannot be asked for anything"
        if self._reader.skipped > self._skipped:
            fault = f"{self._reader.skipped - self._skipped} lines that are no command were passed over"
            self._skipped = self._reader.skipped
        if fault and fault != self._fault:
            self._complain(fault)
        self._fault = fault
        if commands:
            self._take_in(commands)

    def _take_in(self, commands: list[Command]) -> None:
        self._waiting.extend(commands)
        self._arrived.set()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def take(self) -> Command:
        """The oldest command that waits. One at a time: obeying it may mean waiting for the next."""
        return self._waiting.popleft()

    def wait(self, timeout_s: float) -> None:
        """Sleep until a command arrives, at most `timeout_s`."""
        if not self._waiting:
            self._arrived.wait(timeout_s)
            self._arrived.clear()


class _WaitEnded(BaseException):
    """A signal came while the loop waited for samples."""


class Signals:
    """First SIGINT or SIGTERM: finish the step, write a checkpoint, exit; the second ends the process at once.

    SIGHUP (the terminal went away) counts as SIGTERM, unless it is ignored as under `nohup`. SIGUSR1 and SIGUSR2 (sent
    by SLURM before the time limit): checkpoint, requeue the job, exit; a SIGTERM that follows is a first one. Within
    `setting_up` there is nothing to finish yet, so the first ends the process, with an exception that cleans up.

    Use as a context manager in the main thread; elsewhere it does nothing, as Python hands signals to the main
    thread only.

    Attributes:
        arrived: the first that came to this process.
    """

    def __init__(self) -> None:
        self.arrived: signal.Signals | None = None
        self._is_deferring = True
        self._is_ending = self._is_waiting = False
        self._previous: dict[int, Any] = {}
        self._held_back: set[int] = set()

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (*EXIT_OF_SIGNAL, *WARNINGS):
                if number is signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                    continue
                self._previous[number] = signal.signal(number, self._receive)
            # What was held back while the process started, see the command line, is received now.
            self._held_back = signal.pthread_sigmask(signal.SIG_UNBLOCK, WARNINGS) & set(WARNINGS)
        return self

    def __exit__(self, *exc: object) -> None:
        # A warning that comes when all is done means nothing: it must not end the process before it has said so.
        signal.pthread_sigmask(signal.SIG_BLOCK, self._held_back)
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    @property
    def received(self) -> signal.Signals | None:
        """What the loop is to obey; none: go on."""
        return self.arrived

    @contextmanager
    def setting_up(self) -> Generator[None]:
        """Within, the first signal ends what is under way; afterwards it waits for the step that is under way.

        Raises:
            KeyboardInterrupt, SystemExit: there was a signal, whatever became of the exception it raised: one that
                hits an import comes out as another, one that hits a destructor is lost.
        """
        self._is_deferring = False
        try:
            yield
        except BaseException:
            if not self._is_ending:
                raise
        self._is_deferring = True
        if self._is_ending:
            assert self.arrived is not None
            raise _ending_by(self.arrived) from None

    def unless_interrupted(self, wait: Callable[[], Found]) -> Found | None:
        """What `wait` returns; None where a signal came before: samples may be long in coming, or never come.

        No context manager: a signal must find either the flag down or this frame, which catches what is raised.
        """
        try:
            self._is_waiting = self.received is None
            found = wait()  # one that came before the wait lets the step be taken: there is something to save then
            self._is_waiting = False
        except _WaitEnded:
            return None
        except BaseException:
            self._is_waiting = False
            raise
        return found

    def _receive(self, number: int, frame: FrameType | None) -> None:
        del frame
        received = signal.Signals(number)
        was_ending = self._is_ending
        self._is_ending |= received in EXIT_OF_SIGNAL
        self.arrived = self.arrived or received
        if received in EXIT_OF_SIGNAL and not self._is_deferring:
            raise _ending_by(received)
        if received in EXIT_OF_SIGNAL and was_ending:
            os._exit(EXIT_OF_SIGNAL[received])
        if self._is_waiting:
            self._is_waiting = False
            raise _WaitEnded


def _ending_by(received: signal.Signals) -> BaseException:
    if received is signal.SIGINT:
        return KeyboardInterrupt()
    return SystemExit(int(EXIT_OF_SIGNAL.get(received, ExitCode.TERMINATED)))


def requeue_slurm_job(environ: Mapping[str, str]) -> str:
    """Put the present SLURM job back into the queue.

    Returns:
        What came of it, in words; begins with "cannot" when it failed; empty where there is no job.
    """
    job = environ.get("SLURM_JOB_ID")
    if job is None:
        return ""
    words = ["scontrol", "requeue", job]
    try:
        done = subprocess.run(words, env=dict(environ), capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.SubprocessError) as err:
        return f"cannot requeue SLURM job {job}: {err}"
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        return f"cannot requeue SLURM job {job}: {said[0] if said else f'scontrol ended with {done.returncode}'}"
    return f"SLURM job {job} is queued again"
