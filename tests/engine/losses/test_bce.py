"""Binary cross-entropy against a slow explicit reference."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainctl.engine.losses.bce import bce, bce_prob, pos_weight_of

SAMPLES = st.lists(st.tuples(st.floats(-30, 30), st.floats(0, 1)), min_size=1, max_size=8)


def slow_bce(samples: list[tuple[float, float]], weight: float) -> float:
    total = 0.0
    for logit, target in samples:
        positive, negative = 1 / (1 + math.exp(-logit)), 1 / (1 + math.exp(logit))
        total -= weight * target * math.log(positive) + (1 - target) * math.log(negative)
    return total / len(samples)


@given(SAMPLES, st.floats(0.01, 100))
def test_is_the_weighted_mean_of_the_explicit_formula(samples: list[tuple[float, float]], weight: float) -> None:
    logits, targets = torch.tensor(samples, dtype=torch.float64).unbind(1)
    assert bce(logits, targets, weight).item() == pytest.approx(slow_bce(samples, weight), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("logit", [-1e4, -200.0, 200.0, 1e4])
@pytest.mark.parametrize("target", [0.0, 0.3, 1.0])
def test_extreme_logits_have_a_finite_loss_and_gradient(logit: float, target: float) -> None:
    logits = torch.tensor([logit], requires_grad=True)
    loss = bce(logits, torch.tensor([target]), 3.0)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert loss.isfinite() and gradient.isfinite().all()


def test_half_precision_logits_are_computed_in_float32() -> None:
    logits = torch.tensor([0.5, -2.0], dtype=torch.bfloat16)
    assert bce(logits, torch.tensor([1.0, 0.0])).dtype == torch.float32
    assert bce_prob(logits).dtype == torch.float32


def test_pos_weight_makes_both_classes_weigh_the_same() -> None:
    labels = torch.tensor([1, 1, 1, 0])
    weight = pos_weight_of(labels)
    logits = torch.zeros(4, requires_grad=True)
    (gradient,) = torch.autograd.grad(bce(logits, labels.float(), weight), logits)
    assert weight == pytest.approx(1 / 3)
    assert gradient[:3].sum().item() == pytest.approx(-gradient[3].item())


@pytest.mark.parametrize("labels", [[0, 0], [1, 1], []])
def test_pos_weight_of_a_single_class_is_refused(labels: list[int]) -> None:
    with pytest.raises(ValueError, match="positives"):
        pos_weight_of(torch.tensor(labels))
