"""The pyramid against a slow reference that looks at every sample."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from trainctl.tui.charts.blocks import Envelope
from trainctl.tui.charts.positions import XMap
from trainctl.tui.charts.pyramid import FACTOR, Points, Pyramid

samples = arrays(
    np.float32,
    st.integers(0, 700),
    elements=st.floats(width=32, allow_nan=True, allow_infinity=True),
)


maps = st.lists(st.tuples(st.integers(1, 300), st.floats(0.0, 1e4)), min_size=1, max_size=12)


def bent(rises: list[tuple[int, float]]) -> XMap:
    """Time over steps, with pauses and stretches of no time at all."""
    steps, xs = np.cumsum(np.array([(0, 0.0), *rises]), axis=0).T
    return XMap(steps, xs, "time")


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
def test_the_whole_series_keeps_its_extremes_in_any_width(values: np.ndarray, cuts: list[int], columns: int):
    pyramid = built(values, cuts)
    got = pyramid.envelope(0, max(len(values), 1), columns)
    low, high, bad = exact(values, 0, len(values))
    assert got.limits == (None if np.isnan(low) else (low, high))
    assert bool(got.bad.any()) == bad


@given(samples, st.lists(st.integers(0, 10**6), max_size=6), st.integers(1, 40))
def test_the_way_a_series_was_cut_into_blocks_does_not_matter(values: np.ndarray, cuts: list[int], columns: int):
    one, many = built(values, []), built(values, cuts)
    a, b = (p.envelope(0, max(len(values), 1), columns) for p in (one, many))
    np.testing.assert_array_equal(a.lo, b.lo)
    np.testing.assert_array_equal(a.hi, b.hi)
    np.testing.assert_array_equal(a.bad, b.bad)


@given(samples, st.integers(0, 700), st.integers(1, 700), st.integers(1, 30))
def test_a_column_covers_its_samples_and_at_most_one_block_more(
    values: np.ndarray, start: int, length: int, columns: int
):
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
def test_folding_keeps_every_extreme_within_the_ceiling_of_memory(values: np.ndarray, cuts: list[int], columns: int):
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
    envelope = Envelope(low, high, np.zeros(2, bool), ((low + high) / 2).astype(np.float32))
    assert envelope.limits == (1.0, 3.0)


@pytest.mark.parametrize("first", [0.0, 1.0, 5000.0])
def test_positions_count_from_the_first_step(first: float):
    pyramid = Pyramid(first)
    pyramid.extend(np.array([1.0, 2.0, 3.0], np.float32))
    assert pyramid.extent == (first, first + 3)
    assert list(pyramid.envelope(first, first + 3, 3).lo) == [1.0, 2.0, 3.0]


@given(samples, st.lists(st.integers(0, 10**6), max_size=6), st.integers(1, 40), st.sampled_from([16, 1 << 16]))
def test_means_are_those_of_the_finite_samples_of_all_columns(
    values: np.ndarray, cuts: list[int], columns: int, capacity: int
):
    pyramid = built(values, cuts, capacity=capacity)
    level = pyramid._levels[-1].blocks
    finite = values[np.isfinite(values)].astype(np.float64)
    assert level.finite.sum() == len(finite)
    total = (level.mean.astype(np.float64) * level.finite).sum()
    size = np.abs(finite).sum()
    assert total == pytest.approx(finite.sum(), rel=1e-5, abs=size * 1e-5 + 1e-40)
    got = pyramid.envelope(0, max(len(values), 1), columns)
    seen = ~np.isnan(got.lo)
    assert (np.isnan(got.mean) == ~seen).all()
    assert (got.mean[seen] >= got.lo[seen]).all() and (got.mean[seen] <= got.hi[seen]).all()


def test_the_mean_of_a_column_is_that_of_its_samples():
    values = np.random.default_rng(0).random(6400).astype(np.float32)
    values[1000] = np.nan
    got = built(values, [17, 4000]).envelope(0, 6400, 10).mean
    np.testing.assert_allclose(got, np.nanmean(values.reshape(10, 640), axis=1), rtol=1e-6)


@given(samples, maps, st.integers(1, 40), st.sampled_from([16, 1 << 16]))
def test_under_any_map_no_extreme_is_lost(
    values: np.ndarray, rises: list[tuple[int, float]], columns: int, capacity: int
):
    x_map, pyramid = bent(rises), built(values, [], capacity=capacity)
    start, stop = x_map.x_of(0.0), x_map.x_of(float(max(len(values), 1)))
    got = pyramid.envelope(start, stop, columns, x_map)
    low, high, bad = exact(values, 0, len(values))
    assert got.limits == (None if np.isnan(low) else (low, high))
    assert bool(got.bad.any()) == bad


def test_under_a_map_samples_lie_where_it_says_and_a_pause_is_empty():
    pyramid = built(np.arange(100, dtype=np.float32), [])
    x_map = XMap([0, 50, 51, 100], [0.0, 50.0, 150.0, 199.0], "time")
    got = pyramid.envelope(0, 200, 200, x_map)
    assert got.lo[10] == 10 and got.lo[49] == 49
    assert np.isnan(got.lo[52:148]).all()
    assert got.hi[150] == 51 or got.hi[149] == 51


@given(
    samples, st.integers(0, 700), st.sampled_from([1, 2, 16, 256]), st.integers(1, 40), st.sampled_from([16, 1 << 16])
)
def test_a_loaded_series_goes_on_as_if_it_had_been_extended_all_along(
    values: np.ndarray, at: int, stride: int, columns: int, capacity: int
):
    at = min(at, len(values)) // stride * stride
    parts = values[:at].reshape(-1, stride)
    bounds = [exact(part, 0, stride) for part in parts]
    lo, hi = (np.array([bound[k] for bound in bounds], np.float32) for k in (0, 1))
    good = np.where(np.isfinite(parts), parts, 0).astype(np.float64)
    counts = np.isfinite(parts).sum(axis=1)
    mean = np.where(counts > 0, good.sum(axis=1) / np.maximum(counts, 1), np.nan).astype(np.float32)
    pyramid = Pyramid(capacity=capacity)
    last = float(values[at - 1]) if at else float("nan")
    pyramid.load(stride, lo, hi, mean, np.asarray(~np.isfinite(parts).all(axis=1)), at, last)
    pyramid.extend(values[at:])
    assert len(pyramid) == len(values)
    np.testing.assert_equal(pyramid.last, float(values[-1]) if len(values) else float("nan"))
    got = pyramid.envelope(0, max(len(values), 1), columns)
    low, high, bad = exact(values, 0, len(values))
    assert got.limits == (None if np.isnan(low) else (low, high))
    assert bool(got.bad.any()) == bad


def test_more_blocks_than_there_is_room_for_are_folded_when_loaded():
    spike = np.zeros(1000, np.float32)
    spike[777] = 5.0
    pyramid = Pyramid(capacity=64)
    pyramid.load(4, np.zeros(1000, np.float32), spike, (spike / 4).astype(np.float32), np.zeros(1000, bool), 4000, 0.0)
    assert pyramid.stride == 64 and pyramid.extent == (0, 4000)
    got = pyramid.envelope(0, 4000, 30)
    assert list(np.flatnonzero(got.hi == 5.0)) in ([777 * 4 * 30 // 4000], [777 * 4 * 30 // 4000 - 1])


def test_the_value_at_a_step_is_the_sample_or_the_mean_of_its_block():
    fine = built(np.array([3.0, np.nan, 5.0], np.float32), [])
    assert fine.at(0) == 3.0 and fine.at(2) == 5.0 and np.isnan(fine.at(1))
    assert np.isnan(fine.at(-1)) and np.isnan(fine.at(3)) and np.isnan(fine.at(float("nan")))
    coarse = built(np.arange(64, dtype=np.float32), [], capacity=16)
    assert coarse.stride == 4 and coarse.at(9) == pytest.approx(9.5)
    points = Points(np.array([10.0, 20.0]), np.array([1.0, 2.0]))
    assert np.isnan(points.at(9)) and points.at(10) == 1.0 and points.at(19.9) == 1.0 and points.at(99) == 2.0


@given(st.integers(0, 900), st.integers(1, 100), st.integers(1, 60))
def test_details_are_exact_where_they_cover_the_window(start: int, length: int, columns: int):
    values = np.random.default_rng(start).random(1000).astype(np.float32)
    coarse = built(values, [], capacity=16)
    coarse.set_detail(start, values[start : start + length])
    assert coarse.envelope(start, start + length, columns).limits == exact(values, start, start + length)[:2]
    each = coarse.envelope(start, start + length, length)
    np.testing.assert_array_equal(each.lo, values[start : start + length])
    np.testing.assert_array_equal(each.mean, values[start : start + length])
    assert coarse.at(start) == values[start] and coarse.at(start + length - 1) == values[start + length - 1]


def test_details_that_do_not_cover_the_window_are_not_used_and_can_be_forgotten():
    values = np.zeros(1000, np.float32)
    values[600] = 9.0
    pyramid = built(values, [], capacity=16)
    pyramid.set_detail(0, values[:500])
    assert pyramid.envelope(0, 1000, 20).limits == (0.0, 9.0)
    pyramid.set_detail(580, values[580:620])
    assert pyramid.at(600) == 9.0
    pyramid.set_detail(0, None)
    assert pyramid.at(600) == pytest.approx(9.0 / pyramid.stride)


def test_details_at_the_end_follow_a_run_that_goes_on():
    values = np.arange(1100, dtype=np.float32)
    pyramid = built(values[:1000], [], capacity=16)
    pyramid.set_detail(900, values[900:1000])
    pyramid.extend(values[1000:])
    assert list(pyramid.envelope(1090, 1100, 10).lo) == list(values[1090:])


def test_memory_of_a_full_pyramid_stays_below_what_is_promised():
    pyramid = Pyramid()
    for _ in range(40):
        pyramid.extend(np.zeros(10_000, np.float32))
    assert pyramid.nbytes <= 40 * (1 << 16)
