"""Ticks and labels that a person would choose."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from trainctl.tui.charts.axis import duration, fit_axis, row_axis, same_notation, short, ticks

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


@given(finite, finite, st.booleans(), st.integers(1, 40), st.sampled_from([2, 4]))
def test_any_range_is_shown_whole_and_its_labels_fit_their_rows(a: float, b: float, log: bool, rows: int, dots: int):
    asked = fit_axis(min(a, b), max(a, b), log=log)
    found = row_axis(asked, rows, dots)
    room = 1e-9 * max(abs(asked.lo), abs(asked.hi))
    assert found.axis.lo <= asked.lo + room and asked.hi - room <= found.axis.hi
    assert found.axis.lo < found.axis.hi and found.axis.log is asked.log
    assert all(0 <= row < rows for row in found.rows)
    assert len(found.rows) <= max(rows // 2, 2) + 1


@given(st.floats(-1e4, 1e4), st.floats(1e-3, 1e4), st.integers(3, 40), st.sampled_from([2, 4]))
def test_round_values_lie_in_the_middle_of_their_rows(lo: float, span: float, rows: int, dots: int):
    assume(span > 1e-6 * abs(lo))  # less is as good as equal
    found = row_axis(fit_axis(lo, lo + span), rows, dots)
    assert len(found.rows) >= 2
    for row, value in found.rows.items():
        dot = (1 - found.axis.place(value)) * (rows * dots - 1)
        assert dot == pytest.approx(row * dots + (dots - 1) / 2, abs=1e-6)
    shown = found.axis.hi - found.axis.lo
    assert shown <= 3.2 * span, "little room is left empty"


@pytest.mark.parametrize(
    ("lo", "hi", "labels"),
    [
        (0.9e-4, 1.1, ["1e0", "1e-1", "1e-2", "1e-3", "1e-4"]),
        (0.5, 12, ["10", "5", "2", "1", "0.5"]),
        (0.02, 0.9, ["0.3", "0.1", "0.03"]),
    ],
)
def test_the_rows_of_a_log_axis_hold_decades_and_their_round_parts(lo: float, hi: float, labels: list[str]):
    found = row_axis(fit_axis(lo, hi, log=True), 10)
    values = [found.rows[row] for row in sorted(found.rows)]
    assert [text for text in labels if text not in same_notation(values, log=True)] == []
    for row, value in found.rows.items():
        assert (1 - found.axis.place(value)) * 39 == pytest.approx(4 * row + 1.5, abs=4 * 0.22)


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([0, 0.25, 0.5, 1.0], ["0", "0.25", "0.50", "1.00"]),
        ([9000, 10_000, 11_000], ["9k", "10k", "11k"]),
        ([0, 2500, 5000], ["0", "2500", "5000"]),
        ([0, 5e-4, 1e-3], ["0", "0.5e-3", "1.0e-3"]),
        ([-2e6, 0, 2e6], ["-2e6", "0", "2e6"]),
        ([0.99990, 0.99995], ["0.99990", "0.99995"]),
        ([0.0], ["0"]),
        ([], []),
    ],
)
def test_the_numbers_of_an_axis_are_written_in_one_way(values: list[float], texts: list[str]):
    assert same_notation(values) == texts
