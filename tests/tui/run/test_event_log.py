"""Events in force, by kind, however many there are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trainctl.engine.runs.events import Event, EventKind, current_events
from trainctl.tui.run.events import MAX_EVENTS, EventLog

KINDS = [EventKind.NOTE, EventKind.VALIDATION, EventKind.RESUME, EventKind.CHECKPOINT]


def event(kind: EventKind, step: int, number: int = 0) -> Event:
    return Event(kind, step, float(number), {"epoch": step // 3, "from_step": step, "from_epoch": step // 3})


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 9)), max_size=30), st.integers(1, 5))
def test_what_is_in_force_is_what_a_whole_reading_gives(described: list[tuple[EventKind, int]], portion: int):
    events = [event(kind, step, number) for number, (kind, step) in enumerate(described)]
    log = EventLog()
    for first in range(0, len(events), portion):
        log.add(events[first : first + portion])
        seen = current_events(events[: first + portion])
        assert log.of_kind(*EventKind) == seen
        assert log.of_kind(EventKind.NOTE, EventKind.RESUME) == [
            entry for entry in seen if entry.kind in (EventKind.NOTE, EventKind.RESUME)
        ]


def test_an_answer_is_made_once_until_an_event_of_its_kinds_arrives():
    log = EventLog()
    log.add([event(EventKind.NOTE, 1)])
    answer = log.of_kind(EventKind.NOTE)
    log.add([event(EventKind.CHECKPOINT, 2)])
    assert log.of_kind(EventKind.NOTE) is answer
    log.add([event(EventKind.NOTE, 3)])
    assert [found.step for found in log.of_kind(EventKind.NOTE)] == [1, 3]


def test_of_many_events_the_newest_stay_and_other_kinds_lose_nothing():
    log = EventLog()
    log.add([event(EventKind.START, 0)])
    log.add(event(EventKind.NOTE, step) for step in range(MAX_EVENTS + 10))
    assert [found.step for found in log.of_kind(EventKind.NOTE)] == list(range(10, MAX_EVENTS + 10))
    assert len(log.of_kind(EventKind.START)) == 1


def test_the_same_kind_asked_twice_is_not_given_twice():
    log = EventLog()
    log.add([event(EventKind.NOTE, 1)])
    assert len(log.of_kind(EventKind.NOTE, EventKind.NOTE)) == 1
