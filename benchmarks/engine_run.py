"""The whole engine as a measured loop: a run directory, every step recorded, heartbeat, commands polled.

Uses what `trainctl run` uses, `training.session.train`, unchanged; only the task passes the gate before each step.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.gate import Gate
from trainctl.engine.config.presets import About
from trainctl.engine.config.resolve import Resolved
from trainctl.engine.config.schema import RunConfig
from trainctl.engine.data.batch import Batch
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.tasks.task import Task
from trainctl.engine.training.session import Order, train

FOREVER = 1_000_000
"""Epochs between validations, and of the run: a benchmark ends it sooner."""


def engine(gate: Gate, config: RunConfig, task_type: type[Task], root: Path, data: Path | None = None) -> None:
    """A run of `config` in the new directory `root`. It never validates."""
    train_config = config.train.model_copy(update={"epochs": FOREVER, "eval_every": FOREVER})
    resolved = Resolved(config.model_copy(update={"train": train_config}), {}, "benchmark", About(), "small")
    root.mkdir(parents=True)
    train(Order(resolved, _gated(task_type, gate), data, lambda: RunPaths(root), argv=["benchmark"]))


def _gated(task_type: type[Task], gate: Gate) -> type[Task]:
    class Gated(task_type):  # the type is only known here
        def prepare(self, batch: Batch) -> Batch:
            gate.pass_through()
            return super().prepare(batch)

    return Gated
