"""Records that are not one step apart are drawn at their steps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainctl.tui.run.places import MOST_KNOTS, Places
from trainctl.tui.run.series import RunSeries


def test_records_one_step_apart_lie_where_their_step_says() -> None:
    places = Places(7.0)
    places.extend(np.arange(7, 20))
    steps = np.array([3.0, 7.0, 12.5, 25.0])
    assert places.is_plain
    assert places.places_of(steps).tolist() == steps.tolist()


def test_every_fiftieth_step_is_a_place_of_its_own() -> None:
    places = Places(50.0)
    places.extend(np.arange(50, 550, 50))
    assert places.places_of(np.array([50.0, 100.0, 500.0])).tolist() == [50.0, 51.0, 59.0]
    assert 50 < places.places_of(np.array([75.0]))[0] < 51
    assert places.places_of(np.array([0.0, 501.0])).tolist() == [50.0, 60.0]


@given(
    gaps=st.lists(st.integers(1, 40), min_size=1, max_size=60),
    cuts=st.lists(st.integers(0, 60), max_size=4),
    first=st.integers(0, 10**6),
)
def test_each_record_is_found_at_its_step_however_they_came(gaps: list[int], cuts: list[int], first: int) -> None:
    steps = first + np.concatenate(([0], np.cumsum(gaps)))
    places = Places(float(first))
    for part in np.split(steps, sorted(min(cut, len(steps)) for cut in cuts)):
        places.extend(part)
    assert places.places_of(steps.astype(np.float64)).tolist() == [first + k for k in range(len(steps))]
    assert places.last == steps[-1]


def test_a_long_run_is_remembered_in_bounded_memory_and_nearly_exactly() -> None:
    steps = np.cumsum(np.random.default_rng(0).integers(1, 20, 5 * MOST_KNOTS)).astype(np.float64)
    places = Places(steps[0])
    for part in np.array_split(steps, 9):
        places.extend(part)
    off = np.abs(places.places_of(steps) - steps[0] - np.arange(len(steps)))
    assert len(places._at) <= MOST_KNOTS
    assert off.max() < 8


def test_blocks_of_an_overview_are_enough() -> None:
    places = Places(10.0)
    places.extend([10], [0])
    places.extend([2560, 5120], [255, 511])
    places.extend([5130, 5140])
    assert places.count == 514
    assert places.places_of(np.array([10.0, 2560.0, 5120.0, 5140.0])) == pytest.approx([10, 265, 521, 523])


def test_a_series_answers_by_steps() -> None:
    places = Places(0.0)
    series = RunSeries(0.0, places=places)
    places.extend([0, 100, 200, 1000])
    series.extend(np.array([1.0, 2.0, 3.0, 4.0]))
    assert series.extent == (0.0, 1001.0)
    assert [series.at(step) for step in (0, 99, 100, 250, 1000)] == [1, 1, 2, 3, 4]
    mean = series.envelope(0, 1000, 10).mean
    assert mean[[0, 1, 2]].tolist() == [1, 2, 3]
    assert np.isnan(mean[3:]).all()
    assert series.envelope(900, 1100, 2).mean[1] == 4


def test_a_closer_look_lies_at_its_place_and_follows() -> None:
    places = Places(0.0)
    series = RunSeries(0.0, places=places)
    places.extend(np.arange(0, 1000, 10))
    series.extend(np.zeros(100))
    series.offer_detail(60.0, np.arange(40, dtype=np.float32))
    places.extend([1000])
    series.extend(np.array([99.0]))
    assert series.at(600) == 0.0
    assert series.at(700) == 10.0
    assert series.at(1000) == 99.0
