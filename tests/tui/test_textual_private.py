"""The private names of Textual that we use exist, and are used in one module only."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest
from textual.app import App
from textual.command import CommandPalette
from textual.dom import DOMNode
from textual.drivers._writer_thread import WriterThread
from textual.drivers.linux_driver import LinuxDriver
from textual.screen import ModalScreen, Screen
from textual.widget import Widget
from textual.widgets import Input, OptionList

from trainctl.tui import textual_private

USED: dict[type, tuple[str, ...]] = {
    App: ("_driver",),
    CommandPalette: ("_action_command_list",),
    LinuxDriver: ("_writer_thread",),
    Screen: ("_push_result_callback",),
    Widget: ("_border_title", "_border_subtitle"),
    WriterThread: ("_queue",),
}
TUI = Path(inspect.getfile(textual_private)).parent
CLASSES = (App, Screen, ModalScreen, Widget, DOMNode, OptionList, Input, CommandPalette)


def private_names(of: type) -> set[str]:
    """Names with an underscore that a class has or gives itself."""
    given = re.findall(r"self\.(_[a-z]\w+)", inspect.getsource(of))
    return {name for name in (*dir(of), *given) if name.startswith("_") and not name.startswith("__")}


@pytest.mark.parametrize(("of", "name"), [(of, name) for of, names in USED.items() for name in names])
def test_textual_still_has_it(of: type, name: str) -> None:
    assert name in private_names(of), f"this Textual has no {of.__name__}.{name}: mend tui/textual_private.py"


def test_no_other_module_uses_a_private_name_of_textual() -> None:
    known = set().union(*map(private_names, CLASSES))
    used: list[str] = []
    for path in TUI.rglob("*.py"):
        tree = ast.parse(path.read_text())
        own = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and is_self(node.value)}
        attributes = (node for node in ast.walk(tree) if isinstance(node, ast.Attribute))
        for node in attributes:
            foreign = node.attr in known and not is_self(node.value)
            if foreign and node.attr not in own and path.name != "textual_private.py":
                used.append(f"{path.relative_to(TUI)}:{node.lineno} {node.attr}")
    assert [use for use in used if "os._exit" not in use and not use.endswith(" _exit")] == []


def is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"
