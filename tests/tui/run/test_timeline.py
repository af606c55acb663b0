"""Steps as epochs and as time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from present import present

from trainctl.engine.runs.events import Event, EventKind
from trainctl.tui.run.timeline import MAX_KNOTS, TimeKnots, epoch_knots


def test_time_is_kept_within_bounds_and_its_ends_exactly():
    knots = TimeKnots()
    for first in range(1, 100_001, 1000):
        steps = np.arange(first, first + 1000)
        knots.extend(steps, (steps - 1) * 0.5)
    found = knots.knots()
    assert found is not None
    steps, times = found
    assert MAX_KNOTS / 2 <= len(steps) <= MAX_KNOTS + 2
    assert (steps[0], times[0], steps[-1], times[-1]) == (1, 0.0, 100_000, 49_999.5)
    np.testing.assert_array_equal(times, (steps - 1) * 0.5)


@given(st.lists(st.integers(0, 700), max_size=12))
def test_the_knots_do_not_depend_on_how_steps_arrive(portions: list[int]):
    whole, parts = TimeKnots(), TimeKnots()
    steps = np.arange(1, sum(portions) + 1)
    times = np.sqrt(steps)
    whole.extend(steps, times)
    done = 0
    for size in portions:
        parts.extend(steps[done : done + size], times[done : done + size])
        done += size
    one, other = whole.knots(), parts.knots()
    if one is None or other is None:
        assert one is other is None
        return
    np.testing.assert_array_equal(one, other)


def test_a_clock_that_is_set_back_does_not_run_backwards():
    knots = TimeKnots()
    knots.extend(np.arange(1, 5), np.array([0.0, 5.0, 2.0, 6.0]))
    assert present(knots.knots())[1].tolist() == [0.0, 5.0, 5.0, 6.0]


def ends(*pairs: tuple[int, int]) -> list[Event]:
    return [Event(EventKind.EPOCH, step, 0.0, {"epoch": epoch}) for step, epoch in pairs]


def test_epochs_follow_the_plan_before_any_has_ended():
    steps, epochs = present(epoch_knots(50, []))
    assert np.interp(25, steps, epochs) == pytest.approx(0.5)


def test_epochs_that_ended_lie_where_they_ended_and_the_plan_goes_on_from_there():
    steps, epochs = present(epoch_knots(80, ends((50, 1), (100, 2))))
    assert (steps.tolist(), epochs.tolist()) == ([0, 50, 100, 180], [0, 1, 2, 3])


def test_without_plan_and_epochs_there_is_no_map():
    assert epoch_knots(0, []) is None
    assert epoch_knots(0, ends((0, 0))) is None


def test_many_epochs_are_thinned():
    steps, epochs = present(epoch_knots(2, ends(*((2 * k, k) for k in range(1, 10_000)))))
    assert len(steps) <= MAX_KNOTS
    assert (steps[-1], epochs[-1]) == (20_000, 10_000)
