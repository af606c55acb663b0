"""What the process printed and what happened, newest last. Gets lines; reads no files.

A line costs its length when it comes, and is drawn when it is seen: a run that is opened brings hundreds at once.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from rich.cells import cell_len
from textual.content import Content
from textual.events import Resize
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.visual import Visual

from trainctl.engine.errors import UserError
from trainctl.engine.runs.events import Event
from trainctl.tui.charts.framed import frame_css
from trainctl.tui.plain import printable
from trainctl.tui.run.scene import Scene
from trainctl.tui.run.view import RunView
from trainctl.tui.words.events import event_words
from trainctl.tui.words.styles import LOG

MAX_LINES = 2000
REMEMBERED = 64
"""Events whose echo on the console is recognised."""
MIN_ECHO = 12
"""Characters below which a line is never taken for an echo."""
MIN_WIDTH = 20
"""Columns below which lines are cut off, not wrapped."""


@dataclass(frozen=True)
class _Line:
    """A printed line, or an event."""

    entry: str | Event

    @cached_property
    def parts(self) -> tuple[tuple[str, str], ...]:
        """Pieces of text with their styles."""
        if isinstance(self.entry, str):
            return ((printable(self.entry.expandtabs()), ""),)
        severity, words = event_words(self.entry)
        clock = time.strftime("%H:%M:%S", time.localtime(self.entry.time))
        words = f"{severity.symbol} {printable(words)}"
        return (f"{clock} step {self.entry.step:<6} ", "$chart-label"), (words, LOG[severity])

    @cached_property
    def plain(self) -> str:
        return "".join(text for text, _ in self.parts)

    def num_rows(self, width: int) -> int:
        return 1 if cell_len(self.plain) <= width else len(Content(self.plain).wrap(width))

    def row(self, k: int, width: int) -> Content:
        line = Content("").join([Content.styled(text, style) if style else Content(text) for text, style in self.parts])
        return line if cell_len(self.plain) <= width else line.wrap(width)[k]


class LogPanel(ScrollView, can_focus=True):
    """Console and events in the order they arrived. Follows its end, unless an earlier line is looked at."""

    heading: ClassVar[str] = "Log"
    DEFAULT_CSS = frame_css(
        "LogPanel",
        "background: $background; padding: 0; scrollbar-size-vertical: 1; overflow-x: hidden; overflow-y: scroll;",
    )

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.last_words = ""
        self.filter = ""
        self._pattern = compiled_filter("")
        self._lines: deque[_Line] = deque()
        self._said: deque[str] = deque(maxlen=REMEMBERED)
        self._rows: list[tuple[_Line, int]] = []
        """What is on each row: a line, and which row of it."""
        self._width = 0
        self._follows = True

    @property
    def entries(self) -> Iterator[str | Event]:
        """All there is, oldest first."""
        return (line.entry for line in self._lines)

    def on_mount(self) -> None:
        """Show the heading."""
        self.border_title = Content.styled(self.heading, "bold")

    def on_resize(self, event: Resize) -> None:
        """Wrap again."""
        self._lay_out_again()

    def add(self, events: Iterable[Event], console: Iterable[str]) -> None:
        """Append what is new."""
        events = list(events)
        self._said.extend(plain_words(event_words(event)[1]) for event in events[-REMEMBERED:])
        printed = [line for line in console if line.strip() and not self._is_echo(line)]
        self.last_words = printed[-1].strip() if printed else self.last_words
        # The console last: when a run has just died, its traceback is what must be seen.
        new = [_Line(entry) for entry in (*events, *printed)][-MAX_LINES:]
        if new:
            self._drop(len(self._lines) + len(new) - MAX_LINES)
            self._lines.extend(new)
            self._lay_out(new)

    def forget(self) -> None:
        """Start over without a line; the filter stays."""
        self._lines.clear()
        self._said.clear()
        self.last_words = ""
        self._lay_out_again()

    def show(self, view: RunView, scene: Scene) -> None:
        """Nothing: lines come by `add`."""

    def set_filter(self, text: str) -> None:
        """Show only entries in which the pattern is found; empty: all.

        Raises:
            UserError: not a regular expression.
        """
        self._pattern = compiled_filter(text)
        self.filter = text.strip()
        self.border_subtitle = Content(f"only: {self.filter}" if self.filter else "")
        self._lay_out_again()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Whoever scrolls back to the end follows it again."""
        super().watch_scroll_y(old_value, new_value)
        self._follows = new_value >= self.max_scroll_y

    def render_line(self, y: int) -> Strip:
        """One row on the screen."""
        at, width = y + self.scroll_offset.y, self.scrollable_content_region.width
        style = self.visual_style
        if at >= len(self._rows):
            return Strip.blank(width, style.rich_style)
        line, k = self._rows[at]
        strips = Visual.to_strips(self, line.row(k, self._width).truncate(width), width, 1, style, pad=True)
        return strips[0] if strips else Strip.blank(width, style.rich_style)

    def _lay_out_again(self) -> None:
        self._width = max(self.scrollable_content_region.width, MIN_WIDTH)
        self._rows.clear()
        self._lay_out(self._lines)

    def _lay_out(self, lines: Iterable[_Line]) -> None:
        """Give lines their rows, behind those that are there, as soon as the width is known."""
        if not self._width:
            return
        for line in lines:
            if not self.filter or self._pattern.search(line.plain):
                self._rows.extend((line, k) for k in range(line.num_rows(self._width)))
        self.virtual_size = Size(self._width, len(self._rows))
        if self._follows:
            self.scroll_end(animate=False, immediate=False, x_axis=False)
        self.refresh()

    def _drop(self, count: int) -> None:
        """Forget the oldest lines; what is looked at stays where it is."""
        gone = {id(self._lines.popleft()) for _ in range(min(count, len(self._lines)))}
        num_rows = next((k for k, (line, _) in enumerate(self._rows) if id(line) not in gone), len(self._rows))
        del self._rows[:num_rows]
        if num_rows and not self._follows:
            self.scroll_to(y=self.scroll_y - num_rows, animate=False, immediate=True)

    def _is_echo(self, line: str) -> bool:
        """Whether a trainer's own display printed an event, whole or folded, that stands here already."""
        words = plain_words(line)
        return any(
            len(min(words, said, key=len)) >= MIN_ECHO and (words in said or said in words) for said in self._said
        )


def compiled_filter(text: str) -> re.Pattern[str]:
    """The pattern of a filter; upper and lower case are the same.

    Raises:
        UserError: not a regular expression.
    """
    try:
        return re.compile(text.strip(), re.IGNORECASE)
    except re.error as err:
        raise UserError(f"{text!r} is not a regular expression: {err}", "put \\ before signs like ( [ * +") from err


def plain_words(text: str) -> str:
    """`text` without the time of day in front and with single spaces."""
    return re.sub(r"^\d\d:\d\d:\d\d ", "", " ".join(text.split()))
