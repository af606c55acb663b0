"""A reader takes whatever is there of a run."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from sample_runs import LAYOUT, NOW, STATUS, new_run, records

from trainctl.engine.errors import UserError
from trainctl.engine.runs.events import EventKind, EventWriter
from trainctl.engine.runs.reader import RunReader
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.status import Liveness, write_status
from trainctl.engine.runs.store import StepWriter
from trainctl.engine.runs.summary import Summary, write_summary


def test_an_empty_directory_is_a_run_that_is_starting(tmp_path: Path):
    reader = RunReader(new_run(tmp_path))
    assert reader.poll() is False
    assert reader.state is RunState.STARTING
    assert reader.liveness()[0] is Liveness.STARTING
    assert (reader.meta, reader.summary, reader.events) == (None, None, [])


def test_a_directory_that_is_not_there_is_tolerated(tmp_path: Path):
    reader = RunReader(tmp_path / "gone")
    assert reader.poll() is False
    assert len(reader.steps.read_new()) == 0


def test_each_file_appears_when_it_is_written(tmp_path: Path):
    paths = new_run(tmp_path)
    reader = RunReader(paths.root)
    write_status(paths, STATUS)
    assert reader.poll()
    assert reader.liveness(NOW) == (Liveness.LIVE, 1.0)
    EventWriter(paths).append(EventKind.START, 0)
    assert reader.poll()
    assert [event.kind for event in reader.events] == ["start"]
    writer = StepWriter(paths, LAYOUT)
    writer.append(records(1, 5))
    writer.close()
    assert len(reader.steps.read_new()) == 5
    write_status(paths, dataclasses.replace(STATUS, state=RunState.FINISHED))
    write_summary(paths, Summary(RunState.FINISHED, 5, 1, 1.0, 1.0))
    assert reader.poll()
    assert reader.liveness()[0] is Liveness.OVER
    assert reader.summary is not None
    assert reader.summary.steps == 5


def test_a_damaged_file_keeps_what_was_known_and_is_named(tmp_path: Path):
    paths = new_run(tmp_path)
    write_status(paths, STATUS)
    reader = RunReader(paths)
    reader.poll()
    known = reader.status
    paths.status.write_text("{")
    assert reader.poll()
    assert reader.status == known
    assert list(reader.problems) == ["status.json"]
    write_status(paths, dataclasses.replace(STATUS, step=11))
    reader.poll()
    assert reader.problems == {}


def test_a_newer_run_is_refused(tmp_path: Path):
    paths = new_run(tmp_path)
    paths.meta.write_text('{"schema": 99}')
    with pytest.raises(UserError, match="newer"):
        RunReader(paths).poll()


def test_events_taken_back_by_a_resume_are_not_current(tmp_path: Path):
    paths = new_run(tmp_path)
    writer = EventWriter(paths)
    for step in (1, 5, 9):
        writer.append(EventKind.NOTE, step, text=str(step))
    writer.append(EventKind.RESUME, 5, from_step=5, dropped=4)
    reader = RunReader(paths)
    reader.poll()
    assert [event.step for event in reader.events] == [1, 5, 9, 5]
    assert [event.step for event in reader.current_events()] == [1, 5, 5]


def test_replaced_events_are_not_shown_twice(tmp_path: Path):
    paths = new_run(tmp_path)
    EventWriter(paths).append(EventKind.NOTE, 1, text="x" * 100)
    reader = RunReader(paths)
    reader.poll()
    paths.events.unlink()
    EventWriter(paths).append(EventKind.START, 0)
    reader.poll()
    assert [event.kind for event in reader.events] == ["start"]


def test_a_run_whose_last_status_the_disk_refused_is_over_all_the_same(tmp_path: Path):
    paths = new_run(tmp_path)
    write_status(paths, dataclasses.replace(STATUS, pid=2**62))
    reader = RunReader(paths)
    reader.poll()
    assert reader.liveness()[0] is Liveness.CRASHED
    write_summary(paths, Summary(RunState.FAILED, 5, 1, 1.0, 1.0, exit_reason="disk full"))
    reader.poll()
    assert reader.liveness()[0] is Liveness.OVER
    assert reader.state is RunState.FAILED
