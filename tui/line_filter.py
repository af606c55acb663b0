"""The last look at every line before it goes to the terminal: no text of a widget commands it. Knows no widget.

Widgets show names through `tui.plain`; this holds also where one forgot to.
"""

from __future__ import annotations

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from trainctl.tui.plain import UNKNOWN


class PrintableFilter(LineFilter):
    """Replaces what is not printable by as many columns as it was taken for."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The same segments, but for those with something in them that could be obeyed."""
        if all(segment.text.isprintable() for segment in segments):
            return segments
        return [Segment(_seen(text), style, control) for text, style, control in segments]


def _seen(text: str) -> str:
    return "".join(char if char.isprintable() else UNKNOWN * cell_len(char) for char in text)
