"""The gate each measured loop passes before a step: it holds the loop until its slice begins, and takes the time.

A loop calls `gate.pass_through()` and is otherwise written as its author would write it.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from multiprocessing.connection import Connection

READY, TOOK, FAILED = "ready", "took", "failed"


class Gate:
    """Answers over `connection` to the process that measures.

    Args:
        connection: to whoever measures.
        clock: seconds, of the wall or of a processor.

    Attributes:
        settle: called at the end of each slice, within its time: waits for what the loop left to other threads.
        lead_in: steps at the start of each slice that are not timed, for loops whose helpers worked during the pause.
    """

    def __init__(self, connection: Connection, clock: Callable[[], float] = time.perf_counter) -> None:
        self._connection, self._clock = connection, clock
        self.lead_in = 0
        self._left = self._leading = 0
        self._is_first, self._is_timing = True, False
        self._started = 0.0
        self.settle: Callable[[], object] = _nothing

    def pass_through(self) -> None:
        """Called before each step; between slices it does not return, and after the last one it ends the process."""
        if self._left == 0:
            self._hold()
        if self._leading > 0:
            self._leading -= 1
            return
        if not self._is_timing:
            self._start()
        self._left -= 1

    def _hold(self) -> None:
        if self._is_first:
            self._is_first = False
            self._connection.send((READY, 0.0))
        else:
            self.settle()
            _wait_for_device()
            self._connection.send((TOOK, self._clock() - self._started))
        steps = self._connection.recv()
        if steps is None:
            _end_helpers()
            os._exit(0)  # an exception would be taken for a failure by the loop it ends
        self._left, self._leading = steps, self.lead_in
        self._is_timing = False

    def _start(self) -> None:
        _wait_for_device()
        self._is_timing = True
        self._started = self._clock()


def _end_helpers() -> None:
    """End the processes that help the loop: left alone they would find its pipes broken, and say so at length."""
    if hasattr(signal, "SIGCHLD"):
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # a DataLoader raises when one of its workers dies
    for helper in multiprocessing.active_children():
        helper.kill()


def _nothing() -> None:
    return


def _wait_for_device() -> None:
    import torch

    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
