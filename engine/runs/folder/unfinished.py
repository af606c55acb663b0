"""The run of a folder that a job which is started again goes on with. Reads the small files only."""

from __future__ import annotations

import time
from pathlib import Path

from trainctl.engine.errors import UserError
from trainctl.engine.files import is_folder
from trainctl.engine.runs.index import list_runs
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.meta import read_meta
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.status import Liveness

AT_WORK = (Liveness.STARTING, Liveness.LIVE)


def unfinished_run(root: Path, preset: str, now: float | None = None) -> RunPaths | None:
    """The newest run of a preset that has begun, is not finished, and is trained by nobody at present; None: no such.

    One whose process has gone silent counts: where it lives after all, it holds the run's lock.

    Raises:
        UserError: the folder cannot be read.
    """
    if not is_folder(root, strict=False):
        return None
    for info in list_runs(root, now=time.time() if now is None else now):
        is_candidate = info.preset == preset and not info.problem and info.state is not RunState.FINISHED
        if is_candidate and info.liveness not in AT_WORK and _has_begun(info.paths):
            return info.paths
    return None


def _has_begun(paths: RunPaths) -> bool:
    try:
        meta = read_meta(paths)
    except UserError:
        return False
    return meta is not None and "imported_from" not in meta
