"""The least that Textual can do, to compare with: a heading, a key, and on request a whole screen 4 times a second.

Usage: python minimal.py [repaint]
"""

from __future__ import annotations

import sys

from textual.app import App, ComposeResult
from textual.widgets import Static

PERIOD_S = 0.25


class MinimalApp(App[None]):
    """One widget. The key `y` changes its heading, as it does in the cockpit."""

    CSS = "Static { height: 1fr; border: round white; }"
    BINDINGS = [("y", "log_axis", "log")]  # noqa: RUF012

    def compose(self) -> ComposeResult:
        """The widget."""
        self.panel = Static()
        self.panel.border_title = "Loss and Gradient norm"
        yield self.panel

    def on_mount(self) -> None:
        """Repaint, if asked to."""
        self.count = 0
        if "repaint" in sys.argv[1:]:
            self.set_interval(PERIOD_S, self.repaint)

    def repaint(self) -> None:
        """Other characters everywhere."""
        self.count += 1
        width, height = self.panel.content_size
        self.panel.update("\n".join([str(self.count % 10) * width] * height))

    def action_log_axis(self) -> None:
        """Change the heading."""
        is_log = "log" in str(self.panel.border_title)
        self.panel.border_title = "Loss and Gradient norm" if is_log else "Loss log and Gradient norm"


if __name__ == "__main__":
    MinimalApp().run()
