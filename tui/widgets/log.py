"""What the process printed and what happened, newest last. Gets lines; reads no files."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Iterable
from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual.content import Content
from textual.events import Resize
from textual.widgets import RichLog

from trainctl.engine.errors import UserError
from trainctl.engine.runs.events import Event
from trainctl.tui.scene import Scene
from trainctl.tui.verdict import Severity
from trainctl.tui.view import RunView
from trainctl.tui.wording import event_words

MAX_LINES = 2000
REMEMBERED = 64
"""Events whose echo on the console is recognised."""
MIN_ECHO = 12
"""Characters below which a line is never taken for an echo."""


class LogPanel(RichLog, can_focus=True):
    """Console and events in the order they arrived."""

    heading: ClassVar[str] = "Log"
    COMPONENT_CLASSES: ClassVar[set[str]] = {*(f"log--{severity}" for severity in Severity), "log--step"}
    DEFAULT_CSS = """
    LogPanel { height: 1fr; border: round $chart-border; border-title-color: $foreground; background: $background;
               scrollbar-size-vertical: 1; padding: 0; }
    LogPanel:focus { border: round $accent; }
    LogPanel > .log--ok { color: $success; }
    LogPanel > .log--note { color: $foreground; }
    LogPanel > .log--warning { color: $warning; }
    LogPanel > .log--error { color: $error; text-style: bold; }
    LogPanel > .log--step { color: $chart-label; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, max_lines=MAX_LINES, wrap=True, markup=False, highlight=False, min_width=20)
        self.last_words = ""
        self.filter = ""
        self._pattern = compiled_filter("")
        self._entries: deque[str | Event] = deque(maxlen=MAX_LINES)
        self._said: deque[str] = deque(maxlen=REMEMBERED)
        self._wrapped_at = 0

    def on_mount(self) -> None:
        """Show the heading."""
        self.border_title = Content.styled(self.heading, "bold")
        self.app.theme_changed_signal.subscribe(self, lambda _: self._write_again())

    def on_resize(self, event: Resize) -> None:
        """Wrap again: a line that was written is not wrapped anew by itself."""
        if self._wrapped_at not in (0, event.size.width):
            self._write_again()
        self._wrapped_at = event.size.width

    def _write_again(self) -> None:
        self.clear()
        for entry in self._entries:
            self._write_entry(entry)

    def add(self, events: Iterable[Event], console: Iterable[str]) -> None:
        """Append what is new."""
        events = list(events)
        self._said.extend(plain_words(event_words(event)[1]) for event in events)
        printed = [line for line in console if line.strip() and not self._is_echo(line)]
        self.last_words = printed[-1].strip() if printed else self.last_words
        # The console last: when a run has just died, its traceback is what must be seen.
        for entry in (*events, *printed):
            self._entries.append(entry)
            self._write_entry(entry)

    def forget(self) -> None:
        """Start over without a line; the filter stays."""
        self._entries.clear()
        self._said.clear()
        self.last_words = ""
        self.clear()

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
        self._write_again()

    def _is_echo(self, line: str) -> bool:
        """Whether a trainer's own display printed an event, whole or folded, that stands here already."""
        words = plain_words(line)
        return any(
            len(min(words, said, key=len)) >= MIN_ECHO and (words in said or said in words) for said in self._said
        )

    def _write_entry(self, entry: str | Event) -> None:
        line = Text(entry) if isinstance(entry, str) else self._event_line(entry)
        if self._pattern.search(line.plain):
            self.write(line, expand=True)

    def _event_line(self, event: Event) -> Text:
        severity, words = event_words(event)
        clock = time.strftime("%H:%M:%S", time.localtime(event.time))
        head = Text(f"{clock} step {event.step:<6} ", self._style("log--step"))
        return head + Text(f"{severity.symbol} {words}", self._style(f"log--{severity}"))

    def _style(self, name: str) -> Style:
        # Only the colour: the background belongs to the theme, which may change after the line was written.
        style = self.get_component_rich_style(name, partial=True)
        return Style(color=style.color, bold=style.bold)


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
