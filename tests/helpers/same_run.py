"""Whether two runs are the same, bit for bit, and the options under which that is worth knowing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from toy import reader_of

from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.training.state.checkpoint import load_checkpoint

SCHEDULES: dict[str, dict[str, Any]] = {
    "constant": {"name": "constant"},
    "cosine": {"name": "cosine", "interval": "step", "warmup_epochs": 1},
    "plateau": {"name": "plateau", "patience": 0, "threshold": 0.5, "warmup_epochs": 1},
    "cyclic": {"name": "cyclic", "step_size_up": 3},
}


OPTIONS: dict[str, Any] = {
    "optimizer": {"lr": 0.01},
    "ema": {"decay": 0.9},
    "clip": {"grad_norm": 1.0},
    "record": {"dense_steps": 3, "update_ratio_every": 2},
}


HOST_CLOCK = ("time", "data_s", "step_s")


def same(a: object, b: object) -> bool:
    """Equality bit for bit through dictionaries, lists and tensors."""
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return isinstance(b, (list, tuple)) and len(a) == len(b) and all(map(same, a, b))
    return a == b or (a != a and b != b)


def assert_same_run(one: Path, other: Path) -> None:
    """Same checkpoint but for the clock, and the same records."""
    states = [load_checkpoint(RunPaths(root).latest)["state"] for root in (one, other)]
    for state in states:
        for clock in ("train_s", "elapsed_s"):
            state["progress"].pop(clock)
    for key in states[0]:
        assert same(states[0][key], states[1][key]), key
    records = [reader_of(root).steps.all() for root in (one, other)]
    assert len(records[0]) == len(records[1])
    names = records[0].dtype.names
    assert names
    for name in names:
        if name not in HOST_CLOCK:
            np.testing.assert_array_equal(records[0][name], records[1][name], err_msg=name)
