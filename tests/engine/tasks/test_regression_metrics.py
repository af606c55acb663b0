"""Correlations and error against SciPy, and what has none."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from trainctl.engine.tasks.regression_metrics import plcc, rmse, srcc

VALUES = st.one_of(st.integers(-3, 3).map(float), st.floats(-100, 100).map(lambda value: round(value, 4)))
"""Few different numbers, so that there are ties, and many."""
PAIRS = st.lists(st.tuples(VALUES, VALUES), min_size=2, max_size=30)


def columns(pairs: list[tuple[float, float]]) -> tuple[torch.Tensor, torch.Tensor]:
    both = torch.tensor(pairs, dtype=torch.float64)
    return both[:, 0], both[:, 1]


@settings(deadline=None)
@given(PAIRS)
def test_correlations_are_those_of_scipy_ties_included(pairs: list[tuple[float, float]]) -> None:
    prediction, target = columns(pairs)
    assume(prediction.min() < prediction.max() and target.min() < target.max())
    assert srcc(prediction, target) == pytest.approx(stats.spearmanr(prediction, target)[0], abs=1e-6)
    assert plcc(prediction, target) == pytest.approx(stats.pearsonr(prediction, target)[0], abs=1e-6)


@settings(deadline=None)
@given(PAIRS)
def test_the_error_is_the_root_of_the_mean_square(pairs: list[tuple[float, float]]) -> None:
    expected = math.sqrt(sum((left - right) ** 2 for left, right in pairs) / len(pairs))
    assert rmse(*columns(pairs)) == pytest.approx(expected)


def test_many_float32_scores_with_ties_agree_with_scipy() -> None:
    generator = torch.Generator().manual_seed(0)
    target = torch.randint(0, 125, (10_000,), generator=generator) / 124
    prediction = (target + 0.2 * torch.randn(10_000, generator=generator)).clamp(0, 1)
    assert srcc(prediction, target) == pytest.approx(stats.spearmanr(prediction, target)[0], abs=1e-9)
    assert plcc(prediction, target) == pytest.approx(stats.pearsonr(prediction.double(), target.double())[0], abs=1e-9)


@given(PAIRS, st.sampled_from([torch.exp, torch.atan, lambda values: values**3]))
def test_ranks_do_not_change_under_a_rising_curve(
    pairs: list[tuple[float, float]], curve: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    prediction, target = columns(pairs)
    prediction = prediction / 10
    bent = curve(prediction)
    assume(len(bent.unique()) == len(prediction.unique()))
    assert srcc(bent, target) == pytest.approx(srcc(prediction, target), nan_ok=True)


@pytest.mark.parametrize("scale", [1e-300, 1.0, 1e300])
def test_no_scale_is_too_small_or_too_large(scale: float) -> None:
    values = torch.tensor([0.1, 0.5, 0.2, 0.9], dtype=torch.float64)
    assert plcc(values * scale, values) == pytest.approx(1)
    assert plcc(-values * scale, values) == pytest.approx(-1)
    assert srcc(-values * scale, values) == pytest.approx(-1)


@pytest.mark.parametrize("constant", [0.1, 0.0, 1e300])
def test_a_constant_has_no_correlation_with_anything(constant: float) -> None:
    values, same = torch.rand(7, dtype=torch.float64), torch.full((7,), constant, dtype=torch.float64)
    for metric in (srcc, plcc):
        assert math.isnan(metric(same, values)) and math.isnan(metric(values, same)) and math.isnan(metric(same, same))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_one_number_that_is_not_finite_makes_the_metric_undefined_without_a_warning(value: float) -> None:
    broken = torch.tensor([0.1, value, 0.3])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for metric in (srcc, plcc, rmse):
            assert math.isnan(metric(broken, torch.tensor([0.1, 0.2, 0.4])))
            assert math.isnan(metric(torch.tensor([0.1, 0.2, 0.4]), broken))


def test_one_sample_has_an_error_but_no_correlation_and_none_has_nothing() -> None:
    one, none = torch.tensor([0.5]), torch.empty(0)
    assert rmse(one, torch.tensor([0.2])) == pytest.approx(0.3)
    assert math.isnan(srcc(one, one)) and math.isnan(plcc(one, one))
    assert all(math.isnan(metric(none, none)) for metric in (srcc, plcc, rmse))


def test_numbers_of_any_format_are_compared_in_double() -> None:
    left, right = torch.tensor([1, 2, 3]), torch.tensor([1.0, 3.0, 2.0], dtype=torch.bfloat16)
    assert srcc(left, right) == pytest.approx(0.5)
    assert rmse(left, right) == pytest.approx(np.sqrt(2 / 3))
