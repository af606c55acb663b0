"""Focal loss with label smoothing against a slow explicit reference."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from trainctl.engine.losses.bce import bce
from trainctl.engine.losses.focal import focal, focal_prob

SAMPLES = st.lists(st.tuples(st.floats(-8, 8), st.floats(0, 1)), min_size=1, max_size=8)
HARD = st.lists(st.tuples(st.floats(-8, 8), st.sampled_from([0, 1])), min_size=1, max_size=8)


def slow_focal(samples: list[tuple[float, float]], smoothing: float, gamma: float) -> float:
    total = 0.0
    for z, y in samples:
        exponentials = [math.exp(-z), math.exp(z)]
        closed, opened = (value / sum(exponentials) for value in exponentials)
        p_y = y * opened + (1 - y) * closed
        # 1 − p_y as the probability of the other class: no cancellation in the reference either
        miss = y * closed + (1 - y) * opened
        assert math.isclose(miss, 1 - p_y, abs_tol=1e-12)
        smooth = y * (1 - smoothing) + (1 - y) * smoothing
        total += miss**gamma * -(smooth * math.log(opened) + (1 - smooth) * math.log(closed))
    return total / len(samples)


@given(SAMPLES, st.floats(0, 0.49), st.floats(0, 5))
def test_is_the_mean_of_the_explicit_formula(
    samples: list[tuple[float, float]], smoothing: float, gamma: float
) -> None:
    logits, targets = torch.tensor(samples, dtype=torch.float64).unbind(1)
    expected = slow_focal(samples, smoothing, gamma)
    assert focal(logits, targets, smoothing, gamma).item() == pytest.approx(expected, rel=1e-9, abs=1e-12)


@given(HARD, st.floats(0, 0.49), st.floats(0, 5))
def test_agrees_with_softmax_over_two_logits_for_hard_labels(
    samples: list[tuple[float, int]], smoothing: float, gamma: float
) -> None:
    z = torch.tensor([logit for logit, _ in samples], dtype=torch.float64)
    labels = torch.tensor([label for _, label in samples])
    pair = torch.stack([-z, z], dim=1)
    miss = 1 - pair.softmax(1).gather(1, labels[:, None]).squeeze(1)
    # torch spreads the smoothing over all classes, the true one included: 2s of it gives 1 − s and s
    entropy = F.cross_entropy(pair, labels, reduction="none", label_smoothing=2 * smoothing)
    expected = (miss**gamma * entropy).mean().item()
    assert focal(z, labels, smoothing, gamma).item() == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_without_smoothing_and_focus_it_is_cross_entropy_of_twice_the_logit() -> None:
    z, y = torch.linspace(-4, 4, 9), (torch.arange(9) % 2).float()
    assert focal(z, y, 0.0, 0.0).item() == pytest.approx(bce(2 * z, y).item())


@pytest.mark.parametrize("logit", [-1e30, -1e4, -60.0, 0.0, 60.0, 1e4, 1e30])
@pytest.mark.parametrize("target", [0.0, 1e-8, 0.5, 1.0])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_extreme_logits_have_a_finite_loss_and_gradient(logit: float, target: float, gamma: float) -> None:
    logits = torch.tensor([logit], requires_grad=True)
    loss = focal(logits, torch.tensor([target]), 0.05, gamma)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert loss.isfinite() and gradient.isfinite().all()


@pytest.mark.parametrize("target", [0.0, 0.25, 1.0])
def test_gradient_is_the_derivative_of_the_whole_expression(target: float) -> None:
    z = torch.linspace(-3, 3, 7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: focal(x, torch.full_like(x, target), 0.05, 2.0), (z,))


def test_probability_is_that_of_the_softmax_over_minus_z_and_z() -> None:
    z = torch.linspace(-5, 5, 11)
    torch.testing.assert_close(focal_prob(z), torch.stack([-z, z], 1).softmax(1)[:, 1])
