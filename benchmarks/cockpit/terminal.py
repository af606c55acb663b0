"""A terminal of the benchmark's own: starts a program in a pseudo-terminal, drains it, and times what it shows.

Everything happens in the calling thread: nothing is read, and so nothing is drawn for long, unless one of the methods
is being called. Knows no cockpit.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from types import TracebackType

COLUMNS, ROWS = 160, 50
PATIENCE_S = 60.0
"""How long to wait for a text before giving up."""
CHUNK = 1 << 16
OVERLAP = 256
"""Bytes before a chunk in which a text may have begun."""
KEPT = 1 << 16
"""Bytes of text kept, for messages."""

_ESCAPE = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[PX^_][^\x1b]*\x1b\\|[ -/]*[0-~])")
_TORN = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]*\x1b?|[PX^_][^\x1b]*\x1b?|[ -/]*)?\Z")
_MOVE = re.compile(rb"\x1b\[[0-9;]*[Hf]")
_ASKS_SYNC = b"\x1b[?2026$p"
_HAS_SYNC = b"\x1b[?2026;2$y"
"""What a terminal answers that can hold back a frame until it is complete, as tmux and all newer ones can."""

_LEFT_OUT = {
    "COLUMNS",
    "LINES",
    "NO_COLOR",
    "TMUX",
    "TERM_PROGRAM",
    "TEXTUAL",
    "FORCE_COLOR",
    "PYTHONDONTWRITEBYTECODE",
}


class PlainText:
    """Takes the escape sequences out of a stream that arrives in pieces; a movement of the cursor becomes a newline."""

    def __init__(self) -> None:
        self._torn = b""

    def feed(self, data: bytes) -> bytes:
        """The text of the next piece; an unfinished sequence waits for the next one."""
        data = self._torn + data
        torn = _TORN.search(data)
        self._torn = data[torn.start() :] if torn else b""
        return _ESCAPE.sub(b"", _MOVE.sub(b"\n", data[: len(data) - len(self._torn)]))


class Terminal:
    """A program in a terminal. Use as a context manager: leaving it ends the program.

    Args:
        argv: the program.
        environ: variables beside the usual ones of a terminal with all colours.
        columns, rows: its size.

    Attributes:
        started: when the program was started, by `time.perf_counter`.
        pid: its process.
    """

    def __init__(
        self,
        argv: Sequence[str],
        environ: Mapping[str, str] | None = None,
        columns: int = COLUMNS,
        rows: int = ROWS,
    ) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self._plain, self._text, self._unsearched = PlainText(), b"", b""
        self.started = time.perf_counter()
        self._process = subprocess.Popen(
            argv, stdin=slave, stdout=slave, stderr=slave, env=_variables(environ or {}), start_new_session=True
        )
        os.close(slave)
        self.pid = self._process.pid

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def press(self, key: str) -> float:
        """Type something; returns when, by `time.perf_counter`."""
        when = time.perf_counter()
        os.write(self._master, key.encode())
        return when

    def wait_for(self, pattern: bytes, patience_s: float = PATIENCE_S) -> float:
        """Read until the text matches, ignoring what an earlier match consumed; returns when, by `perf_counter`.

        Raises:
            RuntimeError: it ended, or did not show it in time; the message holds what it showed last.
        """
        wanted, limit = re.compile(pattern), time.perf_counter() + patience_s
        while not (found := wanted.search(self._unsearched)):
            self._unsearched = self._unsearched[-OVERLAP:]
            if not self._read(limit):
                raise RuntimeError(
                    f"{pattern!r} was not shown; last came: {self._text[-2000:].decode(errors='replace')}"
                )
        when = time.perf_counter()
        self._unsearched = self._unsearched[found.end() :]
        return when

    def drain(self, seconds: float) -> int:
        """Read for so long; returns how many bytes came."""
        limit, count = time.perf_counter() + seconds, 0
        while (size := self._read(limit)) is not None:
            count += size
        self.forget()
        return count

    def forget(self) -> None:
        """Let `wait_for` see only what is shown from now on."""
        self._unsearched = b""

    def close(self) -> None:
        """End the program; again is harmless."""
        if self._master < 0:
            return
        self._process.kill()
        self._process.wait()
        os.close(self._master)
        self._master = -1

    def _read(self, limit: float) -> int | None:
        """Bytes of the next piece; None if there is none until `limit`."""
        left = limit - time.perf_counter()
        if left <= 0 or not select.select([self._master], [], [], left)[0]:
            return None
        try:
            data = os.read(self._master, CHUNK)
        except OSError:  # Linux says so when the program has closed its side
            return None
        if _ASKS_SYNC in data:
            os.write(self._master, _HAS_SYNC)
        text = self._plain.feed(data)
        self._text = (self._text + text)[-KEPT:]
        self._unsearched += text
        return len(data)


def _variables(changes: Mapping[str, str]) -> dict[str, str]:
    """As in a terminal with all colours, whatever the benchmark itself runs in, and without settings of the user."""
    kept = {name: value for name, value in os.environ.items() if name not in _LEFT_OUT}
    nowhere = {"XDG_CONFIG_HOME": "/nonexistent", "XDG_STATE_HOME": "/nonexistent"}
    return {**kept, **nowhere, "TERM": "xterm-256color", "COLORTERM": "truecolor", **changes}
