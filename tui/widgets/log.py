"""What the process printed and what happened, newest last. Gets lines; reads no files."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual.content import Content
from textual.widgets import RichLog

from trainctl.engine.runs.events import Event
from trainctl.tui.verdict import Severity
from trainctl.tui.wording import event_words

MAX_LINES = 2000


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

    def on_mount(self) -> None:
        """Show the heading."""
        self.border_title = Content.styled(self.heading, "bold")

    def add(self, events: Iterable[Event], console: Iterable[str]) -> None:
        """Append what is new."""
        for line in console:
            if line.strip():
                self.last_words = line.strip()
                self.write(Text(line))
        for event in events:
            self.write(self._event_line(event))

    def _event_line(self, event: Event) -> Text:
        severity, words = event_words(event)
        clock = time.strftime("%H:%M:%S", time.localtime(event.time))
        head = Text(f"{clock} step {event.step:<6} ", self._style("log--step"))
        return head + Text(f"{severity.symbol} {words}", self._style(f"log--{severity}"))

    def _style(self, name: str) -> Style:
        # Only the colour: the background belongs to the theme, which may change after the line was written.
        style = self.get_component_rich_style(name, partial=True)
        return Style(color=style.color, bold=style.bold)
