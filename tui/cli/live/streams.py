"""Keeps a training alive when nobody reads its output any more.

What users expect: `trainctl run | head -1`, a closed terminal or `>&-` concern the display, hours of training they do
not. So while a run trains, output that cannot be written goes nowhere, silently; `console.log` in the run directory
still gets every line. Other commands keep the usual manners of a pipe (see `main`).
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast


def open_standard_streams() -> None:
    """Give a process that was started with closed standard streams empty ones.

    Else the first file it opens would become its standard output, and whatever prints would write into it.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115, PTH123


@contextmanager
def unbreakable_output() -> Generator[None]:
    """Within, writing to standard output and error never raises because of who reads them."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (cast("TextIO", UnbreakableStream(stream)) for stream in before)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        sys.stdout, sys.stderr = before


@contextmanager
def ending_at_once() -> Generator[None]:
    """Within, Ctrl-C or SIGTERM ends the process with one line and nothing else.

    For the time until the training handles signals itself: nothing has been written yet, and an exception raised in
    the middle of importing torch may come out as any other.
    """

    def end(number: int, frame: object) -> None:
        del frame
        os.write(2, b"trainctl: interrupted\n" if number == signal.SIGINT else b"trainctl: terminated\n")
        os._exit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class UnbreakableStream:
    """A text stream whose reader may go away. From then on it leads to nowhere."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_gone = False

    def write(self, text: str) -> int:
        """Write, or give up for good."""
        if not self._is_gone:
            try:
                return self._stream.write(text)
            except BlockingIOError:
                pass  # a terminal that takes nothing just now
            except (OSError, ValueError):  # ValueError: somebody closed it
                self._give_up()
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        """Write each."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flush, or give up for good."""
        if not self._is_gone:
            try:
                self._stream.flush()
            except (OSError, ValueError):
                self._give_up()

    def isatty(self) -> bool:
        """Whether a person may be watching; nobody is after the stream was closed."""
        try:
            return not self._is_gone and self._stream.isatty()
        except ValueError:
            return False

    def _give_up(self) -> None:
        """Point the descriptor to nowhere, so that what lies in buffers and what libraries print goes there too."""
        self._is_gone = True
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
