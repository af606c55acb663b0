"""What the process printed and what happened, newest last. Gets lines; reads no files.

A line costs its length when it comes, and is drawn when it is seen: a run that is opened brings hundreds at once.
"""

from __future__ import annotations

import re
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import ClassVar

from rich.cells import cell_len
from textual.content import Content
from textual.events import Resize
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.visual import Visual

from trainctl.engine.errors import UserError
from trainctl.engine.runs.events import Event, EventKind
from trainctl.tui.charts.framed import frame_css
from trainctl.tui.charts.room import FRAME_ROWS, Demand
from trainctl.tui.plain import fitted, printable
from trainctl.tui.run.scene import Scene
from trainctl.tui.run.view import RunView
from trainctl.tui.spoken import said, said_in_parts
from trainctl.tui.widgets.validation import monitored
from trainctl.tui.words.events import event_words, validation_in_brief
from trainctl.tui.words.styles import LOG

MAX_LINES = 2000
REMEMBERED = MAX_LINES
"""Events whose echo on the console is recognised: as many as the part of a console that is read can hold."""
MIN_ECHO = 12
"""Characters below which a line is never taken for an echo."""
MOST_BEFORE = 5
"""Words that a display puts before an event at most."""
LEAST_ROWS = 4
CLOCK_WIDTH = 70
"""Columns from which on the time of day stands before an event."""
FIGURES = (EventKind.START, EventKind.PLAN, EventKind.EPOCH, EventKind.VALIDATION)
"""Events that say many figures: they take one row each, as a table would, and no paragraph."""
STEP_COLUMNS = 12
"""Of the step before an event, up to six digits of it."""
MIN_WIDTH = 20
"""Columns below which lines are cut off, not wrapped."""
PARTED = re.compile(" {2,}")
"""Between two parts of an event's words."""
LEADING = {EventKind.EPOCH: 3}
"""Parts up to the first figure, where it is not in the first part."""
MORE = "  +99"
"""What says at most how many parts are left out."""
Parts = tuple[tuple[str, str], ...]
"""Pieces of a line with their styles."""


@dataclass(frozen=True)
class _Line:
    """A printed line, or an event."""

    entry: str | Event

    @cached_property
    def parts(self) -> Parts:
        """Pieces of text with their styles."""
        if isinstance(self.entry, str):
            return ((printable(self.entry.expandtabs()), ""),)
        severity, words = event_words(self.entry)
        clock = time.strftime("%H:%M:%S", time.localtime(self.entry.time))
        words, step = f"{severity.symbol} {printable(said_in_parts(words))}", said(f"step {self.entry.step:.0f}")
        step += " " * max(STEP_COLUMNS - cell_len(step), 1)
        return (f"{clock} ", "$chart-label"), (step, "$chart-label"), (words, LOG[severity])

    @cached_property
    def plain(self) -> str:
        return "".join(text for text, _ in self.parts)

    def num_rows(self, width: int) -> int:
        if not isinstance(self.entry, str) and self.entry.kind in FIGURES:
            return 1
        text = self.shown(width).plain
        return 1 if cell_len(text) <= width else len(Content(text).wrap(width))

    def row(self, k: int, width: int, metric: str | None) -> Content:
        line = self.shown(width, metric)
        return line if line.cell_length <= width else line.wrap(width)[k]

    def shown(self, width: int, metric: str | None = None) -> Content:
        """The whole line, without the time of day where there is little room; of figures those that fit one row.

        Args:
            width: columns there are.
            metric: that decides which checkpoint is best: what is shown of a validation in any case.
        """
        parts = self.parts
        if not isinstance(self.entry, str) and width < CLOCK_WIDTH:
            parts = parts[1:]
        if not isinstance(self.entry, str) and self.entry.kind in FIGURES and _columns(parts) > width:
            parts = self._fitted(self.entry, width, metric)
        return Content("").join([Content.styled(text, style) if style else Content(text) for text, style in parts])

    def _fitted(self, event: Event, width: int, metric: str | None) -> Parts:
        """Figures that fit one row: the clock goes before any of them, the step before the last."""
        _, step, (words, style) = self.parts
        if event.kind is EventKind.VALIDATION:
            words = f"{words[0]} {printable(said_in_parts(validation_in_brief(event.data, metric)))}"
        room = width - cell_len(step[0])
        first = "  ".join(PARTED.split(words)[: LEADING.get(event.kind, 1)])
        if cell_len(first) + len(MORE) > room:
            return ((fitted(words, width), style),)
        return (step, (fitted(words, room), style))


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
        self._said: deque[tuple[str, Event]] = deque(maxlen=REMEMBERED)
        """Events in words."""
        self._unheard: list[Event] = []
        """Events that were not put into words yet."""
        self._rows: list[tuple[_Line, int]] = []
        """What is on each row: a line, and which row of it."""
        self._width = 0
        self._metric: str | None = None
        self._follows = True

    @property
    def entries(self) -> Iterator[str | Event]:
        """All there is, oldest first."""
        return (line.entry for line in self._lines)

    def on_mount(self) -> None:
        """Show the heading."""
        self.border_title = Content.styled(said(self.heading), "bold")

    def demand(self, width: int) -> Demand:
        """A few lines, and whatever nobody else needs."""
        del width
        return Demand(LEAST_ROWS + FRAME_ROWS, weight=2)

    def on_resize(self, event: Resize) -> None:
        """Wrap again."""
        self._lay_out_again()

    def add(self, events: Iterable[Event], console: Iterable[str], heard: Sequence[Event] = ()) -> None:
        """Append what is new.

        Args:
            events: to be shown, oldest first.
            console: printed lines, oldest first. What repeats an event is left out, and says when it was printed.
            heard: events that are too many to be shown, but may stand on the console as well; `events` are the newest.
        """
        events = list(events)
        self._unheard += heard or events
        self._unheard = self._unheard[-REMEMBERED:]
        lines = [line for line in console if line.strip()]
        if lines:
            self._remember()
        new = [_Line(entry) for entry in self._in_order(events, lines)][-MAX_LINES:]
        if new:
            self._drop(len(self._lines) + len(new) - MAX_LINES)
            self._lines.extend(new)
            self._lay_out(new)

    def _remember(self) -> None:
        """Know in words what was heard: only where something is printed, as it takes its time."""
        self._said.extend((plain_words(event_words(event)[1]), event) for event in self._unheard)
        self._unheard = []

    def _in_order(self, events: Sequence[Event], lines: Sequence[str]) -> Iterator[str | Event]:
        """Events and printed lines as they came, as far as lines that repeat an event tell.

        What is printed between two such lines came between the two events. Behind the last of them the console comes
        last: when a run has just died, its traceback is what must be seen.
        """
        place, echoes = {id(event): k for k, event in enumerate(events)}, _Echoes(self._said)
        done, waiting = 0, list[str]()
        for line in lines:
            words = plain_words(line)
            echoed = echoes.of(words)
            if not echoed:
                waiting.append(line)
                self.last_words = line.strip()
                continue
            self.last_words = ""  # whoever printed it has lived on
            begun = (event for said, event in echoed if said in words or said.startswith(words))
            at = next((at for event in begun if (at := place.get(id(event), -1)) >= done), None)
            if at is not None:
                yield from events[done:at]
                done = at
            # Of no event that is due: the rest of one, or of one that stands there already or is too old to be shown.
            yield from waiting
            waiting.clear()
            if at is not None:
                yield events[at]
                done = at + 1
        yield from events[done:]
        yield from waiting

    def forget(self) -> None:
        """Start over without a line; the filter stays."""
        self._lines.clear()
        self._said.clear()
        self._unheard.clear()
        self.last_words = ""
        self._lay_out_again()

    def show(self, view: RunView, scene: Scene) -> None:
        """Lines come by `add`; what matters most in a validation is the run's to say."""
        metric = monitored(view)
        if metric != self._metric:
            self._metric = metric
            self.refresh()

    def set_filter(self, text: str) -> None:
        """Show only entries in which the pattern is found; empty: all.

        Raises:
            UserError: not a regular expression.
        """
        self._pattern = compiled_filter(text)
        self.filter = text.strip()
        self.border_subtitle = Content(said(f"only: {self.filter}") if self.filter else "")
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
        row = line.row(k, self._width, self._metric).truncate(width)
        strips = Visual.to_strips(self, row, width, 1, style, pad=True)
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


def _columns(parts: Parts) -> int:
    return sum(cell_len(text) for text, _ in parts)


class _Echoes:
    """Finds the events that a printed line repeats. Costs the length of the line and of the text, not their product.

    Args:
        said: events in words, oldest first.
    """

    def __init__(self, said: Iterable[tuple[str, Event]]) -> None:
        self._said = list(said)
        self._text = "\n".join(words for words, _ in self._said)
        self._starts = [0, *accumulate(len(words) + 1 for words, _ in self._said)]
        self._by_head: dict[str, list[tuple[str, Event]]] = {}
        for words, event in self._said:
            if len(words) >= MIN_ECHO:
                self._by_head.setdefault(words[:MIN_ECHO], []).append((words, event))

    def of(self, line: str) -> list[tuple[str, Event]]:
        """Events, in words and as such, that a line repeats, whole or folded; none: somebody else printed it."""
        if len(line) < MIN_ECHO:
            return []
        found, at = list[tuple[str, Event]](), self._text.find(line)
        while at >= 0:
            found.append(self._said[bisect_right(self._starts, at) - 1])
            end = self._text.find("\n", at)
            at = self._text.find(line, end) if end >= 0 else -1
        if found:
            return found
        begins = [0, *(match.end() for match in re.finditer(" ", line))][:MOST_BEFORE]
        heads = (entry for at in begins for entry in self._by_head.get(line[at : at + MIN_ECHO], ()))
        return [(words, event) for words, event in heads if words in line]


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
