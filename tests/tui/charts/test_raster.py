"""What a reader of a chart must be able to rely on, checked on the cells."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from present import present

from trainctl.tui.charts.axis import Axis, fit_axis
from trainctl.tui.charts.blocks import Envelope
from trainctl.tui.charts.inks import BAD_INK, MARK_INK, NO_INK, RULE_INK, SPAN_INK
from trainctl.tui.charts.pyramid import Points, Pyramid
from trainctl.tui.charts.raster import Glyphs, Mark, Raster, Trace, dot_ranges, rasterise

finite = st.floats(width=32, allow_nan=False, allow_infinity=False)
anything = st.floats(width=32, allow_nan=True, allow_infinity=True)


def drawn(values: np.ndarray, width: int, height: int, glyphs: Glyphs, *, log: bool = False) -> Raster:
    """A plot of one series over its whole length."""
    series = Pyramid()
    series.extend(np.asarray(values, np.float32))
    envelope = series.envelope(0, max(len(values), 1), width * glyphs.dots[1])
    axis = fit_axis(*(envelope.limits or (0.0, 1.0)), log=log)
    return rasterise([Trace(envelope, 0)], width, height, axis, glyphs=glyphs)


def flat(values: np.ndarray) -> Envelope:
    """One sample in each column."""
    return Envelope(values, values, np.zeros(len(values), bool), values)


@given(
    arrays(np.float32, st.integers(0, 300), elements=anything),
    st.integers(1, 50),
    st.integers(1, 12),
    st.sampled_from(list(Glyphs)),
    st.booleans(),
)
def test_any_series_draws_into_exactly_its_cells(
    values: np.ndarray, width: int, height: int, glyphs: Glyphs, log: bool
):
    raster = drawn(values, width, height, glyphs, log=log)
    assert raster.chars.shape == raster.inks.shape == (height, width)
    assert all(len(char) == 1 for char in raster.chars.flat)
    if len(values):
        assert (raster.inks != NO_INK).any()


@given(
    arrays(np.float32, st.integers(2, 3000), elements=st.floats(-1, 1, width=32)),
    st.integers(0, 10**6),
    st.integers(2, 60),
    st.sampled_from(list(Glyphs)),
)
def test_a_spike_of_one_sample_reaches_the_top_row_at_every_width(
    values: np.ndarray, where: int, width: int, glyphs: Glyphs
):
    values[where % len(values)] = 100.0
    raster = drawn(values, width, 6, glyphs)
    assert (raster.inks[0] == 0).any()


@given(
    arrays(np.float32, st.integers(2, 300), elements=st.floats(1, 1e6, width=32)),
    st.integers(1, 60),
    st.integers(0, 10**6),
)
def test_a_sample_that_is_not_finite_leaves_a_cross(values: np.ndarray, width: int, where: int):
    values[where % len(values)] = np.nan
    raster = drawn(values, width, 5, Glyphs.BRAILLE)
    assert "×" in raster.lines()[0]
    assert (raster.inks[0] == BAD_INK).sum() == 1


def test_a_line_breaks_at_a_gap_and_is_connected_elsewhere():
    values = np.array([0, 0, 0, np.nan, 1, 1, 1, 1], np.float32)
    assert drawn(values, 4, 1, Glyphs.BRAILLE).lines() == ["⣀×⠉⠉"]


def test_few_samples_are_connected_by_straight_lines():
    raster = drawn(np.array([0.0, 1.0, 0.0]), 9, 2, Glyphs.BRAILLE)
    filled = (raster.chars != " ") & (raster.chars != chr(0x2800))
    assert filled.any(axis=0)[:7].all()


def test_a_rise_is_drawn_without_holes():
    envelope = flat(np.array([0, 1, 0, 1], np.float32))
    raster = rasterise([Trace(envelope, 0)], 2, 4, Axis(0, 1))
    assert (raster.inks == 0).all()


@given(arrays(np.float32, st.integers(1, 80), elements=finite), st.integers(2, 30))
def test_dots_of_an_axis_that_fits_lie_inside_and_in_order(values: np.ndarray, rows: int):
    points = Points(np.arange(len(values), dtype=float), values)
    envelope = points.envelope(0, len(values), len(values))
    top, bottom = dot_ranges(envelope, rows, fit_axis(*present(envelope.limits)))
    assert (top >= 0).all() and (bottom < rows).all() and (top <= bottom).all()


@pytest.mark.parametrize("value", [0.0, 1.0, -3.5, 1e-38, 3e38, -3e38])
def test_a_constant_series_is_a_line_in_the_middle(value: float):
    raster = drawn(np.full(20, value), 10, 5, Glyphs.ASCII)
    rows = np.flatnonzero((raster.inks == 0).any(axis=1))
    assert len(rows) == 1 and 1 <= rows[0] <= 3


def test_a_single_sample_is_visible():
    assert (drawn(np.array([0.3]), 10, 3, Glyphs.BRAILLE).inks == 0).sum() == 1


def test_a_log_axis_spreads_decades_evenly():
    raster = drawn(10.0 ** np.arange(4), 4, 4, Glyphs.ASCII, log=True)
    rows = [int(np.flatnonzero(raster.inks[:, k] == 0)[0]) for k in range(4)]
    assert rows == sorted(rows, reverse=True) and rows[0] == 3 and rows[-1] == 0


def test_zero_on_a_log_axis_stays_at_the_bottom():
    series = Points(np.array([0.0, 1.0]), np.array([0.0, 100.0]))
    raster = rasterise([Trace(series.envelope(0, 2, 4), 0)], 2, 4, Axis(1, 100, log=True))
    assert raster.inks[3, 0] == 0


def test_traces_that_share_a_cell_keep_their_dots_and_show_the_later_colour():
    low, high = (flat(np.full(4, y, np.float32)) for y in (0.0, 1.0))
    raster = rasterise([Trace(low, 0), Trace(high, 1)], 2, 1, Axis(0, 1))
    assert raster.lines() == ["⣉⣉"] and (raster.inks == 1).all()


def test_points_with_a_symbol_are_whole_cells():
    points = Points(np.array([0.0, 9.0]), np.array([0.0, 1.0])).envelope(0, 10, 20)
    raster = rasterise([Trace(points, 3, symbol="●")], 10, 3, Axis(0, 1))
    assert raster.lines() == ["         ●", "          ", "●         "]


def test_a_later_series_takes_over_the_cell():
    envelope = flat(np.ones(4, np.float32))
    raster = rasterise([Trace(envelope, 0), Trace(envelope, 1)], 2, 1, Axis(0, 1))
    assert (raster.inks == 1).all()


def test_annotations_stay_behind_the_series():
    envelope = flat(np.full(20, 0.5, np.float32))
    raster = rasterise([Trace(envelope, 0)], 10, 5, Axis(0, 1), marks=(Mark(3, "c"),), rules=(0.9,), spans=((0, 2),))
    assert raster.chars[0, 3] == "c" and raster.inks[0, 3] == MARK_INK
    assert raster.inks[0, 9] == RULE_INK and raster.inks[4, 0] == SPAN_INK
    assert (raster.inks[2] == 0).all()
