"""Configurations of the tasks there are: `config.resolve` with the table of tasks in its hand. Imports no torch.

Whoever wants a configuration takes these; the originals know no task.
"""

from __future__ import annotations

from functools import partial

from trainctl.engine.config import fork
from trainctl.engine.config import resolve as resolving
from trainctl.engine.tasks.registry import TABLE

resolve = partial(resolving.resolve, TABLE)
load_resolved = partial(resolving.load_resolved, TABLE)
with_overrides = resolving.with_overrides
fork_config = partial(fork.fork_config, TABLE)
