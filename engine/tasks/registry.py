"""The one table of built-in tasks, and how a user's own task is found. Imports a task only when asked.

Three tables for `config.resolve`, by what may run of the code that a configuration names: `TABLE` what the user named
or has run, `TRUSTING` all, `READING` none.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainctl.engine.config.resolve import TaskTable
from trainctl.engine.config.schema import OpenConfig, RunConfig
from trainctl.engine.errors import UserError
from trainctl.engine.tasks.own_code import import_code, imported_code

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
    "emotion": TaskEntry(
        "trainctl.engine.tasks.emotion.config:EmotionConfig", "trainctl.engine.tasks.emotion.task:EmotionTask"
    ),
}


def config_type(name: str, is_vouched: bool = False) -> type[RunConfig]:
    """Schema of a task's configuration. Imports no torch for a built-in task.

    Args:
        name: as `task_type` takes it.
        is_vouched: the user named the task, or said that they trust it.

    Raises:
        UserError: no such task, file or class; code that the user has not run before.
    """
    if name in TASKS:
        return _attribute(TASKS[name].config)
    return _users_task(name, is_vouched=is_vouched).config_type


def task_type(name: str, is_vouched: bool = False) -> type[Task]:
    """The task class called `name`: a built-in one, `FILE.py:Class` or `module:Class`.

    Raises:
        UserError: no such task, file or class, a method is missing, an exception while the file was imported: says
            which, and where. Code that the user has not run before, unless it is vouched for.
    """
    if name in TASKS:
        return _attribute(TASKS[name].task)
    found = _users_task(name, is_vouched=is_vouched)
    missing = sorted(getattr(found, "__abstractmethods__", ()))
    if missing:
        raise UserError(f"task {name} lacks {', '.join(missing)}", "define them, see docs/tasks.md")
    return found


def _known_config_type(name: str) -> type[RunConfig]:
    """The schema as far as it is known without running anything."""
    if name in TASKS:
        return _attribute(TASKS[name].config)
    is_imported = imported_code(_split(name)[0]) is not None
    return _users_task(name, is_vouched=False).config_type if is_imported else OpenConfig


TABLE = TaskTable(TASKS, config_type)
TRUSTING = TaskTable(TASKS, lambda name, _: config_type(name, is_vouched=True))
READING = TaskTable(TASKS, lambda name, _: _known_config_type(name))


def _users_task(name: str, *, is_vouched: bool) -> type[Task]:
    where, class_name = _split(name)
    module = import_code(where, is_vouched=is_vouched)

    from trainctl.engine.tasks.task import Task

    found = getattr(module, class_name, None)
    if not (isinstance(found, type) and issubclass(found, Task)):
        raise UserError(f"{where} has no Task class {class_name!r}", "subclass trainctl.engine.tasks.task.Task")
    return found


def _split(name: str) -> tuple[str, str]:
    where, colon, class_name = name.rpartition(":")
    if not colon:
        known = ", ".join(TASKS)
        raise UserError(f"unknown task {name!r}", f"built in: {known}; your own: FILE.py:Class or module:Class")
    return where, class_name


def _attribute(path: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)
