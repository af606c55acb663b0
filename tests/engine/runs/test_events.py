"""Events are read back, and a resume takes back what came after its checkpoint."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_runs import new_run

from trainctl.engine.runs.events import Event, EventKind, EventReader, EventWriter, current_events
from trainctl.engine.runs.layout import RunPaths


@pytest.mark.parametrize("kind", list(EventKind))
def test_every_kind_of_event_is_read_back(tmp_path: Path, kind: EventKind):
    paths = new_run(tmp_path)
    written = EventWriter(paths).append(kind, 7, kind="x", step=3, time="y", values={"f1": 0.5})
    assert EventReader(paths).read_new() == [written]
    assert written.data == {"kind": "x", "step": 3, "time": "y", "values": {"f1": 0.5}}


def test_a_metric_that_is_nan_is_read_as_null(tmp_path: Path):
    paths = new_run(tmp_path)
    EventWriter(paths).append(EventKind.VALIDATION, 1, raw={"f1": math.nan})
    assert EventReader(paths).read_new()[0].data == {"raw": {"f1": None}}


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "[]",
        '{"kind": "party", "step": 1, "time": 1, "data": {}}',
        '{"kind": "note", "step": 1, "time": 1, "data": []}',
        '{"kind": "note", "time": 1, "data": {}}',
        '{"kind": "note", "step": "x", "time": 1, "data": {}}',
    ],
)
def test_a_line_that_is_no_event_is_skipped_and_counted(tmp_path: Path, line: str):
    paths = new_run(tmp_path)
    paths.events.write_text(line + "\n")
    EventWriter(paths).append(EventKind.NOTE, 1, text="after")
    reader = EventReader(paths)
    assert [event.data["text"] for event in reader.read_new()] == ["after"]
    assert reader.skipped == 1


def at(step: int, kind: EventKind = EventKind.NOTE, **data: int) -> Event:
    return Event(kind, step, 0.0, data)


def test_events_after_the_checkpoint_are_void_once_a_resume_went_back_to_it():
    events = [at(1), at(5), at(9), at(5, EventKind.RESUME, from_step=5), at(6)]
    assert [event.step for event in current_events(events)] == [1, 5, 5, 6]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 20))))
def test_current_events_never_go_past_a_later_resume(plan: list[tuple[bool, int]]):
    events = [at(s, EventKind.RESUME, from_step=s) if resume else at(s) for resume, s in plan]
    kept = current_events(events)
    for index, event in enumerate(kept):
        later = [other.step for other in kept[index + 1 :] if other.kind is EventKind.RESUME]
        assert all(event.step <= step for step in later)
    last_resume = max((k for k, event in enumerate(events) if event.kind is EventKind.RESUME), default=-1)
    assert kept[len(kept) - len(events[last_resume + 1 :]) :] == events[last_resume + 1 :]


def test_an_infinite_figure_is_written_and_read_as_one(tmp_path: Path):
    paths = RunPaths(tmp_path)
    EventWriter(paths).append(EventKind.VALIDATION, 5, raw={"loss": math.inf, "f1": -math.inf, "n": math.nan}, epoch=1)
    assert '"inf"' in paths.events.read_text() and '"-inf"' in paths.events.read_text()
    (event,) = EventReader(paths).read_new()
    assert event.data == {"raw": {"loss": math.inf, "f1": -math.inf, "n": None}, "epoch": 1}
