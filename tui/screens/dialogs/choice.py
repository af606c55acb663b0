"""A list to choose one thing from, with room for words above it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from trainctl.tui.screens.dialogs.dialog import Dialog
from trainctl.tui.spoken import said


@dataclass(frozen=True)
class Choice:
    """One line of the list.

    Args:
        answer: what the dialog answers.
        label: the line itself.
        detail: a second, fainter line.
    """

    answer: str
    label: str
    detail: str = ""


class ChoiceList(OptionList):
    """The list. Before it is laid out there are no pages in it, and a key that turns one does nothing."""

    def action_page_up(self) -> None:
        """Turn a page back."""
        with suppress(LookupError):
            super().action_page_up()

    def action_page_down(self) -> None:
        """Turn a page."""
        with suppress(LookupError):
            super().action_page_down()


class ChoiceScreen(Dialog[str]):
    """Asks for one of several; answers with the `answer` of the choice.

    Args:
        title: in the border.
        choices: at least one; the first is the default.
        body: words above the list.
        marked: answer of the choice where the cursor stands at first.
        hint: words below.
    """

    DEFAULT_CSS = """
    ChoiceScreen .body { margin-bottom: 1; max-height: 14; overflow-y: auto; }
    """

    def __init__(
        self,
        title: str,
        choices: Sequence[Choice],
        *,
        body: Content | str = "",
        marked: str | None = None,
        hint: str = "enter chooses, esc closes",
    ) -> None:
        super().__init__()
        self._title, self._choices, self._body = title, list(choices), body
        self._marked, self._hint = marked, hint

    def compose(self) -> ComposeResult:
        """Words, list, hint."""
        with Vertical() as box:
            box.border_title = Content(said(self._title))
            box.border_subtitle = Content(said(self._hint))
            if self._body:
                yield Static(self._body, classes="body", markup=False)
            yield ChoiceList(*(Option(_prompt(choice)) for choice in self._choices), markup=False)

    def on_mount(self) -> None:
        """Put the cursor where it belongs."""
        answers = [choice.answer for choice in self._choices]
        for options in self.query(OptionList):  # none, where escape came before the list
            options.highlighted = answers.index(self._marked) if self._marked in answers else 0
            options.focus()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Answer."""
        self.dismiss(self._choices[event.option_index].answer)


def _prompt(choice: Choice) -> Content:
    label = Content(said(choice.label))
    return label + Content.styled(f"\n  {said(choice.detail)}", "italic") if choice.detail else label
