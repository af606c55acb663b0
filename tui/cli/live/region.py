"""A few lines at the bottom of the terminal that are redrawn in place, with ordinary output above them.

Survives a resize and leaves a killed process's terminal usable: nothing is hidden and no mode is changed, so there is
nothing to restore. Knows terminals, not runs.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import threading
from collections.abc import Callable, Sequence
from typing import TextIO

from trainctl.tui.plain import printable

STYLES = {"": "", "bold": "1", "dim": "2", "green": "32", "warning": "1;33", "error": "1;31"}
"""Our names of styles, and the parameters of the terminal's SGR sequence (ECMA-48 §8.3.117)."""
RAW = "raw"
"""Style of what the process printed by itself: it goes to the terminal as it is, its own colours included."""

Piece = tuple[str, str]
"""Text and the name of its style."""


def terminal_width() -> int:
    """Columns of the terminal now.

    Asks the terminal, not `COLUMNS`: what a shell or readline put there is not corrected when the window is resized.
    """
    with contextlib.suppress(OSError, ValueError):
        columns = os.get_terminal_size(sys.__stdout__.fileno()).columns if sys.__stdout__ else 0
        if columns > 0:
            return columns
    return shutil.get_terminal_size().columns


class LiveRegion:
    """The lines and where they are.

    Args:
        stream: the terminal.
        is_coloured: whether styles are shown.
        width: columns of the terminal now.
    """

    def __init__(self, stream: TextIO, *, is_coloured: bool, width: Callable[[], int] = terminal_width) -> None:
        self._stream, self._is_coloured, self._width = stream, is_coloured, width
        self._drawn: list[int] = []  # columns of each line on the screen
        self._lines: Sequence[Sequence[Piece]] = ()
        self._lock = threading.RLock()  # the display's thread draws, the training's prints

    def draw(self, lines: Sequence[Sequence[Piece]]) -> None:
        """Replace the lines. None may be wider than the terminal."""
        with self._lock:
            self._lines = lines
            self._put("")

    def write_above(self, *lines: Sequence[Piece]) -> None:
        """Add whole lines above."""
        with self._lock:
            self._put("".join(self._styled(line) + "\n" for line in lines))

    def erase(self) -> None:
        """Remove the lines."""
        self.draw(())

    def _put(self, above: str) -> None:
        lines = "".join(self._styled(line) + "\n" for line in self._lines)
        self._stream.write(self._to_the_top() + above + lines)
        self._stream.flush()
        self._drawn = [sum(map(_columns, line)) for line in self._lines]

    def _to_the_top(self) -> str:
        if not self._drawn:
            return ""
        # In a window that has become narrower, the terminal has wrapped what was drawn.
        width = max(self._width(), 1)
        rows = sum(max(1, -(-columns // width)) for columns in self._drawn)
        return f"\x1b[{rows}A\r\x1b[J"

    def _styled(self, line: Sequence[Piece]) -> str:
        return "".join(text if style == RAW else self._piece(printable(text), STYLES[style]) for text, style in line)

    def _piece(self, text: str, parameters: str) -> str:
        return f"\x1b[{parameters}m{text}\x1b[0m" if parameters and self._is_coloured else text


def _columns(piece: Piece) -> int:
    from rich.cells import cell_len

    return cell_len(printable(piece[0]))
