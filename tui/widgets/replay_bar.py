"""The line under a replay: playing or not, how fast, where, and a line to seek on. Knows the clock, no file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from textual.content import Content
from textual.events import MouseDown, MouseMove, MouseUp
from textual.message import Message
from textual.widget import Widget

from trainctl.tui.charts.chart import Chart
from trainctl.tui.charts.raster import Glyphs
from trainctl.tui.replay.clock import ReplayClock
from trainctl.tui.spoken import said

MIN_LINE = 8
"""Columns the line to seek on has at least; words give way."""


@dataclass(frozen=True)
class BarGlyphs:
    """Characters of the bar."""

    play: str
    pause: str
    done: str
    here: str
    ahead: str


SIGNS = BarGlyphs("▶", "‖", "━", "●", "─")
PLAIN_SIGNS = BarGlyphs(">", "=", "=", "O", "-")


class ReplayBar(Widget):
    """One line above the footer. Click or drag on its right part seeks.

    Args:
        clock: of the replay.
    """

    DEFAULT_CSS: ClassVar[str] = "ReplayBar { height: 1; background: $panel; padding: 0 1; }"

    @dataclass
    class Sought(Message):
        """The user wants to go to this part of the recording, 0 to 1."""

        fraction: float

    def __init__(self, clock: ReplayClock) -> None:
        super().__init__(id="replay-bar")
        self._clock = clock
        self._step = (0, 0)
        self._drawn: tuple[object, ...] = ()
        self._is_dragged = False

    def show(self, step: int, total: int) -> None:
        """Draw the present position; cheap where nothing has changed."""
        self._step = (step, total)
        drawn = (self._step, self._clock.is_playing, self._clock.speed, *self._line(), int(self._clock.position_s))
        if drawn != self._drawn:
            self._drawn = drawn
            self.refresh()

    def render(self) -> Content:
        """Sign, speed, step, time, line."""
        start, width, at = self._line()
        signs = _signs()
        words = self._words(self.size.width)
        parts = [
            Content.styled(words, "bold"),
            Content(" " * (start - cell_len(words))),
            Content.styled(signs.done * at, "$primary"),
            Content.styled(signs.here, "bold $accent"),
            Content.styled(signs.ahead * (width - at - 1), "$chart-faint"),
        ]
        return Content("").join(parts)

    def on_mouse_down(self, event: MouseDown) -> None:
        """Go there, and follow the mouse until it is let go; on the sign: play or pause."""
        start, width, _ = self._line()
        x = self._column(event)
        if start <= x < start + width:
            self._is_dragged = True
            self.capture_mouse()
            self._seek(x)
        elif x < 2:
            self._clock.toggle()

    def on_mouse_move(self, event: MouseMove) -> None:
        """Seek along."""
        if self._is_dragged:
            self._seek(self._column(event))

    def on_mouse_up(self, event: MouseUp) -> None:
        """Seek no more."""
        self._is_dragged = False
        self.release_mouse()

    def _column(self, event: MouseDown | MouseMove) -> int:
        return event.x - self.styles.padding.left

    def _seek(self, x: int) -> None:
        start, width, _ = self._line()
        self.post_message(self.Sought((x - start) / max(width - 1, 1)))

    def _line(self) -> tuple[int, int, int]:
        """First column of the line to seek on, its width, and where in it the replay is."""
        room = self.size.width
        # Figures that grow must not make the line jump: the words take the room of their longest form.
        start = min(cell_len(self._words(room)) + 2, max(room - MIN_LINE, 0))
        width = max(room - start, 1)
        return start, width, round(self._clock.fraction * (width - 1))

    def _words(self, room: int) -> str:
        """As much as leaves room for the line, the most important first."""
        clock, signs = self._clock, _signs()
        step, total = self._step
        whole = clock_words(clock.duration_s)
        at = clock_words(clock.position_s).rjust(len(whole))
        sign = signs.play if clock.is_playing else signs.pause
        figures = (
            f"{sign} {clock.speed:g}x".ljust(8),
            f"{at} / {whole}",
            _place_words(step, total),
        )
        text = ""
        for figure in figures:
            longer = f"{text}  {figure}" if text else figure
            if cell_len(longer) + 2 + MIN_LINE > room:
                break
            text = longer
        return text


def _place_words(step: int, total: int) -> str:
    """The step, as wide as the last one."""
    if not total:
        return said(f"step {step:.0f}")
    words, longest = (said(f"step {at:.0f}/{total:.0f}") for at in (step, total))
    return " " * (cell_len(longest) - cell_len(words)) + words


def clock_words(seconds: float) -> str:
    """A position as 1:02:03, or 2:03 below an hour."""
    hours, rest = divmod(int(seconds), 3600)
    minutes, rest = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _signs() -> BarGlyphs:
    return PLAIN_SIGNS if Chart.glyphs is Glyphs.ASCII else SIGNS
