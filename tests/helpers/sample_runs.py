"""Small run directories for the tests in this folder."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import numpy as np

from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.record import RecordLayout
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.status import (
    Status,
)

LAYOUT = RecordLayout(
    terms=("bce",),
    groups=("stem", "head"),
    lr_groups=2,
    classes=("closed", "open"),
    scalars=("accuracy",),
)


def records(first: int, last: int, layout: RecordLayout = LAYOUT, time_offset: float = 0.0) -> np.ndarray:
    """Records of the steps `first` to `last`, inclusive; each is different and known from its step."""
    steps = np.arange(first, last + 1)
    out = np.zeros(len(steps), layout.dtype)
    out["step"], out["epoch"] = steps, (steps - 1) // 10 + 1
    out["time"] = 1.75e9 + steps + time_offset
    out["loss"] = 1.0 / steps
    out["term.bce"] = 1.0 / steps
    out["lr"] = np.stack([steps * 1e-3, steps * 1e-4], axis=1)
    out["classes"] = np.stack([steps, 64 - steps % 64], axis=1)
    out["clip"] = np.nan
    return out


def new_run(folder: Path, name: str = "run") -> RunPaths:
    """An empty run directory."""
    (folder / name).mkdir()
    return RunPaths(folder / name)


NOW = 1.75e9


STATUS = Status(
    state=RunState.RUNNING,
    pid=os.getpid(),
    host=socket.gethostname(),
    step=10,
    epoch=1,
    epochs=3,
    total_steps=300,
    started=NOW - 60,
    heartbeat=NOW - 1,
    steps_per_s=5.0,
    samples_per_s=320.0,
    eta_s=58.0,
    device="cpu",
    preset="eyes/baseline",
)
