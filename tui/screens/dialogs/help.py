"""What every key does, and what the signs in the charts mean."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from trainctl.tui.actions import help_lines
from trainctl.tui.screens.dialogs.dialog import Dialog

SIGNS = (
    ("●", "validation of the raw weights; ◆ of the averaged ones, ◈ of both in one place"),
    ("★", "the best validation, at its value"),
    ("×", "a value that is NaN or infinite"),
    ("↓", "the schedule cut the learning rate"),
    ("▸", "a command took effect"),
    ("c", "checkpoint"),
    ("!", "finding"),
    ("╌", "clip norm in force"),
    ("░", "warmup"),
    ("^", "you are here"),
)


class HelpScreen(Dialog[None]):
    """One page of help.

    Args:
        keymap: the user's own keys by name of the action.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("question_mark,q", "close", "close", show=False)]

    def __init__(self, keymap: Mapping[str, str]) -> None:
        super().__init__()
        self._keymap = keymap

    def compose(self) -> ComposeResult:
        """Keys by group, then signs."""
        rows: list[Content] = []
        for group, lines in groupby(help_lines(self._keymap), key=lambda line: line[0]):
            rows += [Content.styled(group, "bold"), *(_row(key, text) for _, key, text in lines), Content("")]
        rows.append(Content.styled("Signs in the charts", "bold"))
        rows += [_row(sign, text) for sign, text in SIGNS]
        with VerticalScroll() as box:
            box.border_title = "help"
            box.border_subtitle = "esc closes"
            yield Static(Content("\n").join(rows))


def _row(key: str, text: str) -> Content:
    return Content("").join([Content.styled(f"{key:>8}  ", "bold $accent"), Content(text)])
