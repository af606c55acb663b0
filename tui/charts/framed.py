"""A bordered widget whose border texts change often: only the row of the border is drawn again, not the widget.

Textual draws a widget anew when its `border_title` is set. Charts, whose legend holds live values, would then be sent
to the terminal whole several times a second. Knows no chart.
"""

from __future__ import annotations

from textual.content import Content
from textual.geometry import Region
from textual.widget import Widget


class Framed(Widget):
    """A widget with a border of one cell all round."""

    def set_title(self, title: Content) -> None:
        """Text in the upper border."""
        if _same(self._border_title, title):
            return
        if self.is_mounted:
            self._border_title = title
            self.refresh(Region(-1, -1, self.size.width + 2, 1))
        else:
            self.border_title = title

    def set_subtitle(self, subtitle: Content) -> None:
        """Text in the lower border."""
        if _same(self._border_subtitle, subtitle):
            return
        if self.is_mounted:
            self._border_subtitle = subtitle
            self.refresh(Region(-1, self.size.height, self.size.width + 2, 1))
        else:
            self.border_subtitle = subtitle


def _same(present: Content | None, wanted: Content) -> bool:
    return present is not None and present.plain == wanted.plain and present.spans == wanted.spans
