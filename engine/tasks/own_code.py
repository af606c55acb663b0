"""Finds and imports the code of a user's own task, `FILE.py` or `module`. Runs none that has not been vouched for.

What this process has imported already is given as it is. Knows nothing of tasks.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Collection
from functools import partial
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType

from trainctl.engine.errors import UserError
from trainctl.engine.files import is_file
from trainctl.engine.tasks.neighbours import INSTALLED, Neighbours
from trainctl.engine.tasks.trust import HINT, Hashes, hash_of_bytes, note, require_trust


def imported_code(where: str) -> ModuleType | None:
    """The code called `where`, if this process has imported it."""
    if not where.endswith(".py"):
        return sys.modules.get(where)
    try:
        path = Path(where).resolve()
    except (ValueError, RuntimeError):  # no possible name; a link that leads to itself
        return None
    loaded = sys.modules.get(_module_name(path))
    return loaded if loaded is not None and loaded.__file__ == str(path) else None


def import_code(where: str, *, is_vouched: bool) -> ModuleType:
    """The code called `where`, imported if it was not yet.

    Args:
        where: `FILE.py`, or a module's dotted name, searched in the working directory first.
        is_vouched: the user named it or said that they trust it, which is noted; else it must have been noted before.

    Raises:
        UserError: no such code; it is not trusted; or an exception while it was imported, with its place.
    """
    loaded = imported_code(where)  # a second copy of its classes would be equal to none of the first
    if loaded is not None:
        return loaded
    path, root = _find_file(where) if where.endswith(".py") else _find_module(where)
    noted = None if is_vouched else require_trust(path)
    neighbours = Neighbours(path, root, noted)
    if not INSTALLED & set(root.parts):
        neighbours.watch()
    module = _import_file(path, noted) if where.endswith(".py") else _import_module(where)
    if is_vouched:
        remember = partial(_note, path, neighbours)
        remember()
        neighbours.on_found = remember  # what it imports only while it runs is part of it too
    return module


def _note(path: Path, neighbours: Neighbours) -> None:
    note(path, sorted(neighbours.found - {path}))


def _find_file(where: str) -> tuple[Path, Path]:
    """The file, and the folder that its neighbours lie in."""
    path = Path(where)
    if not is_file(path):
        raise UserError(f"task file not found: {path}", "give --task FILE.py:Class")
    return path.resolve(), path.resolve().parent


def _find_module(name: str) -> tuple[Path, Path]:
    """The file of a module, and the folder that its outermost package lies in; imports none of the packages."""
    folders: Collection[str] = [str(Path.cwd()), *sys.path]
    spec, root = None, None
    for part in name.split("."):
        spec = PathFinder.find_spec(part, list(folders)) if part else None
        if spec is None:
            raise UserError(f"task module not found: {name} (there is no {part!r})", "is it on PYTHONPATH?")
        folders = spec.submodule_search_locations or ()
        outermost = next(iter(folders), spec.origin)
        root = root or (Path(outermost).resolve().parent if outermost else None)
    if spec is None or spec.origin is None:
        raise UserError(f"task module {name} is a folder without code", "name the module that has the class")
    path = Path(spec.origin).resolve()
    return path, root or path.parent


def _module_name(path: Path) -> str:
    return f"trainctl_user_{path.stem}"


def _import_file(path: Path, noted: Hashes | None) -> ModuleType:
    """Run the file. Where only what is `noted` may run, that is what was compared, not what lies there by then."""
    spec = importlib.util.spec_from_file_location(_module_name(path), path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    _make_importable(path.parent)  # the file may import its neighbours
    try:
        # Not through the loader: that would run a __pycache__ which says it was made of this source.
        data = path.read_bytes()
        if noted is not None and noted.get(str(path)) != hash_of_bytes(data):
            raise UserError(f"{path} changes while it is read", HINT)
        exec(compile(data, path, "exec"), module.__dict__)
    except BaseException as err:
        del sys.modules[spec.name]
        if isinstance(err, UserError):
            raise
        if isinstance(err, (Exception, SystemExit)):
            raise _import_failure(err, path) from err
        raise
    return module


def _import_module(name: str) -> ModuleType:
    _make_importable(Path.cwd())
    try:
        return importlib.import_module(name)
    except UserError:
        raise
    except (Exception, SystemExit) as err:
        raise _import_failure(err, None) from err


def _make_importable(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _import_failure(err: BaseException, path: Path | None) -> UserError:
    """What went wrong in the user's file, and the line of it that did it."""
    frames = traceback.extract_tb(err.__traceback__)
    place = f"{frames[-1].filename}:{frames[-1].lineno}"
    for frame in frames:
        if path is not None and frame.filename == str(path):
            place = f"{path}:{frame.lineno}"
    if isinstance(err, SyntaxError):
        place = f"{err.filename}:{err.lineno}"
    said = traceback.format_exception_only(err)[-1].strip()
    return UserError(f"the task cannot be imported: {place}: {said}")
