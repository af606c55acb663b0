"""The pyramid against a slow reference that looks at every sample."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from trainctl.tui.charts.blocks import Envelope
from trainctl.tui.charts.pyramid import FACTOR, Points, Pyramid

samples = arrays(
    np.float32,
    st.integers(0, 700),
    elements=st.floats(width=32, allow_nan=True, allow_infinity=True),
)


def exact(values: np.ndarray, start: int, stop: int) -> tuple[float, float, bool]:
    """Range of the finite samples in [start, stop), and whether any is not finite."""
    part = values[max(start, 0) : max(stop, 0)]
    finite = part[np.isfinite(part)]
    if not len(finite):
        return np.nan, np.nan, len(finite) < len(part)
    return float(finite.min()), float(finite.max()), len(finite) < len(part)


def built(values: np.ndarray, cuts: list[int], **options: int) -> Pyramid:
    """A pyramid of `values`, appended in blocks."""
    pyramid = Pyramid(**options)
    edges = sorted({0, len(values), *(c % (len(values) + 1) for c in cuts)})
    for a, b in pairwise(edges):
        pyramid.extend(values[a:b])
    return pyramid


@given(samples, st.lists(st.integers(0, 10**6), max_size=6), st.integers(1, 40))
def test_the_whole_series_keeps_its_extremes_in_any_width(values, cuts, columns):
    pyramid = built(values, cuts)
    got = pyramid.envelope(0, max(len(values), 1), columns)
    low, high, bad = exact(values, 0, len(values))
    assert got.limits == (None if np.isnan(low) else (low, high))
    assert bool(got.bad.any()) == bad


@given(samples, st.lists(st.integers(0, 10**6), max_size=6), st.integers(1, 40))
def test_the_way_a_series_was_cut_into_blocks_does_not_matter(values, cuts, columns):
    one, many = built(values, []), built(values, cuts)
    a, b = (p.envelope(0, max(len(values), 1), columns) for p in (one, many))
    np.testing.assert_array_equal(a.lo, b.lo)
    np.testing.assert_array_equal(a.hi, b.hi)
    np.testing.assert_array_equal(a.bad, b.bad)


@given(samples, st.integers(0, 700), st.integers(1, 700), st.integers(1, 30))
def test_a_column_covers_its_samples_and_at_most_one_block_more(values, start, length, columns):
    pyramid = built(values, [])
    got = pyramid.envelope(start, start + length, columns)
    wide = length / columns
    for k in range(columns):
        a, b = start + k * wide, start + (k + 1) * wide
        low, high, _ = exact(values, int(np.ceil(a + wide / 4 + 1e-9)), int(np.ceil(b - wide / 4)))
        if not np.isnan(low):
            assert got.lo[k] <= low and got.hi[k] >= high
        low, high, _ = exact(values, int(np.floor(a - wide / 4)), int(np.ceil(b + wide / 4)) + 1)
        if not np.isnan(got.lo[k]):
            assert got.lo[k] >= low and got.hi[k] <= high


@given(samples, st.lists(st.integers(0, 10**6), max_size=6), st.integers(1, 20))
def test_folding_keeps_every_extreme_within_the_ceiling_of_memory(values, cuts, columns):
    pyramid = built(values, cuts, capacity=16)
    got = pyramid.envelope(0, max(len(values), 1), columns)
    low, high, bad = exact(values, 0, len(values))
    assert got.limits == (None if np.isnan(low) else (low, high))
    assert bool(got.bad.any()) == bad
    assert len(pyramid) == len(values)


def test_a_spike_of_one_step_is_found_at_every_width():
    values = np.zeros(100_000, np.float32)
    values[54_321] = 7.0
    pyramid = built(values, [])
    for columns in (1, 2, 3, 80, 160, 401):
        hit = np.flatnonzero(pyramid.envelope(0, len(values), columns).hi == 7.0)
        assert len(hit) == 1
        assert abs(hit[0] - 54_321 * columns / len(values)) <= 1.3


def test_memory_is_flat_however_long_the_run_is():
    pyramid = Pyramid(capacity=1024)
    block = np.arange(1000, dtype=np.float32)
    for _ in range(10):
        pyramid.extend(block)
    early = pyramid.nbytes
    for _ in range(400):
        pyramid.extend(block)
    assert len(pyramid) == 410_000
    assert pyramid.nbytes <= early * 1.01


def test_a_query_looks_at_a_bounded_number_of_blocks_per_column():
    pyramid = Pyramid()
    pyramid.extend(np.zeros(200_000, np.float32))
    for length in (100, 5_000, 60_000, 200_000):
        _, block = pyramid._level_for(length / 160)
        assert length / block <= 160 * 4 * FACTOR


def test_nothing_recorded_gives_nothing_to_draw():
    got = Pyramid().envelope(0, 1, 5)
    assert got.limits is None and not got.bad.any()


def test_points_fall_into_their_columns():
    got = Points(np.array([0.0, 5.0, 9.0, 9.5]), np.array([1.0, np.nan, 2.0, 4.0])).envelope(0, 10, 10)
    assert got.lo[0] == 1.0 and got.lo[9] == 2.0 and got.hi[9] == 4.0
    assert list(np.flatnonzero(got.bad)) == [5]


def test_limits_ignore_columns_without_samples():
    low, high = np.array([np.nan, 1], np.float32), np.array([np.nan, 3], np.float32)
    envelope = Envelope(low, high, np.zeros(2, bool), (low + high) / 2)
    assert envelope.limits == (1.0, 3.0)


@pytest.mark.parametrize("first", [0.0, 1.0, 5000.0])
def test_positions_count_from_the_first_step(first):
    pyramid = Pyramid(first)
    pyramid.extend(np.array([1.0, 2.0, 3.0], np.float32))
    assert pyramid.extent == (first, first + 3)
    assert list(pyramid.envelope(first, first + 3, 3).lo) == [1.0, 2.0, 3.0]
