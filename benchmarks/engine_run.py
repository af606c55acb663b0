"""The whole engine as a measured loop: a run directory, every step recorded, heartbeat, commands polled.

Uses what `trainctl run` uses, `training.session.train`, unchanged; only the trainer passes the gate before each step:
a task would not do, whose code is not called any more once its step is recorded.
"""

# pyright: reportPrivateUsage=false
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.gate import Gate
from trainctl.engine.config.presets import About
from trainctl.engine.config.resolve import Resolved
from trainctl.engine.config.schema import RunConfig
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.tasks.task import Task
from trainctl.engine.training.loop import trainer
from trainctl.engine.training.session import Order, train

FOREVER = 1_000_000
"""Epochs between validations, and of the run: a benchmark ends it sooner."""


def engine(gate: Gate, config: RunConfig, task_type: type[Task], root: Path, data: Path | None = None) -> None:
    """A run of `config` in the new directory `root`. It never validates."""
    train_config = config.train.model_copy(update={"epochs": FOREVER, "eval_every": FOREVER})
    resolved = Resolved(config.model_copy(update={"train": train_config}), {}, "benchmark", About(), "small")
    root.mkdir(parents=True)
    trainer.Trainer._step = _gated(trainer.Trainer._step, gate)
    train(Order(resolved, task_type, data, lambda: RunPaths(root), argv=["benchmark"]))


def _gated(step: Callable[..., None], gate: Gate) -> Callable[..., None]:
    """In this process, which measures one loop only."""

    def gated(self: trainer.Trainer, *arguments: Any) -> None:
        gate.pass_through()
        step(self, *arguments)

    return gated
