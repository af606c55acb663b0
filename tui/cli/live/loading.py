"""Shows on standard error how far the loading of data is, where a person may be watching. Knows no data."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import TextIO

from trainctl.engine.data.progress import reporting_to
from trainctl.tui.cli.live.region import LiveRegion, terminal_width

PATIENCE_S = 0.5
"""What takes no longer is not shown."""
REDRAW_S = 0.1
BAR_COLUMNS = 24
MIN_COLUMNS = 40
"""A narrower terminal shows no bar, only figures."""


class LoadingBar:
    """One line that says what is done and how far it is; gone when that is finished.

    Args:
        stream: a terminal.
        is_coloured: whether styles are shown.
    """

    def __init__(self, stream: TextIO, *, is_coloured: bool) -> None:
        self._stream = stream
        self._region = LiveRegion(stream, is_coloured=is_coloured)
        self._what = ""
        self._began_s = self._drawn_s = 0.0
        self._is_shown = False

    def report(self, what: str, done: int, total: int) -> None:
        """As `engine.data.progress.report`."""
        now = time.monotonic()
        if what != self._what:
            self._what, self._began_s = what, now
        if done >= total:
            self.close()
        elif now - self._began_s > PATIENCE_S and now - self._drawn_s > REDRAW_S:
            left_s = (now - self._began_s) / max(done, 1) * (total - done)
            encoding = getattr(self._stream, "encoding", None) or "ascii"
            line = bar_line(what, done, total, left_s, terminal_width(), encoding)
            self._region.draw([[(line, "dim")]])
            self._drawn_s, self._is_shown = now, True

    def close(self) -> None:
        """Remove the line."""
        if self._is_shown:
            self._region.erase()
        self._what, self._is_shown = "", False


def bar_line(what: str, done: int, total: int, left_s: float, width: int, encoding: str = "utf-8") -> str:
    """`reading photographs ━━━━────  12/48  3 s left`, no wider than `width` columns."""
    full, empty = ("━", "─") if encoding.lower().startswith("utf") else ("#", "-")
    filled = round(BAR_COLUMNS * done / max(total, 1))
    bar = f" {full * filled}{empty * (BAR_COLUMNS - filled)} " if width >= len(what) + MIN_COLUMNS else " "
    return f"{what}{bar} {done:,}/{total:,}  {left_s:.0f} s left"[: max(width - 1, 0)]


@contextmanager
def loading_shown() -> Generator[None]:
    """Within, loaders that say how far they are are shown, if standard error is a terminal."""
    stream = sys.stderr
    if not stream.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        yield
        return
    bar = LoadingBar(stream, is_coloured="NO_COLOR" not in os.environ)
    with reporting_to(bar.report):
        try:
            yield
        finally:
            bar.close()
