"""The frame of every dialog: a box in the middle that escape closes. Knows nothing of runs."""

from __future__ import annotations

from typing import ClassVar, Generic, TypeVar

from textual.await_complete import AwaitComplete
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

Answer = TypeVar("Answer")


class Dialog(ModalScreen["Answer | None"], Generic[Answer]):
    """A modal box. Its answer is None when it was closed without one."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "close", "close")]
    DEFAULT_CSS = """
    Dialog { align: center middle; background: $background 60%; }
    Dialog > Vertical, Dialog > VerticalScroll {
        width: 90%; max-width: 96; height: auto; max-height: 90%;
        border: round $accent; background: $surface; padding: 0 1;
    }
    Dialog OptionList { height: auto; max-height: 20; border: none; background: $surface; }
    Dialog OptionList:focus { border: none; }
    Dialog Input, Dialog Input:focus { border: tall $chart-border; background: $panel; }
    Dialog .hint { color: $chart-label; margin-top: 1; }
    """

    _is_over = False

    def dismiss(self, result: Answer | None = None) -> AwaitComplete:
        """Answer, once, and when nothing lies on top: a key that was still on its way must close nothing else."""
        if self._is_over or self.app.screen is not self:
            return AwaitComplete()
        self._is_over = True
        return super().dismiss(result)

    def action_close(self) -> None:
        """Close without an answer."""
        self.dismiss(None)
