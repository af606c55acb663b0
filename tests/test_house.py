"""The house stays livable: short functions, folders one can look through, packages that say what they are for.

What may import what is held by the import contracts; this holds what they cannot say.
"""

from __future__ import annotations

import ast
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("engine", "tui", "presets")
MOST_LINES = 50
"""Of a function."""
MOST_FILES = 20
"""In a folder."""
FRONT = {"trainctl.engine.front": "trainctl", "trainctl.engine.adapters": "trainctl.adapters"}
"""What is installed under another name than its place has."""
FLAT = {"tui/widgets"}
"""Lists of like things, one a file, may be longer."""


@cache
def modules() -> dict[str, Path]:
    """Every module by the name under which it is imported."""
    paths = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    names = ("trainctl." + ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths)
    found = {name.removesuffix(".__init__"): path for name, path in zip(names, paths, strict=True)}
    return {FRONT.get(name, name): path for name, path in found.items()}


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def test_no_function_is_too_long_to_live_in() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}: {length} lines"
        for path in modules().values()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or 0) - node.lineno + 1) > MOST_LINES
    ]
    assert long == []


def test_no_folder_is_too_full_to_look_through() -> None:
    files: defaultdict[str, int] = defaultdict(int)
    for path in modules().values():
        files[str(path.parent.relative_to(ROOT))] += path.name != "__init__.py"
    assert {name: count for name, count in files.items() if count > MOST_FILES and name not in FLAT} == {}


def test_every_module_says_what_it_is_responsible_for() -> None:
    assert [str(path.relative_to(ROOT)) for path in modules().values() if not ast.get_docstring(tree_of(path))] == []


def test_every_package_is_installed() -> None:
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = [name for name, path in modules().items() if path.name == "__init__.py"]
    assert sorted(packages) == sorted(found)


def imports(path: Path, known: dict[str, Path]) -> Iterator[str]:
    """Modules that a file imports, also those it imports later, within functions; types alone are no import."""
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            skipped |= {inner for line in node.body for inner in ast.walk(line)}
        if node in skipped:
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in known else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_nothing_imports_in_a_circle_not_even_later() -> None:
    known = modules()
    graph = {name: {other for other in imports(path, known) if other in known} for name, path in known.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as err:
        pytest.fail(" -> ".join(err.args[1]))


def test_no_two_files_of_tests_have_one_name() -> None:
    names: defaultdict[str, list[str]] = defaultdict(list)
    for path in (ROOT / "tests").rglob("test_*.py"):
        names[path.name].append(str(path.relative_to(ROOT)))
    assert {name: paths for name, paths in names.items() if len(paths) > 1} == {}
