"""What small files say of runs, made up, for whatever lists them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from trainctl.engine.runs.index import RunInfo
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.status import Liveness
from trainctl.engine.runs.summary import Best

NOW = 1_800_000_000.0
DAY_S = 86_400.0


def info(name: str, **changes: Any) -> RunInfo:
    """A finished run."""
    made = RunInfo(
        name=name,
        paths=RunPaths(Path("/runs") / name),
        preset="eyes/balanced",
        state=RunState.FINISHED,
        liveness=Liveness.OVER,
        step=100,
        total_steps=200,
        epoch=1,
        epochs=2,
        best=Best("f1", 0.9, 1),
        started=NOW - DAY_S,
        seconds=3600.0,
        age_s=DAY_S,
        seen=NOW - DAY_S,
        task="eyes",
    )
    return replace(made, **changes)
