"""Smoothing against a slow reference: three passes of a mean over the neighbours on the same side of every gap."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from trainctl.tui.charts.blocks import Envelope
from trainctl.tui.charts.pyramid import Pyramid
from trainctl.tui.charts.smoothing import half_width, smoothed

means = arrays(
    np.float32, st.integers(1, 80), elements=st.one_of(st.floats(-100, 100, width=32), st.just(float("nan")))
)


def of(values: np.ndarray, bad: np.ndarray | None = None) -> Envelope:
    """An envelope of one sample in each column."""
    values = np.asarray(values, np.float32)
    return Envelope(values, values, np.zeros(len(values), bool) if bad is None else bad, values)


def slowly(values: np.ndarray, bad: np.ndarray, reach: int) -> list[float]:
    """The definition, column by column."""
    now = [float(v) for v in values]
    for _ in range(3):
        before = list(now)
        for k in range(len(now)):
            near = [k]
            if not bad[k]:
                for side in (range(k - 1, k - reach - 1, -1), range(k + 1, k + reach + 1)):
                    for other in side:
                        if not 0 <= other < len(now) or bad[other]:
                            break
                        near.append(other)
            known = [before[other] for other in near if not np.isnan(values[other])]
            now[k] = float(np.mean(known)) if known else 0.0
    return [np.nan if np.isnan(v) else s for v, s in zip(values, now, strict=True)]


@given(means, st.integers(0, 9), st.data())
def test_it_is_the_mean_of_means_over_neighbours_that_no_gap_parts(values: np.ndarray, level: int, data: st.DataObject):
    bad = data.draw(arrays(bool, len(values), elements=st.integers(0, 9).map(lambda k: k == 0)))
    got = smoothed(of(values, bad), level).mean
    reach = half_width(level, len(values))
    want = slowly(values, bad, reach) if reach else values
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)


@given(means, st.integers(1, 9))
def test_on_a_log_axis_it_is_the_same_in_logarithms(values: np.ndarray, level: int):
    powers = np.exp(values / 20)
    got = smoothed(of(powers), level, log=True).mean
    np.testing.assert_allclose(np.log(got), smoothed(of(np.log(powers)), level).mean, atol=1e-3)


@given(st.integers(1, 600))
def test_each_level_is_wider_than_the_one_before(columns: int):
    widths = [half_width(level, columns) for level in range(10)]
    assert widths == sorted(set(widths)) and widths[0] == 0


def test_a_constant_stays_what_it_is_up_to_its_ends():
    assert (smoothed(of(np.full(50, 3.25)), 9).mean == 3.25).all()


def test_stronger_smoothing_leaves_less_noise():
    noise = of(np.random.default_rng(0).normal(size=300))
    spread = [float(np.std(smoothed(noise, level).mean)) for level in range(10)]
    assert spread == sorted(spread, reverse=True)


def test_on_a_log_axis_what_is_not_positive_is_left_out():
    got = smoothed(of(np.array([1.0, 0.0, 1.0, -4.0])), 2, log=True).mean
    np.testing.assert_allclose(got, [1, np.nan, 1, np.nan])


@pytest.mark.parametrize("scale", [1e-38, 1e-45, 3e38])
@pytest.mark.parametrize("log", [False, True])
def test_the_trend_never_leaves_the_range_of_the_samples(scale: float, log: bool):
    series = Pyramid()
    series.extend((np.random.default_rng(1).random(500) * scale).astype(np.float32))
    envelope = series.envelope(0, 500, 80)
    for level in range(10):
        trend = smoothed(envelope, level, log=log).mean
        seen = ~np.isnan(trend)
        assert np.isfinite(trend[seen]).all()
        if seen.any():
            assert trend[seen].min() >= envelope.lo.min() * 0.999
            assert trend[seen].max() <= envelope.hi.max() * 1.001
