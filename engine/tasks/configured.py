"""Configurations of the tasks there are: `config.resolve` with a table of tasks in its hand. Imports no torch.

Whoever wants a configuration takes these; the originals know no task.
"""

from __future__ import annotations

from functools import partial

from trainctl.engine.config import fork
from trainctl.engine.config import resolve as resolving
from trainctl.engine.config.resolve import TaskTable
from trainctl.engine.tasks.registry import READING, TABLE, TRUSTING

with_overrides = resolving.with_overrides


class Configurations:
    """The ways to a configuration, under one rule of what may run of the code that it names."""

    def __init__(self, tasks: TaskTable) -> None:
        self.resolve = partial(resolving.resolve, tasks)
        self.load_resolved = partial(resolving.load_resolved, tasks)
        self.fork_config = partial(fork.fork_config, tasks)


usual = Configurations(TABLE)
"""A task of the user's own is imported if they named it in so many words, or ran it before as it is."""
trusting = Configurations(TRUSTING)
"""A task of the user's own is imported whoever named it: the user said so."""
reading = Configurations(READING)
"""Nothing is imported: to show and to compare. Options of a task that is not known stay as they are written."""


def running(*, trust: bool) -> Configurations:
    """For a command that runs the task: `trusting` where the user said --trust."""
    return trusting if trust else usual


resolve, load_resolved, fork_config = usual.resolve, usual.load_resolved, usual.fork_config
