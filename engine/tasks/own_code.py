"""Finds and imports the code of a user's own task, `FILE.py` or `module`. Runs none that has not been vouched for.

What this process has imported already is given as it is. Knows nothing of tasks.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Collection
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType

from trainctl.engine.errors import UserError
from trainctl.engine.tasks.trust import note, require_trust


def imported_code(where: str) -> ModuleType | None:
    """The code called `where`, if this process has imported it."""
    if not where.endswith(".py"):
        return sys.modules.get(where)
    path = Path(where).resolve()
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
    path = _find_file(where) if where.endswith(".py") else _find_module(where)
    if not is_vouched:
        require_trust(path)
    before = set(sys.modules)
    module = _import_file(path) if where.endswith(".py") else _import_module(where)
    if is_vouched:
        note(path, _imported_beside(path, before))
    return module


def _find_file(where: str) -> Path:
    path = Path(where)
    if not path.is_file():
        raise UserError(f"task file not found: {path}", "give --task FILE.py:Class")
    return path.resolve()


def _find_module(name: str) -> Path:
    """The file of a module, without importing the packages it is in."""
    folders: Collection[str] = [str(Path.cwd()), *sys.path]
    spec = None
    for part in name.split("."):
        spec = PathFinder.find_spec(part, list(folders)) if part else None
        if spec is None:
            raise UserError(f"task module not found: {name} (there is no {part!r})", "is it on PYTHONPATH?")
        folders = spec.submodule_search_locations or ()
    if spec is None or spec.origin is None:
        raise UserError(f"task module {name} is a folder without code", "name the module that has the class")
    return Path(spec.origin).resolve()


def _module_name(path: Path) -> str:
    return f"trainctl_user_{path.stem}"


def _import_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(_module_name(path), path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    _make_importable(path.parent)  # the file may import its neighbours
    try:
        # Not through the loader: that would run a __pycache__ which says it was made of this source.
        exec(compile(path.read_bytes(), path, "exec"), module.__dict__)
    except BaseException as err:
        del sys.modules[spec.name]
        if isinstance(err, (Exception, SystemExit)):
            raise _import_failure(err, path) from err
        raise
    return module


def _import_module(name: str) -> ModuleType:
    _make_importable(Path.cwd())
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as err:
        raise _import_failure(err, None) from err


def _make_importable(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _imported_beside(code: Path, before: Collection[str]) -> list[Path]:
    """Files from the folder of `code` that were imported with it, but for installed packages and our own."""
    found: list[Path] = []
    for name in sys.modules.keys() - before:
        file = getattr(sys.modules.get(name), "__file__", None)
        path = Path(file).resolve() if file and name.partition(".")[0] != "trainctl" else code
        if path.is_relative_to(code.parent) and not {"site-packages", "dist-packages"} & set(path.parts):
            found.append(path)
    return sorted({path for path in found if path != code})


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
