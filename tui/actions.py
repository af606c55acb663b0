"""Everything a key does in the cockpit, in one table: bindings, footer, palette and help are made from it.

Knows no widget; `name` is the `action_<name>` method of the cockpit screen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from textual.binding import Binding


@dataclass(frozen=True)
class Action:
    """One thing that can be done.

    Args:
        key: as Textual names it.
        name: of the method that does it.
        label: a word for the footer.
        help: a sentence for palette and help screen.
        changes_run: refused when the cockpit is read only.
        footer: shown in the footer.
    """

    key: str
    name: str
    label: str
    help: str
    changes_run: bool = False
    footer: bool = True

    @property
    def shown_key(self) -> str:
        """The key as it stands on the keyboard."""
        return _KEY_NAMES.get(self.key, self.key)


_KEY_NAMES = {"question_mark": "?", "space": "spc"}

ACTIONS = (
    Action("space", "pause", "pause", "Pause the training, or let it go on.", changes_run=True),
    Action("s", "stop", "stop", "Finish the step, write a checkpoint and end the run; it can be resumed.", True),
    Action("c", "checkpoint", "save", "Write a checkpoint now.", changes_run=True),
    Action("v", "validate", "val", "Validate now.", changes_run=True),
    Action("l", "learning_rate", "lr", "Multiply or set the learning rate.", changes_run=True),
    Action("p", "presets", "presets", "Show the presets of this task, compare, start a new run with one.", True),
    Action("r", "runs", "runs", "Show all runs and attach to one."),
    Action("y", "log_axis", "log", "Switch the value axis of the chosen panel between linear and logarithmic."),
    Action("m", "maximize", "zoom", "Let the chosen panel fill the screen, and back."),
    Action("t", "theme", "theme", "Switch between dark and light.", footer=False),
    Action("question_mark", "help", "help", "Show this page."),
    Action("q", "quit", "quit", "Leave: detach, stop with a checkpoint, or kill."),
)


def bindings() -> list[Binding]:
    """The table for a screen's `BINDINGS`."""
    return [Binding(a.key, a.name, a.label, show=a.footer, key_display=a.shown_key, tooltip=a.help) for a in ACTIONS]


def help_lines() -> Iterator[tuple[str, str]]:
    """Key and sentence of each action, for the help screen."""
    for action in ACTIONS:
        yield action.shown_key, action.help
    yield "tab", "Choose the next panel."
    yield "ctrl+p", "Find an action by name."


def by_name(name: str) -> Action:
    """The action of this name."""
    return next(action for action in ACTIONS if action.name == name)
