"""The closed forms against the loss itself: nothing is below the floor, and it can be reached."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from trainctl.engine.losses.supcon import supcon
from trainctl.engine.losses.supcon_bounds import collapse_value, floor, normalised, single_class_floor

COUNTS = st.lists(st.integers(1, 5), min_size=1, max_size=5).filter(lambda counts: max(counts) > 1)


def labels_of(counts: list[int]) -> Tensor:
    return torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))


def minimised(counts: list[int], temperature: float) -> float:
    """The least loss that an optimiser finds over the embeddings themselves."""
    labels = labels_of(counts)
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.randn(len(labels), 6, dtype=torch.float64, generator=generator).requires_grad_()
    optimizer = torch.optim.LBFGS([embeddings], max_iter=500, tolerance_grad=1e-9, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = supcon(embeddings, labels, temperature).loss
        loss.backward()
        return loss

    optimizer.step(closure)
    return supcon(embeddings, labels, temperature).loss.item()


@pytest.mark.parametrize(("batch_size", "value"), [(16, 2.7081), (32, 3.4340)])
def test_the_losses_that_were_stuck_are_the_floor_of_one_class(batch_size: int, value: float) -> None:
    assert single_class_floor(batch_size) == pytest.approx(value, abs=5e-5)
    assert floor([batch_size], 0.07) == single_class_floor(batch_size)


def test_one_class_reaches_its_floor_without_collapse_when_all_cosines_are_zero() -> None:
    result = supcon(torch.eye(16), torch.zeros(16, dtype=torch.long))
    assert result.loss.item() == pytest.approx(single_class_floor(16), abs=1e-5)
    assert result.mean_cosine.item() == pytest.approx(0, abs=1e-6)


@settings(deadline=None, max_examples=30)
@given(COUNTS, st.floats(0.05, 5))
def test_equal_embeddings_have_the_collapse_value_whatever_the_labels(counts: list[int], temperature: float) -> None:
    same = torch.ones(sum(counts), 3, dtype=torch.float64)
    loss = supcon(same, labels_of(counts), temperature).loss.item()
    assert loss == pytest.approx(collapse_value(sum(counts)))
    assert math.isnan(normalised(loss, counts, temperature)) or normalised(loss, counts, temperature) == pytest.approx(
        1
    )


def test_code_that_averages_over_all_anchors_or_scales_by_the_temperature_has_its_own_collapse_value() -> None:
    assert collapse_value(32, share=0.75, scale=0.07 / 0.1) == pytest.approx(0.75 * 0.7 * math.log(31))


@settings(deadline=None, max_examples=60)
@given(COUNTS, st.floats(0.05, 3), st.integers(0, 1000))
def test_no_embeddings_are_below_the_floor(counts: list[int], temperature: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    labels = labels_of(counts)
    corners = torch.randn(len(counts), 6, dtype=torch.float64, generator=generator)[labels]
    spread = torch.randn(len(labels), 6, dtype=torch.float64, generator=generator) * 0.3
    for embeddings in (corners, corners + spread):
        assert supcon(embeddings, labels, temperature).loss.item() >= floor(counts, temperature) - 1e-9


@settings(deadline=None, max_examples=15)
@given(COUNTS, st.floats(0.2, 3))
def test_the_floor_is_what_minimising_over_the_embeddings_reaches(counts: list[int], temperature: float) -> None:
    assert minimised(counts, temperature) == pytest.approx(floor(counts, temperature), abs=1e-4)


def test_equal_classes_have_the_floor_of_the_regular_simplex() -> None:
    expected = math.log(2 + 3 * 3 * math.exp(-(4 / 3) / 0.5))
    assert floor([3, 3, 3, 3], 0.5) == pytest.approx(expected, rel=1e-12)
    simplex = (torch.eye(4, dtype=torch.float64) - 0.25).repeat_interleave(3, 0)
    assert supcon(simplex, labels_of([3] * 4), 0.5).loss.item() == pytest.approx(expected, rel=1e-9)


def test_a_stratified_batch_of_32_in_twelve_classes_can_nearly_reach_the_logarithm_of_its_positives() -> None:
    counts = [3] * 8 + [2] * 4
    assert floor(counts, 0.07) == pytest.approx(24 * math.log(2) / 32, abs=1e-4)


def test_with_very_many_classes_the_floor_is_bounded_from_below() -> None:
    counts = [2] * 150 + [3]
    assert 0 < floor(counts, 0.3) < floor([2] * 151, 0.3) + math.log(2)


def test_a_batch_of_one_class_or_without_an_anchor_has_no_normalised_loss() -> None:
    assert math.isnan(normalised(3.0, [32], 0.07))
    assert math.isnan(normalised(0.0, [1, 1, 1], 0.07))
    assert floor([1, 1, 1], 0.07) == floor([], 0.07) == 0
