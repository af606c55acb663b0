"""The range test on problems whose answer is known."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

from trainctl.engine.optim.lr_finder import judge, sweep


def quadratic_sweep(curvature: float) -> tuple[nn.Module, dict[str, torch.Tensor], float | None, float | None]:
    torch.manual_seed(0)
    model = nn.Linear(4, 1, bias=False)
    before = copy.deepcopy(model.state_dict())
    result = sweep(
        model,
        lambda m: torch.optim.SGD(m.parameters(), lr=1.0),
        lambda m: 0.5 * curvature * (m.get_parameter("weight") - 3.0).square().sum(),
        start=1e-5 / curvature,
        end=1e3 / curvature,
    )
    return model, before, result.suggestion, result.diverged_at


def test_it_suggests_a_learning_rate_that_is_stable_and_finds_where_it_diverges() -> None:
    """Gradient descent on a quadratic of curvature c is stable below 2/c."""
    for curvature in (0.1, 1.0, 10.0):
        _, _, suggestion, diverged_at = quadratic_sweep(curvature)
        assert suggestion is not None and diverged_at is not None
        assert 1e-3 / curvature < suggestion < 2 / curvature < diverged_at


def test_the_network_is_left_as_it_was() -> None:
    model, before, _, _ = quadratic_sweep(1.0)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


def test_a_loss_that_never_falls_gets_no_suggestion() -> None:
    result = judge([10.0**k for k in range(-7, 3)], [1.0] * 10)
    assert result.suggestion is None
    assert result.diverged_at is None


def test_a_loss_that_becomes_nan_ends_the_useful_part() -> None:
    lrs = [10 ** (-7 + 0.5 * k) for k in range(16)]
    losses = [2.0 - 0.1 * k for k in range(12)] + [math.nan] * 4
    result = judge(lrs, losses)
    assert result.diverged_at == lrs[12]
    assert result.suggestion is not None and result.suggestion < lrs[12]


@pytest.mark.parametrize("seed", range(5))
def test_noise_before_the_fall_is_not_taken_for_it(seed: int) -> None:
    """A loss with the noise of single batches that falls from 1.5 to 0.2 about 1e-4 and rises above 1."""
    exponents = np.linspace(-7, 1, 100)
    clean = 1.5 - 1.3 / (1 + np.exp(-3 * (exponents + 4))) + np.where(exponents > 0, 5 * exponents, 0)
    losses = clean * np.random.default_rng(seed).normal(1, 0.15, 100)
    result = judge((10**exponents).tolist(), losses.tolist())
    assert result.steepest is not None and result.bottom is not None and result.suggestion is not None
    assert 1e-5 < result.steepest < 1e-3
    assert 1e-4 < result.bottom < 1
    assert result.steepest <= result.suggestion <= result.bottom


@pytest.mark.parametrize("seed", range(5))
def test_noise_alone_is_no_fall(seed: int) -> None:
    losses = np.random.default_rng(seed).normal(0.7, 0.02, 100)
    assert judge(np.logspace(-7, 1, 100).tolist(), losses.tolist()).suggestion is None
