"""The private names of Textual that we use exist, and are used in one module only."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from textual.app import App
from textual.command import CommandPalette
from textual.dom import DOMNode
from textual.drivers._writer_thread import WriterThread
from textual.drivers.linux_driver import LinuxDriver
from textual.screen import Screen
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
OTHERS = sorted(path for path in TUI.rglob("*.py") if path.name != "textual_private.py")
HANDED_AROUND = (App, Screen, Widget, DOMNode, OptionList, Input, CommandPalette)
"""Classes whose objects are held by others, which could look into them."""
MADE_BY_TEXTUAL = re.compile(
    r"_(abc_impl|computes|css_.*|decorated_handlers|default_classes|inherit_.*|merged_.*|reactives)"
)
"""What Textual itself gives to each of its subclasses."""


@cache
def private_names(of: type) -> frozenset[str]:
    """Names with an underscore that a class itself has, or reads or writes on its objects."""
    touched = re.findall(r"\bself\.(_[a-z]\w*)", inspect.getsource(of))
    names = {name for name in (*vars(of), *touched) if name.startswith("_") and not name.startswith("__")}
    return frozenset(name for name in names if not MADE_BY_TEXTUAL.fullmatch(name))


def inherited_names(of: type) -> frozenset[str]:
    """Private names of those bases of a class that are Textual's."""
    return frozenset().union(*(private_names(base) for base in of.__mro__ if base.__module__.startswith("textual.")))


def classes_of(path: Path) -> Iterator[type]:
    """Classes that a module of the cockpit defines."""
    name = ".".join(("trainctl.tui", *path.relative_to(TUI).with_suffix("").parts)).removesuffix(".__init__")
    for value in vars(importlib.import_module(name)).values():
        if inspect.isclass(value) and value.__module__ == name:
            yield value


@pytest.mark.parametrize(("of", "name"), [(of, name) for of, names in USED.items() for name in names])
def test_textual_still_has_it(of: type, name: str) -> None:
    assert name in inherited_names(of), f"this Textual has no {of.__name__}.{name}: mend tui/textual_private.py"


def test_what_it_uses_is_listed_here() -> None:
    tree = ast.parse(Path(inspect.getfile(textual_private)).read_text())
    constants = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    listed = {name for names in USED.values() for name in names}
    assert private_attributes(tree) | {text for text in constants if re.fullmatch(r"_[a-z]\w*", str(text))} == listed


def private_attributes(tree: ast.AST) -> set[str]:
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return {name for name in names if name.startswith("_") and not name.startswith("__")}


def test_no_other_module_looks_into_an_object_of_textual() -> None:
    theirs = frozenset().union(*map(inherited_names, HANDED_AROUND))
    used: list[str] = []
    for path in OTHERS:
        tree = ast.parse(path.read_text())
        attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
        own = {node.attr for node in attributes if is_named(node.value, "self")}
        for node in attributes:
            foreign = node.attr in theirs - own and not is_named(node.value, "self") and not is_named(node.value, "os")
            if foreign:
                used.append(f"{path.relative_to(TUI)}:{node.lineno} {node.attr}")
    assert used == []


def is_named(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def test_no_other_module_imports_what_textual_keeps_to_itself() -> None:
    private = re.compile(
        r"^\s*(from textual[\w.]*\._|from textual[\w.]* import .*\b_[a-z]|import textual[\w.]*\._)", re.M
    )
    assert [str(path.relative_to(TUI)) for path in OTHERS if private.search(path.read_text())] == []


def test_no_other_class_uses_or_shadows_a_private_name_of_its_base() -> None:
    """An attribute of ours that happens to be called like one of Textual's breaks in ways nobody looks for."""
    shared = [
        f"{path.relative_to(TUI)} {of.__name__}: {', '.join(sorted(private_names(of) & inherited_names(of)))}"
        for path in OTHERS
        if "textual" in path.read_text()
        for of in classes_of(path)
        if private_names(of) & inherited_names(of)
    ]
    assert shared == []


@pytest.mark.parametrize(
    ("of", "name"),
    [
        ("app_service.AppService", "_build_environment"),
        ("app_service.AppService", "_open_app_process"),
        ("app_service.AppService", "_process"),
        ("app_service.AppService", "_stdin"),
        ("app_service.AppService", "_task"),
        ("server.Server", "_make_app"),
        ("server.Server", "_process_messages"),
    ],
)
def test_textual_serve_still_has_it(of: str, name: str) -> None:
    module, _, class_name = of.partition(".")
    served = getattr(pytest.importorskip(f"textual_serve.{module}"), class_name)
    assert name in private_names(served), f"this textual-serve has no {of}.{name}: mend tui/processes/web.py"
