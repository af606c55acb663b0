"""Watching that nobody wrote into the program: begins at the first optimiser step of a process that was started so.

The environment says where. Imports no more than hooks before that step: helpers of a training import torch too.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from trainctl.engine.errors import kind_and_words

SWITCH = "TRAINCTL_WATCH"
"""Set where a process is to be watched."""
RUN = "TRAINCTL_WATCH_RUN"
"""The run directory that was made for it: for the first training of the first process that takes a step."""
ROOT = "TRAINCTL_WATCH_ROOT"
"""The folder of runs for any further one."""
NAME = "TRAINCTL_WATCH_NAME"
SITE = Path(__file__).parent / "site"
"""What stands first on the path of such a process."""


def environment(environ: Mapping[str, str], run: Path, name: str) -> dict[str, str]:
    """The environment of a program that is to be watched.

    Args:
        environ: the present one.
        run: directory that was made for it.
        name: of the run.
    """
    path = os.pathsep.join(part for part in (str(SITE), environ.get("PYTHONPATH", "")) if part)
    told = {SWITCH: "1", RUN: str(run.absolute()), ROOT: str(run.absolute().parent), NAME: name}
    return {**environ, **told, "PYTHONPATH": path}


def begin_at_first_step(environ: Mapping[str, str]) -> None:
    """Listen; the first optimiser that steps opens the run."""
    from trainctl.engine.watch.run import say

    try:
        from trainctl.engine.watch.watch import watch_when_stepped

        watch_when_stepped(environ.get(NAME, ""), environ.get(ROOT), environ.get(RUN))
    except Exception as err:
        say(f"not recorded: {kind_and_words(err)}")
