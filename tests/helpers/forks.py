"""Forks of the toy task, what they said, and whether they go on like their parent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from same_run import HOST_CLOCK, OPTIONS, SCHEDULES, same
from toy import ToyTask, reader_of, resolved

from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.tasks.task import Task
from trainctl.engine.training.desk.run_writer import Ending
from trainctl.engine.training.fork import Origin
from trainctl.engine.training.session import Order, train
from trainctl.engine.training.state.checkpoint import load_checkpoint

TRAIN = {"epochs": 4, "batch_size": 16}


def sections(**changed: Any) -> dict[str, Any]:
    return {**OPTIONS, "schedule": SCHEDULES["plateau"], "train": TRAIN, **changed}


def fork_toy(
    root: Path,
    parent: Path,
    before: dict[str, Any],
    now: dict[str, Any] | None = None,
    *,
    best: bool = False,
    task_type: type[Task] = ToyTask,
) -> Ending:
    """Fork `parent`, which ran under `before`, into `root`, under `now`."""
    paths = RunPaths(parent)
    origin = Origin(paths, paths.best if best else paths.latest, resolved(**before), None)

    def open_run() -> RunPaths:
        root.mkdir()
        return RunPaths(root)

    return train(Order(resolved(**(now or before)), task_type, None, open_run, origin=origin, argv=["toy"]))


def said(root: Path, kind: EventKind) -> list[str]:
    return [event.data["text"] for event in reader_of(root).events if event.kind is kind]


def state_of(root: Path) -> dict[str, Any]:
    return load_checkpoint(RunPaths(root).latest)["state"]


def assert_goes_on_like(whole: Path, fork: Path, step: int) -> None:
    """The fork has the steps of `whole` after `step`, and its state at the end."""
    states = [state_of(root) for root in (whole, fork)]
    for state in states:
        for own in ("train_s", "elapsed_s", "samples"):
            state["progress"].pop(own)
    for key in states[0]:
        assert same(states[0][key], states[1][key]), key
    records = [reader_of(root).steps.all() for root in (whole, fork)]
    assert records[1]["step"].tolist() == list(range(step + 1, len(records[0]) + 1))
    for name in records[0].dtype.names or ():
        if name not in HOST_CLOCK:
            np.testing.assert_array_equal(records[0][name][step:], records[1][name], err_msg=name)
