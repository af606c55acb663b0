"""Runs of the toy task by several processes, each as one rank, and what befalls one of them at a step."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch._dynamo  # DistributedDataParallel imports it: once here, not in every process
from several import environ_of, free_port, together
from torch import Tensor, nn
from toy import NUM_CLASSES, ToyTask

from trainctl.engine.config.resolve import Resolved
from trainctl.engine.data.batch import Batch
from trainctl.engine.errors import UserError
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.tasks.task import StepOutput, Task
from trainctl.engine.training.session import Order, train

assert torch._dynamo
Befall = Callable[[int, int], None]
"""Told rank and number of the step that begins, from 1; 0: a batch of a validation."""


class PlainToy(ToyTask):
    """The toy task without anything that is drawn, and without BatchNorm: several processes can be held against one."""

    def build_model(self, splits: Any) -> nn.Module:
        return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, NUM_CLASSES))

    def augment(self, batch: Batch, generator: Any) -> Batch:
        return batch


def befalling(task_type: type[Task], rank: int, befall: Befall) -> type[Task]:
    """The task, on a rank that something befalls at its training steps."""

    class Befallen(task_type):
        steps_begun = 0

        def step(self, model: nn.Module, batch: Batch) -> StepOutput:
            if model.training:
                type(self).steps_begun += 1
                befall(rank, type(self).steps_begun)
            else:
                befall(rank, 0)
            output = super().step(model, batch)
            return self.spoilt(output) if model.training else output

        def spoilt(self, output: StepOutput) -> StepOutput:
            if os.environ.get("SPOIL") == f"{rank}:{type(self).steps_begun}":
                terms: dict[str, Tensor] = {name: term * float("nan") for name, term in output.terms.items()}
                return StepOutput(terms, output.columns, output.scalars)
            return output

    return Befallen


def run_ranks(
    root: Path,
    config: Resolved,
    *,
    size: int = 2,
    task_type: type[Task] = PlainToy,
    befall: Befall = lambda rank, step: None,
    before: Callable[[int], None] = lambda rank: None,
    resume: bool = False,
    on_open: Callable[[RunPaths], None] | None = None,
    **more: Any,
) -> list[dict[str, Any] | None]:
    """Train with `size` processes; how each ended, None for one that was killed.

    Args:
        befall: told of each step of each rank, in its process.
        before: told of each rank, in its process, before it trains.
        more: further parts of the order.
    """
    root.mkdir(exist_ok=True)
    files = [_said_by(root, rank) for rank in range(size)]
    for file in files:
        file.unlink(missing_ok=True)
    given = (size, free_port(), str(root), config, task_type, befall, before, resume, on_open, more)
    together(size, _train_rank, *given, may_die=True)
    return [json.loads(file.read_text()) if file.exists() else None for file in files]


def _train_rank(
    rank: int,
    size: int,
    port: int,
    root: str,
    config: Resolved,
    task_type: type[Task],
    befall: Befall,
    before: Callable[[int], None],
    resume: bool,
    on_open: Callable[[RunPaths], None] | None,
    more: dict[str, Any],
) -> None:
    paths, began = RunPaths(Path(root)), time.monotonic()
    before(rank)
    order = Order(
        config,
        befalling(task_type, rank, befall),
        None,
        lambda: paths,
        is_resumed=resume,
        argv=["toy"],
        on_open=on_open,
        on_crash=lambda err: None,
        environ=environ_of(rank, size, port),
        **more,
    )
    try:
        ending = train(order)
        said: dict[str, Any] = {"state": str(ending.state), "reason": ending.reason, "code": int(ending.code)}
    except UserError as err:
        said = {"state": "refused", "reason": str(err), "code": int(err.code)}
    said["seconds"] = time.monotonic() - began
    _said_by(paths.root, rank).write_text(json.dumps(said))


def _said_by(root: Path, rank: int) -> Path:
    """Beside the run, whose folder may be anything by then."""
    return root.with_name(f"{root.name}-rank{rank}.json")


def kill_self(number: signal.Signals) -> None:
    """Send this process a signal."""
    os.kill(os.getpid(), number)


def codes(endings: list[dict[str, Any] | None]) -> list[int | None]:
    """With which each rank ended."""
    return [None if ending is None else int(ending["code"]) for ending in endings]


def stop_at(step: int) -> Befall:
    """A signal that the rank that leads receives when it begins a step."""

    def stop(rank: int, own: int) -> None:
        if (rank, own) == (0, step):
            kill_self(signal.SIGTERM)

    return stop
