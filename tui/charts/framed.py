"""A bordered widget whose border texts change often: only the row of the border is drawn again, not the widget.

Textual draws a widget anew when its `border_title` is set. Charts, whose legend holds live values, would then be sent
to the terminal whole several times a second. Knows no chart.
"""

from __future__ import annotations

from rich.cells import cell_len
from textual.content import Content
from textual.widget import Widget

from trainctl.tui import textual_private
from trainctl.tui.plain import fitted
from trainctl.tui.spoken import said

BORDER_WORDS = 4
"""Columns of a border's inside that its words leave to its line."""


def frame_css(widget: str, more: str = "") -> str:
    """The rules of every bordered panel, for the `DEFAULT_CSS` of one.

    Args:
        widget: name of its class.
        more: further declarations, each with its semicolon; they overrule those of the frame.
    """
    return f"""
    {widget} {{ height: 1fr; border: round $chart-border; border-title-color: $foreground;
                border-subtitle-color: $chart-label; {more} }}
    {widget}:focus {{ border: round $accent; }}
    """


def write_frame(widget: Widget, heading: str, title: str = "", below: str = "") -> None:
    """Heading and words in the upper border of a panel and words in the lower one, as many as there is room for."""
    room = widget.size.width - BORDER_WORDS if widget.size.width else 10_000
    heading = said(heading)
    parts = [Content.styled(heading, "bold")]
    words = fitted(said(title), room - cell_len(heading) - 2)
    if words:
        parts.append(Content.styled(f"  {words}", "$chart-label"))
    widget.border_title = Content("").join(parts)
    widget.border_subtitle = Content(fitted(said(below), room))


class Framed(Widget):
    """A widget with a border of one cell all round."""

    def set_title(self, title: Content) -> None:
        """Text in the upper border."""
        textual_private.set_title(self, title)

    def set_subtitle(self, subtitle: Content) -> None:
        """Text in the lower border."""
        textual_private.set_subtitle(self, subtitle)
