"""The clustering terms against slow references in float64, and where posteriors are extreme."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from trainctl.engine.losses.clustering import balance_loss, balance_loss_over_average, cluster_loss, entropy_loss

Term = Callable[[torch.Tensor], torch.Tensor]
TERMS: tuple[Term, ...] = (cluster_loss, balance_loss, entropy_loss)


def log_posteriors(num: int, clusters: int, scale: float, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (scale * torch.randn(num, clusters, generator=generator)).log_softmax(1)


def slow_terms(log_posteriors_BK: Tensor) -> tuple[float, float, float]:
    """Cluster, balance and entropy, one number at a time."""
    rows = [[math.exp(value) for value in row] for row in log_posteriors_BK.double().tolist()]
    clusters = len(rows[0])
    mean = [sum(row[k] for row in rows) / len(rows) for k in range(clusters)]
    cluster = -sum(max(row) for row in rows) / len(rows)
    return cluster, divergence(mean), sum(p * math.log(p) for row in rows for p in row if p > 0) / len(rows)


def divergence(share: list[float]) -> float:
    return sum(q * math.log(q * len(share)) for q in share if q > 0)


BATCHES = st.builds(log_posteriors, st.integers(1, 6), st.integers(2, 6), st.floats(0, 200), st.integers(0, 10_000))


@settings(deadline=None, max_examples=80)
@given(BATCHES)
def test_the_terms_are_those_of_the_slow_reference(batch: Tensor) -> None:
    for term, expected in zip(TERMS, slow_terms(batch), strict=True):
        assert term(batch).item() == pytest.approx(expected, rel=1e-5, abs=2e-6)


@settings(deadline=None, max_examples=80)
@given(BATCHES)
def test_the_terms_keep_to_their_bounds(batch: Tensor) -> None:
    log_k, rounding = math.log(batch.shape[1]), 1e-5
    assert -1 - rounding <= cluster_loss(batch).item() <= -1 / batch.shape[1] + rounding
    assert -rounding <= balance_loss(batch).item() <= log_k + rounding
    assert -log_k - rounding <= entropy_loss(batch).item() <= rounding


def test_one_hot_and_uniform_posteriors_are_the_ends_of_the_ranges() -> None:
    one_hot = (1000 * torch.eye(4)).log_softmax(1)
    uniform = torch.zeros(3, 4).log_softmax(1)
    assert cluster_loss(one_hot).item() == -1 and cluster_loss(uniform).item() == pytest.approx(-0.25)
    assert entropy_loss(one_hot).item() == 0 and entropy_loss(uniform).item() == pytest.approx(-math.log(4))
    assert balance_loss(one_hot).item() == pytest.approx(0, abs=1e-6)
    assert balance_loss(one_hot[:1]).item() == pytest.approx(math.log(4))


@pytest.mark.parametrize("term", TERMS)
def test_posteriors_of_exactly_zero_have_value_and_gradient(term: Term) -> None:
    batch = torch.tensor([[0.0, -math.inf, -math.inf], [math.log(0.5), math.log(0.5), -math.inf]], requires_grad=True)
    loss = term(batch)
    loss.backward()
    assert loss.isfinite()
    assert batch.grad is not None and batch.grad.isfinite().all()


@pytest.mark.parametrize("term", TERMS)
def test_gradients_are_those_of_finite_differences(term: Term) -> None:
    logits = torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert torch.autograd.gradcheck(lambda values: term(values.log_softmax(1)), (logits,))


@pytest.mark.parametrize("term", TERMS)
def test_small_formats_are_computed_in_float32(term: Term) -> None:
    batch = log_posteriors(8, 4, 2.0, 0).bfloat16()
    loss = term(batch)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, term(batch.float()))


def test_cluster_and_entropy_pull_in_opposite_directions() -> None:
    logits = torch.tensor([[2.0, 1.0, 0.0]], requires_grad=True)
    (decide,) = torch.autograd.grad(cluster_loss(logits.log_softmax(1)), logits)
    (undecide,) = torch.autograd.grad(entropy_loss(logits.log_softmax(1)), logits)
    assert decide[0, 0] < 0 < undecide[0, 0]


@settings(deadline=None, max_examples=40)
@given(BATCHES, st.floats(0, 0.99), st.integers(0, 1000))
def test_the_average_moves_by_momentum_and_its_divergence_is_the_loss(
    batch: Tensor, momentum: float, seed: int
) -> None:
    previous = log_posteriors(1, batch.shape[1], 1.0, seed)[0].exp()
    loss, average = balance_loss_over_average(batch, previous, momentum)
    mean = batch.double().exp().mean(0)
    expected = [
        momentum * old + (1 - momentum) * new for old, new in zip(previous.tolist(), mean.tolist(), strict=True)
    ]
    assert average.tolist() == pytest.approx(expected, rel=1e-4, abs=1e-6)
    assert loss.item() == pytest.approx(divergence(expected), rel=1e-4, abs=5e-6)
    assert not average.requires_grad


def test_the_first_average_is_that_of_the_batch() -> None:
    batch = log_posteriors(6, 4, 1.0, 0)
    loss, average = balance_loss_over_average(batch, None, 0.9)
    torch.testing.assert_close(loss, balance_loss(batch))
    torch.testing.assert_close(average, batch.exp().mean(0))


def test_without_momentum_the_average_is_the_batch_s_and_so_is_the_gradient() -> None:
    logits = torch.randn(6, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss, _ = balance_loss_over_average(logits.log_softmax(1), torch.full((4,), 0.25), 0.0)
    (over_average,) = torch.autograd.grad(loss, logits)
    (over_batch,) = torch.autograd.grad(balance_loss(logits.log_softmax(1)), logits)
    torch.testing.assert_close(over_average, over_batch)


def test_only_the_batch_s_share_of_the_average_has_a_gradient() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 4, dtype=torch.float64, generator=generator).requires_grad_()
    previous = torch.tensor([0.7, 0.1, 0.1, 0.1], dtype=torch.float64, requires_grad=True)
    loss, average = balance_loss_over_average(logits.log_softmax(1), previous, 0.9)
    loss.backward()
    assert previous.grad is None
    share = logits.detach().requires_grad_()
    # dKL/dq of the average, times the batch's share of a tenth.
    (0.1 * (share.softmax(1).mean(0) * (average.log() + 1)).sum()).backward()
    torch.testing.assert_close(logits.grad, share.grad)


def test_a_component_that_never_had_a_sample_has_no_infinite_gradient() -> None:
    batch = torch.tensor([[0.0, -math.inf]], requires_grad=True)
    loss, average = balance_loss_over_average(batch, torch.tensor([1.0, 0.0]), 0.5)
    loss.backward()
    assert loss.item() == pytest.approx(math.log(2)) and average.tolist() == [1, 0]
    assert batch.grad is not None and batch.grad.isfinite().all()
