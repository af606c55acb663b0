"""Supervised contrastive loss against a slow explicit reference in float64."""

from __future__ import annotations

import math
from random import Random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from trainctl.engine.losses.supcon import anchor_losses, supcon

LABELS = st.lists(st.integers(0, 3), min_size=2, max_size=9)
TEMPERATURES = st.floats(0.05, 5.0)


def slow_anchor(units: list[list[float]], labels: list[int], i: int, temperature: float) -> float | None:
    """L_i written out; none for an anchor without a positive."""
    others = [a for a in range(len(labels)) if a != i]
    cosine = {a: sum(x * y for x, y in zip(units[i], units[a], strict=True)) for a in others}
    positives = [a for a in others if labels[a] == labels[i]]
    if not positives:
        return None
    largest = max(cosine.values())
    total = sum(math.exp((cosine[a] - largest) / temperature) for a in others)
    log_total = math.log(total) + largest / temperature
    return -sum(cosine[p] / temperature - log_total for p in positives) / len(positives)


def slow_supcon(embeddings: Tensor, labels: list[int], temperature: float) -> tuple[float, int]:
    """The loss, and the number of anchors without a positive."""
    units = [[x / math.sqrt(sum(y * y for y in row)) for x in row] for row in embeddings.tolist()]
    losses = [slow_anchor(units, labels, i, temperature) for i in range(len(labels))]
    counted = [loss for loss in losses if loss is not None]
    return (sum(counted) / len(counted) if counted else 0.0), len(losses) - len(counted)


def drawn(num: int, dimensions: int = 4, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(num, dimensions, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


@given(LABELS, TEMPERATURES, st.integers(0, 1000))
def test_is_the_mean_of_the_explicit_formula(labels: list[int], temperature: float, seed: int) -> None:
    embeddings = drawn(len(labels), seed=seed)
    expected, alone = slow_supcon(embeddings, labels, temperature)
    result = supcon(embeddings, torch.tensor(labels), temperature)
    assert result.loss.item() == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert result.no_positive.item() == alone
    positives = [labels.count(label) - 1 for label in labels]
    assert result.positives.item() == pytest.approx(sum(positives) / len(labels))


@given(LABELS, st.integers(0, 1000))
def test_mean_cosine_is_that_of_all_pairs_of_different_samples(labels: list[int], seed: int) -> None:
    embeddings = drawn(len(labels), seed=seed)
    units = embeddings / embeddings.norm(dim=1, keepdim=True)
    pairs = [float(units[i] @ units[j]) for i in range(len(units)) for j in range(len(units)) if i != j]
    result = supcon(embeddings, torch.tensor(labels))
    assert result.mean_cosine.item() == pytest.approx(sum(pairs) / len(pairs), abs=1e-9)


@given(LABELS, st.randoms(use_true_random=False))
def test_the_order_of_the_samples_and_the_names_of_the_classes_do_not_matter(labels: list[int], random: Random) -> None:
    embeddings, order = drawn(len(labels)), list(range(len(labels)))
    random.shuffle(order)
    shuffled = torch.tensor([7 - 2 * labels[row] for row in order])
    expected = supcon(embeddings, torch.tensor(labels))
    assert supcon(embeddings[order], shuffled).loss.item() == pytest.approx(expected.loss.item(), abs=1e-9)


@given(LABELS, st.integers(0, 1000))
def test_anchor_losses_average_to_the_loss(labels: list[int], seed: int) -> None:
    embeddings, target = drawn(len(labels), seed=seed), torch.tensor(labels)
    losses = anchor_losses(embeddings, target, 0.5)
    counted = torch.tensor([labels.count(label) > 1 for label in labels])
    assert (losses[~counted] == 0).all()
    expected = losses[counted].mean().item() if counted.any() else 0.0
    assert supcon(embeddings, target, 0.5).loss.item() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("labels", [[0, 1, 2, 3], [0]])
def test_without_any_positive_the_loss_is_zero_and_so_is_its_gradient(labels: list[int]) -> None:
    embeddings = drawn(len(labels)).requires_grad_()
    result = supcon(embeddings, torch.tensor(labels))
    result.loss.backward()
    assert result.loss.item() == 0 and result.positives.item() == 0
    assert result.no_positive.item() == len(labels)
    assert embeddings.grad is not None and not embeddings.grad.any()


def test_only_the_anchor_without_a_positive_is_left_out_of_the_mean() -> None:
    # one sample alone among pairs: averaging over all anchors would scale the loss by 4/5
    same = torch.ones(5, 3, dtype=torch.float64)
    result = supcon(same, torch.tensor([0, 0, 1, 1, 2]))
    assert result.loss.item() == pytest.approx(math.log(4))
    assert result.no_positive.item() == 1


def test_the_length_of_an_embedding_does_not_matter() -> None:
    embeddings, labels = drawn(6), torch.tensor([0, 0, 1, 1, 2, 2])
    scaled = embeddings * torch.tensor([1e-3, 1.0, 7.0, 1e4, 3.0, 0.5], dtype=torch.float64)[:, None]
    assert supcon(scaled, labels).loss.item() == pytest.approx(supcon(embeddings, labels).loss.item())


def test_embeddings_of_zeros_have_a_finite_loss_and_gradient() -> None:
    embeddings = torch.zeros(4, 3, requires_grad=True)
    loss = supcon(embeddings, torch.tensor([0, 0, 1, 1])).loss
    loss.backward()
    assert loss.item() == pytest.approx(math.log(3))
    assert embeddings.grad is not None and embeddings.grad.isfinite().all()


@pytest.mark.parametrize("temperature", [1e-4, 0.07, 100.0])
def test_extreme_temperatures_stay_finite_in_float32(temperature: float) -> None:
    embeddings = drawn(8, dtype=torch.float32).requires_grad_()
    loss = supcon(embeddings, torch.arange(8) // 2, temperature).loss
    loss.backward()
    assert loss.isfinite() and embeddings.grad is not None and embeddings.grad.isfinite().all()


@pytest.mark.parametrize("labels", [[0, 0, 1, 1, 1], [0, 0, 0, 0], [0, 1, 1, 2, 3]])
def test_gradient_is_the_derivative_of_the_whole_expression(labels: list[int]) -> None:
    embeddings = drawn(len(labels)).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: supcon(x, torch.tensor(labels), 0.3).loss, (embeddings,))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_under_autocast_it_is_computed_in_float32(dtype: torch.dtype) -> None:
    embeddings, labels = drawn(16, 32, dtype=torch.float32), torch.arange(16) % 4
    half = embeddings.to(dtype).requires_grad_()
    with torch.autocast("cpu", dtype=dtype):
        result = supcon(half, labels)
        in_float32 = supcon(embeddings, labels)
    assert result.loss.dtype == torch.float32
    # equal to the float32 loss of the rounded embeddings, not merely near it
    torch.testing.assert_close(result.loss, supcon(half.detach().float(), labels).loss)
    torch.testing.assert_close(in_float32.loss, supcon(embeddings, labels).loss, rtol=0, atol=0)
    result.loss.backward()
    assert half.grad is not None and half.grad.dtype == dtype and half.grad.isfinite().all()
