"""Keeps everything the process prints in `console.log`, the task's own prints and tracebacks included.

Knows the run directory's file and the two standard streams; what a line looks like on the screen is the view's.
"""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, TextIO, cast

from trainctl.engine.runs.layout import RunPaths

Show = Callable[[str, TextIO], None]
"""Shows text that was printed to a stream."""


MOST_WAITING = 10_000
"""Pieces of text that wait for the disk."""
LAST_S = 2.0
"""How long the end waits for it."""


class ConsoleLog:
    """Stands in front of standard output and error from creation to `close`.

    Attributes:
        show: how printed text reaches the screen; at first, straight.
    """

    def __init__(self) -> None:
        self.show: Show = write_straight
        self._keeper: _Keeper | None = None
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
            self._keeper = _Keeper(paths.console.open("a", encoding="utf-8", errors="replace"))
        for text in waiting:
            self.keep(text)

    def line(self, text: str) -> None:
        """Keep a line that was shown, with the time of day."""
        self.keep(f"{time.strftime('%H:%M:%S')} {text}\n")

    def keep(self, text: str) -> None:
        """Keep text as it is."""
        if self._waiting is not None:
            self._waiting.append(text)
        elif self._keeper is not None:
            self._keeper.keep(text)

    def close(self) -> None:
        """Give the streams back."""
        sys.stdout, sys.stderr = self._before
        if self._keeper is not None:
            self._keeper.close()


def write_straight(text: str, stream: TextIO) -> None:
    """Show printed text without more ado."""
    stream.write(text)


class _Keeper:
    """Writes text to a file in a thread of its own: a disk that takes its time must not hold up who prints."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._queue: queue.Queue[str | None] = queue.Queue(MOST_WAITING)
        self._thread = threading.Thread(target=self._run, name="trainctl-console", daemon=True)
        self._thread.start()

    def keep(self, text: str) -> None:
        """Write it soon; where too much waits already it is lost."""
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(text)

    def close(self) -> None:
        """Write what waits, for a moment at most."""
        with contextlib.suppress(queue.Full):
            self._queue.put(None, timeout=LAST_S)
            self._thread.join(LAST_S)

    def _run(self) -> None:
        while (text := self._queue.get()) is not None:
            with contextlib.suppress(OSError, ValueError):  # a log is not worth a training
                self._file.write(text)
                if self._queue.empty():
                    self._file.flush()
        with contextlib.suppress(OSError):
            self._file.close()


class _Printed:
    """A standard stream whose text is kept and shown by the view."""

    def __init__(self, stream: TextIO, log: ConsoleLog) -> None:
        self._stream, self._log = stream, log

    def write(self, text: str) -> int:
        if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # whoever tries learns what we are
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
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
