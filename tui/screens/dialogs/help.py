"""What every key does, and what the signs in the charts mean."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import ClassVar

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from trainctl.tui.actions import help_lines
from trainctl.tui.screens.dialogs.dialog import Dialog
from trainctl.tui.spoken import said

KEY_COLUMNS = 8
MOUSE = (
    ("click", "choose a panel or a line, twice opens it; or press a key of the last line"),
    ("move", "over a chart: every chart says its values at that step"),
    ("wheel", "show more or fewer steps around the mouse; elsewhere scroll"),
    ("drag", "move the window to earlier or later steps"),
    ("2 clicks", "on a chart: show the whole run again"),
)
SIGNS = (
    ("●", "newest validation of the raw weights, at the end of its line"),
    ("◆", "the same of the averaged weights, whose line is dashed; ◈ both in one place"),
    ("★", "the best validation, at its value"),
    ("█ ▀ │", "of a class: the epoch so far, this batch, and the data"),
    ("+4", "so many figures, names or letters more than there is room for; m gives a panel all the room"),
    ("a b c", "without colours: the line of this letter in the legend"),
    ("×", "a value that is NaN or infinite"),
    ("↓", "the schedule cut the learning rate"),
    ("▸", "a command took effect"),
    ("c", "checkpoint"),
    ("!", "finding"),
    ("»", "resumed here; ≈ clusters fitted anew"),
    ("┊", "when that happened, or the present step; │ the cursor"),
    ("╌", "a level to compare with: clip norm, constant answer, floor"),
    ("·", "range of values that is healthy"),
    ("░", "warmup"),
    ("^", "the step of the line above it"),
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
        """Keys by group, the mouse, then signs."""
        rows: list[Content] = []
        for group, lines in groupby(help_lines(self._keymap), key=lambda line: line[0]):
            rows += [Content.styled(said(group), "bold"), *(_row(key, text) for _, key, text in lines), Content("")]
        rows.append(Content.styled(said("The mouse"), "bold"))
        rows += [*(_row(said(key), text) for key, text in MOUSE), Content("")]
        rows.append(Content.styled(said("Signs in the charts"), "bold"))
        rows += [_row(sign, text) for sign, text in SIGNS]
        with VerticalScroll() as box:
            box.border_title = said("help")
            box.border_subtitle = said("esc closes")
            yield Static(Content("\n").join(rows))


def _row(key: str, text: str) -> Content:
    key = " " * max(KEY_COLUMNS - cell_len(key), 0) + key
    return Content("").join([Content.styled(f"{key}  ", "bold $accent"), Content(said(text))])
