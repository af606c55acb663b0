"""Means with their interval and paired differences, held against scipy."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainctl.tui.compare.intervals import Difference, difference, estimate, holm

VALUES = st.floats(-1e3, 1e3).map(lambda value: round(value, 3))


@given(st.lists(VALUES, min_size=2, max_size=9))
def test_an_interval_is_students(values: list[float]) -> None:
    from scipy import stats

    found = estimate(values)
    assert found.n == len(values) and found.mean == pytest.approx(sum(values) / len(values), abs=1e-9)
    if len(set(values)) > 1:
        low, high = stats.t.interval(0.95, len(values) - 1, loc=found.mean, scale=stats.sem(values))
        assert (found.low, found.high) == pytest.approx((low, high), rel=1e-6, abs=1e-9)
    else:
        assert found.half == 0


@given(st.lists(st.tuples(VALUES, VALUES), min_size=2, max_size=9))
def test_p_is_that_of_the_paired_t_test(pairs: list[tuple[float, float]]) -> None:
    from scipy import stats

    of, to = ({seed: pair[k] for seed, pair in enumerate(pairs)} for k in (0, 1))
    changes = [a - b for a, b in pairs]
    found = difference(of, to)
    assert found.n == len(pairs)
    if max(changes) - min(changes) > 1e-6:
        assert found.p == pytest.approx(float(stats.ttest_rel(list(of.values()), list(to.values())).pvalue), rel=1e-5)


def test_pairs_are_the_seeds_that_both_have_and_what_is_not_finite_is_no_value() -> None:
    found = difference({1: 2.0, 2: 5.0, 3: math.nan, 4: 9.0}, {1: 1.0, 2: 3.0, 3: 1.0, 5: 1.0})
    assert (found.mean, found.n) == (1.5, 2)
    assert estimate([1.0, math.inf, 3.0]).n == 2


def test_one_value_has_a_mean_and_no_interval_and_none_has_nothing() -> None:
    one, none = estimate([0.5]), estimate([])
    assert (one.mean, one.n) == (0.5, 1) and math.isnan(one.half)
    assert math.isnan(none.mean) and none.n == 0
    single = difference({1: 1.0}, {1: 0.5})
    assert single.mean == 0.5 and math.isnan(single.p)


def test_equal_differences_are_no_chance_unless_they_are_nought() -> None:
    assert difference({1: 2.0, 2: 3.0}, {1: 1.0, 2: 2.0}).p == 0
    assert math.isnan(difference({1: 2.0, 2: 3.0}, {1: 2.0, 2: 3.0}).p)


def test_holm_multiplies_the_smallest_p_by_the_most_and_never_falls() -> None:
    def of(p: float) -> Difference:
        return Difference(0.0, 1.0, 3, p)

    found = holm([of(0.01), of(math.nan), of(0.04), of(0.03)])
    assert [one.p_holm for one in found] == pytest.approx([0.03, math.nan, 0.06, 0.06], nan_ok=True)
    assert all(math.isnan(one.p_holm) for one in holm([of(0.01), of(0.02)])), "two are not adjusted"
    assert holm([of(0.9), of(0.8), of(0.7)])[0].p_holm == 1
