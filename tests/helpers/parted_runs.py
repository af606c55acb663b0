"""Small runs whose checkpoints lie in parts, and what lies in these."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed.checkpoint  # once here, not in every process
from same_run import same
from toy import reader_of, resolved

from trainctl.engine.config.resolve import Resolved
from trainctl.engine.runs.events import EventKind
from trainctl.engine.training.state.checkpoint import load_checkpoint, load_rest

assert torch.distributed.checkpoint
IN_PARTS: dict[str, Any] = {"ranks": {"shard": True, "checkpoint": "parts"}}
SHORT: dict[str, Any] = {
    "train": {"epochs": 3, "batch_size": 16},
    "ema": {"decay": 0.9},
    "clip": {"grad_norm": 0.5},
    "optimizer": {"weight_decay": 0.05},
}
"""15 steps, a checkpoint after 5, 10 and 15."""


def in_parts(**more: Any) -> Resolved:
    return resolved(**{**SHORT, **IN_PARTS, **more})


def whole(**ranks: Any) -> Resolved:
    return resolved(**SHORT, ranks=ranks)


def losses(root: Path) -> np.ndarray[Any, Any]:
    return reader_of(root).steps.all()["loss"]


def state_of(path: Path) -> dict[str, Any]:
    """Read whole, by one process."""
    state = load_checkpoint(path)["state"]
    for clock in ("train_s", "elapsed_s"):
        state["progress"].pop(clock)
    return state


def step_of(path: Path) -> int:
    return load_rest(path)["about"]["step"]


def texts(root: Path, kind: EventKind) -> list[str]:
    return [event.data["text"] for event in reader_of(root).events if event.kind is kind]


def folders(root: Path, name: str = "latest_model") -> list[str]:
    return sorted(path.name for path in (root / f"{name}.parts").iterdir())


def assert_same(one: dict[str, Any], two: dict[str, Any]) -> None:
    for key in one:
        assert same(one[key], two[key]), key
