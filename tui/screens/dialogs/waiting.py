"""Holds the place of a dialog that takes a moment to make, so that keys meant for it reach nothing else.

Knows not what is made.
"""

from __future__ import annotations

from collections.abc import Callable

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from trainctl.tui.screens.dialogs.dialog import Dialog
from trainctl.tui.spoken import said

Show = Callable[[], object]
"""Shows what was made."""


class WaitingScreen(Dialog[Show]):
    """Says what is being done; answers with what is to be shown, or with None where the user would not wait.

    Args:
        words: what is being done.
    """

    def __init__(self, words: str) -> None:
        super().__init__()
        self._words = words
        self._made: Show | None = None

    def compose(self) -> ComposeResult:
        """The words."""
        with Vertical():
            yield Static(f"{said(self._words)}…", markup=False)
            yield Static(said("esc closes"), classes="hint", markup=False)

    def finish(self, show: Show) -> None:
        """It is made; shown as soon as nothing lies on top."""
        self._made = show
        self.dismiss(show)

    def on_screen_resume(self) -> None:
        """Nothing lies on top any more."""
        if self._made is not None:
            self.dismiss(self._made)
