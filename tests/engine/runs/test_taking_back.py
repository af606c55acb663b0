"""What a resume takes back of records and events, and that a run of a newer version is not touched."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from trainctl.engine.errors import UserError
from trainctl.engine.runs.events import Event, EventKind, current_events
from trainctl.engine.runs.index import create_run, find_run
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.record import RecordLayout
from trainctl.engine.runs.store import StepReader, StepWriter, count_after, drop_after

LAYOUT = RecordLayout(terms=("ce",))


def write_steps(paths: RunPaths, count: int) -> None:
    records = np.zeros(count, LAYOUT.dtype)
    records["step"] = np.arange(1, count + 1)
    writer = StepWriter(paths, LAYOUT)
    writer.append(records)
    writer.close()


@pytest.mark.parametrize(("step", "dropped"), [(0, 10), (4, 6), (9, 1), (10, 0), (99, 0)])
def test_records_after_a_step_are_counted_and_dropped(tmp_path: Path, step: int, dropped: int) -> None:
    paths = RunPaths(tmp_path)
    write_steps(paths, 10)
    assert count_after(paths, step) == dropped
    assert drop_after(paths, step) == dropped
    assert StepReader(paths).all()["step"].tolist() == list(range(1, 11 - dropped))


def test_a_run_without_records_has_none_to_drop(tmp_path: Path) -> None:
    assert count_after(RunPaths(tmp_path), 3) == drop_after(RunPaths(tmp_path), 3) == 0


def event(kind: EventKind, step: int, **data: object) -> Event:
    return Event(kind, step, 0.0, data)


def test_the_end_of_an_epoch_that_is_still_due_at_the_checkpoint_is_taken_back() -> None:
    first = event(EventKind.VALIDATION, 5, epoch=1)
    asked = event(EventKind.VALIDATION, 10, epoch=1)  # asked for before the epoch had ended
    kinds = (EventKind.EPOCH, EventKind.VALIDATION, EventKind.REFIT, EventKind.VALIDATION)
    due = [event(kind, 10, epoch=2) for kind in kinds]
    saved = event(EventKind.CHECKPOINT, 10, which="latest")
    later = event(EventKind.CHECKPOINT, 12, which="latest")
    resume = event(EventKind.RESUME, 10, from_step=10, from_epoch=1, dropped=2)
    assert current_events([first, asked, saved, *due, later, resume]) == [first, asked, saved, resume]
    after = event(EventKind.RESUME, 10, from_step=10, from_epoch=2, dropped=2)
    assert current_events([first, saved, *due, later, after]) == [first, saved, *due, after]


@pytest.mark.parametrize("file", ["meta.json", "status.json", "steps.json", "summary.json"])
def test_a_run_of_a_newer_version_is_not_found_but_refused(tmp_path: Path, file: str) -> None:
    paths = create_run(tmp_path, "toy")
    (paths.root / file).write_text(json.dumps({"schema": 2}))
    with pytest.raises(UserError, match=f"{file} has schema 2"):
        find_run(tmp_path, "latest")
    (paths.root / file).write_text("{")  # damaged is for the reader to judge
    assert find_run(tmp_path, "latest").root == paths.root


def test_a_task_file_gives_a_short_name(tmp_path: Path) -> None:
    assert "-digits-Digits-" in create_run(tmp_path, "/home/me/docs/examples/digits.py:Digits").root.name
