"""Keeps everything the process prints in `console.log`, the task's own prints and tracebacks included.

Knows the run directory's file and the two standard streams; what a line looks like on the screen is the view's.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable
from typing import Any, TextIO, cast

from trainctl.engine.runs.layout import RunPaths

Show = Callable[[str, TextIO], None]
"""Shows text that was printed to a stream."""


class ConsoleLog:
    """Stands in front of standard output and error from creation to `close`.

    Attributes:
        show: how printed text reaches the screen; at first, straight.
    """

    def __init__(self) -> None:
        self.show: Show = write_straight
        self._file: TextIO | None = None
        self._waiting: list[str] | None = []
        self._before = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = (cast("TextIO", _Printed(stream, self)) for stream in self._before)

    @property
    def out(self) -> TextIO:
        """Standard output itself, for what is not to be kept as it is."""
        return self._before[0]

    @property
    def err(self) -> TextIO:
        """Standard error itself."""
        return self._before[1]

    def open(self, paths: RunPaths) -> None:
        """Start writing; what was printed before is written first. Nothing to do where output goes there already."""
        waiting, self._waiting = self._waiting or [], None
        if _is_same_file(self.out, paths):
            return
        with contextlib.suppress(OSError):
            self._file = paths.console.open("a", buffering=1, encoding="utf-8", errors="replace")
        for text in waiting:
            self.keep(text)

    def line(self, text: str) -> None:
        """Keep a line that was shown, with the time of day."""
        self.keep(f"{time.strftime('%H:%M:%S')} {text}\n")

    def keep(self, text: str) -> None:
        """Keep text as it is."""
        if self._waiting is not None:
            self._waiting.append(text)
        elif self._file is not None:
            # A full disk ends the run through its records, not through its log.
            with contextlib.suppress(OSError, ValueError):
                self._file.write(text)

    def close(self) -> None:
        """Give the streams back."""
        sys.stdout, sys.stderr = self._before
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()


def write_straight(text: str, stream: TextIO) -> None:
    """Show printed text without more ado."""
    stream.write(text)


class _Printed:
    """A standard stream whose text is kept and shown by the view."""

    def __init__(self, stream: TextIO, log: ConsoleLog) -> None:
        self._stream, self._log = stream, log

    def write(self, text: str) -> int:
        self._log.keep(text)
        self._log.show(text, self._stream)
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _is_same_file(stream: TextIO, paths: RunPaths) -> bool:
    try:
        ours, log = os.fstat(stream.fileno()), paths.console.stat()
    except (OSError, ValueError):
        return False
    return (ours.st_dev, ours.st_ino) == (log.st_dev, log.st_ino)
