"""Ticks and labels that a person would choose."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainctl.tui.charts.axis import duration, fit_axis, short, ticks

finite = st.floats(-1e300, 1e300, allow_nan=False)


@given(finite, finite, st.booleans(), st.integers(1, 9))
def test_any_range_gives_an_axis_and_at_most_as_many_ticks_as_asked(a: float, b: float, log: bool, most: int):
    lo, hi = min(a, b), max(a, b)
    axis = fit_axis(lo, hi, log=log)
    assert axis.lo < axis.hi and math.isfinite(axis.lo) and math.isfinite(axis.hi)
    found = ticks(axis, most)
    assert len(found) <= most and found == sorted(found)
    assert all(-1e-6 <= axis.place(tick) <= 1 + 1e-6 for tick in found)


@given(st.floats(1e-6, 1e6), st.floats(1.01, 1e6), st.integers(3, 9))
def test_ordinary_ranges_have_at_least_two_ticks(lo: float, ratio: float, most: int):
    assert len(ticks(fit_axis(lo, lo * ratio), most)) >= 2


def test_log_ticks_are_decades():
    assert ticks(fit_axis(1e-4, 1.0, log=True), 6) == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1, 1])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.25, "0.25"),
        (1e-4, "1e-4"),
        (0.000234, "2.34e-4"),
        (12, "12"),
        (0.6931, "0.693"),
        (1234, "1234"),
        (12_000, "12k"),
        (3.2e7, "3.2e7"),
        (-0.5, "-0.5"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
    ],
)
def test_labels_are_short(value: float, text: str):
    assert short(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (40.4, "40 s"),
        (59.7, "1 min"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
        (86_399, "1 d"),
        (4 * 86_400 + 7200, "4 d 2 h"),
        (math.nan, "-"),
    ],
)
def test_durations_have_two_units(seconds: float, text: str):
    assert duration(seconds) == text
