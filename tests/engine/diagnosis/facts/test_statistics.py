"""The closed forms against slow references."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from trainctl.engine.diagnosis.facts.statistics import (
    binomial_tail,
    expected_distinct,
    lag_one_correlation,
    shares,
    single_class_probability,
    uninformed_bce,
)


@given(st.integers(0, 120), st.integers(1, 120), st.floats(0, 1))
def test_the_binomial_tail_is_scipys(successes: int, trials: int, probability: float) -> None:
    reference = float(stats.binom.sf(successes - 1, trials, probability))
    assert binomial_tail(successes, trials, probability) == pytest.approx(reference, rel=1e-6, abs=1e-12)


def test_of_very_many_trials_the_tail_is_that_of_a_normal_distribution() -> None:
    for successes in (1 << 20, (1 << 20) + 2000, (1 << 20) - 2000):
        reference = float(stats.binom.sf(successes - 1, 1 << 21, 0.5))
        assert binomial_tail(successes, 1 << 21, 0.5) == pytest.approx(reference, rel=1e-3)
    assert binomial_tail(1 << 61, 1 << 62, 0.4) == 0.0


@given(st.lists(st.integers(1, 50), min_size=1, max_size=6), st.integers(1, 64))
def test_the_forms_for_a_batch_agree_where_both_are_known(counts: list[int], size: int) -> None:
    p = shares(counts)
    assert math.fsum(p) == pytest.approx(1.0)
    assert 1.0 - 1e-9 <= expected_distinct(p, size) <= min(len(counts), size) + 1e-9
    assert 0.0 <= single_class_probability(p, size) <= 1.0
    # With two classes a batch has one or two of them, so that either form gives the other.
    if len(counts) == 2:
        assert expected_distinct(p, size) == pytest.approx(2 - single_class_probability(p, size))


def test_equal_classes_give_the_textbook_form() -> None:
    assert expected_distinct([1 / 12] * 12, 16) == pytest.approx(12 * (1 - (1 - 1 / 12) ** 16))


def test_one_class_alone_is_certain() -> None:
    assert single_class_probability([1.0, 0.0], 32) == 1.0


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=40))
def test_lag_one_correlation_is_a_correlation(values: list[float]) -> None:
    assert -1.0 - 1e-9 <= lag_one_correlation(values) <= 1.0 + 1e-9


def test_a_rising_series_correlates_with_itself_and_noise_does_not() -> None:
    assert lag_one_correlation([float(i) for i in range(50)]) > 0.9
    assert abs(lag_one_correlation(np.random.default_rng(0).normal(size=2000).tolist())) < 0.1


def test_a_balancing_weight_makes_the_uninformed_bce_twice_the_negatives() -> None:
    p = 0.532
    assert uninformed_bce(p, (1 - p) / p) == pytest.approx(2 * (1 - p) * math.log(2))
    assert uninformed_bce(0.5) == pytest.approx(math.log(2))
