"""A line to type in, checked before it is accepted."""

from __future__ import annotations

from collections.abc import Callable

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Static

from trainctl.engine.errors import UserError
from trainctl.tui.screens.dialogs.dialog import Dialog
from trainctl.tui.spoken import said


class PromptScreen(Dialog[str]):
    """Asks for a line of text.

    Args:
        title: above the line.
        hint: below it, until something is wrong.
        check: raises UserError for what cannot be accepted.
        value: what stands there already.
    """

    def __init__(self, title: str, hint: str, check: Callable[[str], object], value: str = "") -> None:
        super().__init__()
        self._title, self._hint, self._check, self._value = title, hint, check, value

    def compose(self) -> ComposeResult:
        """The line and its hint."""
        with Vertical() as box:
            box.border_title = Content(said(self._title))
            yield Input(self._value)
            yield Static(said(self._hint), classes="hint", markup=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Accept, or say what is wrong."""
        try:
            self._check(event.value)
        except UserError as err:
            self.query_one(".hint", Static).update(said(str(err)))
        else:
            self.dismiss(event.value)
