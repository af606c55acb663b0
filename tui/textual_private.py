"""Every private name of Textual that the cockpit uses, in one place. Knows Textual, nothing of ours.

What a newer Textual takes away shows in `tests/tui/test_textual_private.py` and is mended here.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from textual.app import App
from textual.command import CommandPalette
from textual.content import Content
from textual.geometry import Region
from textual.screen import Screen
from textual.widget import Widget

# pyright: reportPrivateUsage=false


def as_if_pushed(screen: Screen[Any]) -> None:
    """Let another screen take the place of one that was not pushed: Textual looks for the callback of a push."""
    screen._push_result_callback(screen, None)


def num_unwritten(app: App[Any]) -> int:
    """Pieces of output that wait for the terminal; 0 where the driver does not tell."""
    writer = getattr(app._driver, "_writer_thread", None)
    queue = getattr(writer, "_queue", None)
    return queue.qsize() if queue is not None else 0


def send_to_terminal(app: App[Any], sequence: str) -> None:
    """Send the terminal what is no picture; nothing where there is none, or a browser."""
    if app._driver is not None and not app.is_headless and not app.is_web:
        app._driver.write(sequence)
        app._driver.flush()


def set_title(widget: Widget, title: Content) -> None:
    """Text in the upper border of a widget with a border of one cell all round.

    Setting `border_title` draws the whole widget again; here it is the row of the border.
    """
    if _same(widget._border_title, title):
        return
    if widget.is_mounted:
        widget._border_title = title
        widget.refresh(Region(-1, -1, widget.size.width + 2, 1))
    else:
        widget.border_title = title


def set_subtitle(widget: Widget, subtitle: Content) -> None:
    """As `set_title`, in the lower border."""
    if _same(widget._border_subtitle, subtitle):
        return
    if widget.is_mounted:
        widget._border_subtitle = subtitle
        widget.refresh(Region(-1, widget.size.height, widget.size.width + 2, 1))
    else:
        widget.border_subtitle = subtitle


def _same(present: Content | None, wanted: Content) -> bool:
    return present is not None and present.plain == wanted.plain and present.spans == wanted.spans


class PatientPalette(CommandPalette):
    """A palette that may be paged through before its list is laid out."""

    def _action_command_list(self, action: str) -> None:
        with suppress(LookupError):  # a page up or down in a list that has just been filled
            super()._action_command_list(action)
