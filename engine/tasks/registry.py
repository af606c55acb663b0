"""The one table of built-in tasks, and how a user's own task is found. Imports a task only when asked."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from trainctl.engine.config.resolve import TaskTable
from trainctl.engine.config.schema import RunConfig
from trainctl.engine.errors import UserError

if TYPE_CHECKING:
    from trainctl.engine.tasks.task import Task


@dataclass(frozen=True)
class TaskEntry:
    """Where a built-in task lives, as `module:name`."""

    config: str
    task: str


TASKS: dict[str, TaskEntry] = {
    "eyes": TaskEntry("trainctl.engine.tasks.eyes.config:EyesConfig", "trainctl.engine.tasks.eyes.task:EyesTask"),
    "quality": TaskEntry(
        "trainctl.engine.tasks.quality.config:QualityConfig", "trainctl.engine.tasks.quality.task:QualityTask"
    ),
    "weld": TaskEntry("trainctl.engine.tasks.weld.config:WeldConfig", "trainctl.engine.tasks.weld.task:WeldTask"),
}


def config_type(name: str) -> type[RunConfig]:
    """Schema of a task's configuration. Imports no torch for a built-in task.

    Raises:
        UserError: no such task, file or class.
    """
    if name in TASKS:
        return _attribute(TASKS[name].config)
    return _users_task(name).config_type


TABLE = TaskTable(TASKS, config_type)
"""What `config.resolve` is handed."""


def task_type(name: str) -> type[Task]:
    """The task class called `name`: a built-in one, `FILE.py:Class` or `module:Class`.

    Raises:
        UserError: no such task, file or class, a method is missing, or an exception while the file was imported: says
            which, and where.
    """
    if name in TASKS:
        return _attribute(TASKS[name].task)
    found = _users_task(name)
    missing = sorted(getattr(found, "__abstractmethods__", ()))
    if missing:
        raise UserError(f"task {name} lacks {', '.join(missing)}", "define them, see docs/tasks.md")
    return found


def _users_task(name: str) -> type[Task]:
    from trainctl.engine.tasks.task import Task

    if ":" not in name:
        known = ", ".join(TASKS)
        raise UserError(f"unknown task {name!r}", f"built in: {known}; your own: FILE.py:Class or module:Class")
    where, _, class_name = name.rpartition(":")
    module = _load_file(Path(where)) if where.endswith(".py") else _load_module(where)
    found = getattr(module, class_name, None)
    if not (isinstance(found, type) and issubclass(found, Task)):
        raise UserError(f"{where} has no Task class {class_name!r}", "subclass trainctl.engine.tasks.task.Task")
    return found


def _attribute(path: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


def _load_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise UserError(f"task file not found: {path}", "give --task FILE.py:Class")
    path = path.resolve()
    loaded = sys.modules.get(f"trainctl_user_{path.stem}")
    if loaded is not None and loaded.__file__ == str(path):
        return loaded  # a second copy of its classes would be equal to none of the first
    spec = importlib.util.spec_from_file_location(f"trainctl_user_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    _make_importable(path.parent)  # the file may import its neighbours
    try:
        spec.loader.exec_module(module)
    except BaseException as err:
        del sys.modules[spec.name]
        if isinstance(err, (Exception, SystemExit)):
            raise _import_failure(err, path) from err
        raise
    return module


def _load_module(name: str) -> ModuleType:
    _make_importable(Path.cwd())
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as err:
        if err.name is not None and f"{name}.".startswith(f"{err.name}."):
            raise UserError(f"task module not found: {name} ({err})", "is it on PYTHONPATH?") from err
        raise _import_failure(err, None) from err
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
