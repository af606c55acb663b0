"""Steps, epochs and time on the x axis: there and back, round positions, words."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainctl.tui.charts.positions import XMap, position_label, position_ticks, position_words

rises = st.lists(st.tuples(st.integers(1, 5000), st.floats(0.001, 3000)), min_size=1, max_size=40)
places = st.floats(-1e5, 1e6)


def mapped(rises: list[tuple[int, float]], unit: str = "time") -> XMap:
    """A map through the sums of the rises."""
    steps, xs = np.cumsum(np.array(rises), axis=0).T
    return XMap(steps, xs, unit)


@given(rises, places)
def test_there_and_back_is_the_same_step(rises: list[tuple[int, float]], step: float):
    x_map = mapped(rises)
    assert x_map.step_of(x_map.x_of(step)) == pytest.approx(step, rel=1e-6, abs=1e-3)


@given(rises, places, places)
def test_later_steps_lie_further_right(rises: list[tuple[int, float]], a: float, b: float):
    x_map = mapped(rises)
    low, high = sorted((a, b))
    assert x_map.x_of(low) <= x_map.x_of(high)


def test_knots_are_met_and_between_them_the_way_is_straight():
    x_map = XMap([0, 100, 200], [0.0, 1.0, 5.0], "epoch")
    np.testing.assert_allclose(x_map.x_of(np.array([0.0, 50, 100, 150, 200])), [0, 0.5, 1, 3, 5], atol=1e-6)


def test_beyond_its_ends_the_map_goes_on_straight():
    x_map = XMap([100, 200, 300], [10.0, 20.0, 50.0], "time")
    assert x_map.x_of(0.0) == pytest.approx(0.0, abs=1e-3)
    assert x_map.x_of(400.0) == pytest.approx(80.0, abs=1e-3)
    assert x_map.step_of(80.0) == pytest.approx(400.0, abs=1e-3)


@pytest.mark.parametrize(
    ("steps", "xs"),
    [
        ([], []),
        ([5], [3.0]),
        ([0, 1, 2, 3], [0.0, 0.0, 0.0, 0.0]),
        ([0, 10, 20], [5.0, 3.0, 9.0]),
        ([0, 10, 5, 20], [0.0, 1.0, 2.0, 3.0]),
        ([0, 10, 20], [0.0, float("nan"), 2.0]),
    ],
)
def test_a_clock_that_stands_still_or_falls_still_gives_a_way_back(steps: list[float], xs: list[float]):
    x_map = XMap(steps, xs, "time")
    at = np.linspace(-5, 40, 91)
    there = x_map.x_of(at)
    assert np.isfinite(there).all() and (np.diff(there) > 0).all()
    np.testing.assert_allclose(x_map.step_of(there), at, atol=1e-3)


@given(st.floats(-1e6, 1e7), st.floats(1e-3, 1e7), st.integers(1, 12), st.sampled_from(["step", "epoch", "time"]))
def test_ticks_are_few_ascending_and_inside(start: float, width: float, most: int, unit: str):
    found = position_ticks(start, start + width, most, unit)
    assert len(found) <= most and found == sorted(set(found))
    assert all(start <= x < start + width for x in found)


@given(st.floats(0, 1e7), st.floats(20, 1e7), st.sampled_from(["step", "epoch", "time"]))
def test_a_wide_axis_has_ticks_whose_labels_differ(start: float, width: float, unit: str):
    found = position_ticks(start, start + width, 8, unit)
    assert len(found) >= 2
    labels = [position_label(x, unit, found[1] - found[0]) for x in found]
    assert len(set(labels)) == len(labels)


def test_steps_are_whole():
    assert position_ticks(10, 13, 8, "step") == [10, 11, 12]


@pytest.mark.parametrize(
    ("x", "unit", "resolution", "text"),
    [
        (12_000, "step", 2000, "12k"),
        (12_345, "step", 1, "12345"),
        (0, "step", 1, "0"),
        (3.5, "epoch", 0.5, "3.5"),
        (7500, "time", 300, "2 h 5 min"),
        (7530, "time", 10, "2:05:30"),
        (7500, "time", 10, "2 h 5 min"),
        (2 * 86_400 + 3723, "time", 5, "2 d 1:02:03"),
    ],
)
def test_labels_are_as_short_as_the_distance_allows(x: float, unit: str, resolution: float, text: str):
    assert position_label(x, unit, resolution) == text


def test_words_always_name_the_step():
    assert position_words(12_345, None) == "step 12345"
    assert position_words(150, XMap([0, 100], [0, 1], "epoch")) == "epoch 1.50 · step 150"
    assert position_words(150, XMap([0, 100], [0, 5000], "time")) == "2 h 5 min · step 150"
