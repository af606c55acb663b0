"""The clock of a replay: speeds, seeking, the end, and what is left out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainctl.tui.replay.clock import SPEEDS, ReplayClock, Sittings, fitting_speed


class FakeTime:
    """A clock that goes by when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


@pytest.fixture
def clock(time: FakeTime) -> ReplayClock:
    """Plays an hour, a minute per second."""
    clock = ReplayClock(time)
    clock.begin(3600.0)
    return clock


@pytest.mark.parametrize(
    ("duration_s", "speed"), [(60, 1.0), (600, 10.0), (3600, 50.0), (36000, 500.0), (6, 0.1), (0, 0.1)]
)
def test_a_run_plays_in_about_a_minute(duration_s: float, speed: float):
    assert fitting_speed(duration_s) == speed


@given(st.floats(6.0, 3e6))
def test_no_run_takes_less_than_half_a_minute_or_more_than_two(duration_s: float):
    assert 30 <= duration_s / fitting_speed(duration_s) <= 120


def test_it_plays_pauses_and_plays_on(clock: ReplayClock, time: FakeTime):
    time.now += 2
    assert clock.position_s == 100.0 and clock.is_playing
    clock.toggle()
    time.now += 50
    assert clock.position_s == 100.0 and not clock.is_playing
    clock.toggle()
    time.now += 1
    assert clock.position_s == 150.0


def test_another_speed_does_not_move_it(clock: ReplayClock, time: FakeTime):
    time.now += 2
    clock.faster()
    assert clock.speed == 100.0 and clock.position_s == 100.0
    time.now += 1
    assert clock.position_s == 200.0
    for _ in SPEEDS:
        clock.slower()
    assert clock.speed == SPEEDS[0] and clock.position_s == 200.0


def test_seeking_stays_within_the_recording(clock: ReplayClock):
    clock.toggle()
    clock.seek(0.5)
    assert clock.position_s == 1800.0
    clock.seek_by(0.05)
    assert clock.fraction == pytest.approx(0.55)
    clock.seek_by(2.0)
    assert clock.fraction == 1.0
    clock.seek_by(-2.0)
    assert clock.position_s == 0.0 and not clock.is_playing


def test_at_the_end_it_stands_and_playing_begins_anew(clock: ReplayClock, time: FakeTime):
    time.now += 1000
    assert clock.fraction == 1.0 and not clock.is_playing
    clock.toggle()
    assert clock.position_s == 0.0 and clock.is_playing


def test_nothing_to_play_has_no_position(time: FakeTime):
    assert ReplayClock(time).fraction == 0.0 and not ReplayClock(time).is_playing


def test_the_time_between_two_sittings_is_left_out():
    sittings = Sittings([(100.0, 110.0), (500.0, 530.0)])
    assert sittings.duration_s == 40.0
    assert [sittings.moment(at) for at in (0.0, 9.0, 10.0, 25.0, 40.0, 99.0)] == [100, 109, 500, 515, 530, 530]


@given(st.lists(st.floats(0.1, 100.0), min_size=2, max_size=12), st.floats(0, 1), st.floats(0, 1))
def test_moments_follow_positions(lengths: list[float], one: float, other: float):
    edges = [sum(lengths[:k]) for k in range(1, len(lengths) + 1)]
    sittings = Sittings(list(zip(edges[::2], edges[1::2], strict=False)))
    early, late = sorted((one * sittings.duration_s, other * sittings.duration_s))
    assert edges[0] <= sittings.moment(early) <= sittings.moment(late) <= edges[-1]
