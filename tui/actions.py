"""Everything a key does in the cockpit, in one table: bindings, footer, palette and help are made from it.

Knows no widget; `name` is the `action_<name>` method of the cockpit screen and the name by which a user's own
key file knows it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from textual.binding import Binding


class Group(StrEnum):
    """Headings of the help page."""

    RUN = "Acting on the run"
    LOOK = "Looking"
    RUNS = "Other runs and pages"
    APP = "The cockpit"


@dataclass(frozen=True)
class Action:
    """One thing that can be done.

    Args:
        key: as Textual names it; several, separated by commas.
        name: of the method that does it.
        label: a word for the footer.
        help: a sentence for palette and help page.
        group: where it stands on the help page.
        footer: shown in the footer.
        cli: the command that does the same; empty where it is about the screen only.
    """

    key: str
    name: str
    label: str
    help: str
    group: Group
    footer: bool = False
    cli: str = ""

    @property
    def shown_key(self) -> str:
        """The key as it stands on the keyboard."""
        return shown_key(self.key)


_KEY_NAMES = {
    "question_mark": "?",
    "space": "spc",
    "plus": "+",
    "minus": "-",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "slash": "/",
    "comma": ",",
    "full_stop": ".",
    "left": "←",
    "right": "→",
}


def shown_key(key: str) -> str:
    """The first of `key`'s keys as it stands on the keyboard."""
    first = key.split(",")[0]
    return _KEY_NAMES.get(first, first)


_RUN, _LOOK, _RUNS, _APP = Group

ACTIONS = (
    Action("space", "pause", "pause", "Pause the training, or let it go on.", _RUN, True, "send RUN pause"),
    Action("s", "stop", "stop", "Finish the step, write a checkpoint and end the run; it can be resumed.", _RUN,
           True, "send RUN stop"),
    Action("c", "checkpoint", "save", "Write a checkpoint now.", _RUN, True, "send RUN checkpoint"),
    Action("v", "validate", "val", "Validate now.", _RUN, True, "send RUN validate"),
    Action("l", "learning_rate", "lr", "Multiply or set the learning rate.", _RUN, True, "send RUN set lr x0.5"),
    Action("w", "weights", "weights", "Change the weight of a loss term, the clip norm or the number of epochs.", _RUN,
           cli="send RUN set weight.TERM 0.5"),
    Action("f", "fix", "fix", "Apply the fix of the chosen finding, after showing what it changes.", _RUN,
           cli="run --set KEY=VALUE"),
    Action("p", "presets", "presets", "List the presets; compare, start a new run, or fork this one.", _RUN, True,
           "run --preset NAME"),
    Action("y", "log_axis", "log axis", "Switch the value axis of the chosen panel: linear, logarithmic.", _LOOK),
    Action("x", "unit", "axis", "Switch the x axis: steps, epochs, time.", _LOOK),
    Action("u", "loss_mode", "terms", "Switch the loss terms: weighted, raw, share, their weights.", _LOOK),
    Action("plus,equals_sign", "smoother", "smooth", "Smooth more.", _LOOK),
    Action("minus", "rougher", "rough", "Smooth less.", _LOOK),
    Action("left_square_bracket", "zoom_out", "zoom out", "Show more steps.", _LOOK),
    Action("right_square_bracket", "zoom_in", "zoom in", "Show fewer steps.", _LOOK),
    Action("left", "pan_left", "earlier", "Move the window to earlier steps.", _LOOK),
    Action("right", "pan_right", "later", "Move the window to later steps.", _LOOK),
    Action("0", "whole_run", "all", "Show the whole run again, without a cursor.", _LOOK),
    Action("comma", "cursor_left", "cursor", "Move the cursor to earlier steps; every chart reads there.", _LOOK),
    Action("full_stop", "cursor_right", "cursor", "Move the cursor to later steps.", _LOOK),
    Action("m", "maximize", "zoom", "Let the chosen panel fill the screen, and back.", _LOOK, footer=True),
    Action("h", "hide", "hide", "Hide the chosen panel, or show it again: a list of all.", _LOOK),
    Action("slash", "filter", "filter", "Show only the lines of the log that match.", _LOOK, cli="tail RUN"),
    Action("r", "runs", "runs", "List all runs: open one, lay it over this one, delete or rename it.", _RUNS,
           footer=True, cli="runs"),
    Action("N", "newest", "newest", "Always look at the newest run: open each as it begins; or no more.", _RUNS,
           cli="ui --newest"),
    Action("k", "compare", "compare", "Compare runs: curves, configuration, final figures.", _RUNS,
           cli="compare RUN RUN"),
    Action("d", "diagnose", "why", "Say why the training does not work.", _RUNS, footer=True, cli="diagnose RUN"),
    Action("n", "find_lr", "find lr", "Sweep the learning rate on a copy of the network.", _RUNS, cli="lr-find"),
    Action("i", "data", "data", "Look at the data: balance, batches, samples.", _RUNS, cli="data"),
    Action("o", "replay", "replay", "Play the run again from its records.", _RUNS, cli="ui RUN --replay"),
    Action("e", "export", "export", "Write what is shown as CSV, JSON or SVG.", _APP, cli="export RUN"),
    Action("t", "theme", "theme", "Choose the colours: dark, light, colour-blind, none.", _APP),
    Action("question_mark", "help", "help", "Show this page.", _APP, footer=True),
    Action("q", "quit", "quit", "Leave: detach, stop with a checkpoint, or kill.", _APP, footer=True,
           cli="send RUN stop"),
)  # fmt: skip


def bindings() -> list[Binding]:
    """The table for a screen's `BINDINGS`; the name is the id under which a key can be given another place."""
    return [Binding(a.key, a.name, a.label, show=a.footer, tooltip=a.help, id=a.name) for a in ACTIONS]


def by_name(name: str) -> Action:
    """The action of this name."""
    return next(action for action in ACTIONS if action.name == name)


def help_lines(keymap: Mapping[str, str]) -> Iterator[tuple[Group, str, str]]:
    """Group, key and sentence of each action, with the user's own keys."""
    for group in Group:
        for action in ACTIONS:
            if action.group is group:
                yield group, shown_key(keymap.get(action.name, action.key)), action.help
    yield Group.APP, "tab", "Choose the next panel; shift+tab the one before."
    yield Group.APP, "1 to 9", "Choose a panel by its number, in the order in which tab goes round."
    yield Group.APP, "esc", "Close what lies on top; give back the room that a panel has to itself."
    yield Group.APP, "ctrl+p", "Find an action by name."
