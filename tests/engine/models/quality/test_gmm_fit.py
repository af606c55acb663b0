"""Fitting, matching, blending: what a new mixture does to the numbers that are read by others."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from trainctl.engine.errors import UserError
from trainctl.engine.models.quality.gmm import VARIANCE_FLOOR, DiagonalGmm
from trainctl.engine.models.quality.gmm_fit import (
    MixtureParameters,
    agreement,
    blend,
    fit_mixture,
    match_components,
    parameters_of,
    refit,
    reset_moments,
    set_parameters,
)

CENTRES = torch.tensor([[0.0, 0.0], [6.0, 0.0], [0.0, 6.0], [6.0, 6.0]])


def blobs(num: int = 200, seed: int = 0) -> Tensor:
    """Four well separated groups, in random order."""
    generator = torch.Generator().manual_seed(seed)
    which = torch.randint(0, 4, (num,), generator=generator)
    return CENTRES[which] + 0.5 * torch.randn(num, 2, generator=generator)


def mixture(clusters: int = 3, dim: int = 2, seed: int = 0) -> MixtureParameters:
    generator = torch.Generator().manual_seed(seed)
    means, log_variances = torch.randn(2, clusters, dim, dtype=torch.float64, generator=generator)
    weights = torch.rand(clusters, dtype=torch.float64, generator=generator)
    return MixtureParameters(means, log_variances, weights.log().log_softmax(0))


def test_a_fit_finds_the_groups() -> None:
    fitted = fit_mixture(blobs(), 4, seed=0)
    nearest = torch.cdist(CENTRES.double(), fitted.means).min(1)
    assert nearest.values.max() < 0.3
    assert sorted(nearest.indices.tolist()) == [0, 1, 2, 3]
    assert fitted.log_weights.exp().sum().item() == pytest.approx(1)
    assert fitted.log_variances.exp().mean().item() == pytest.approx(0.25, rel=0.2)


def test_the_same_seed_fits_the_same_mixture() -> None:
    first, again = fit_mixture(blobs(), 4, seed=3), fit_mixture(blobs(), 4, seed=3)
    assert torch.equal(first.means, again.means) and torch.equal(first.log_variances, again.log_variances)


def test_a_seed_beyond_32_bits_is_no_obstacle() -> None:
    assert fit_mixture(blobs(20), 2, seed=2**40 + 1).means.shape == (2, 2)


def test_a_layer_takes_a_fit_and_gives_it_back() -> None:
    fitted, gmm = fit_mixture(blobs(), 4, seed=0), DiagonalGmm(4, 2).double()
    kept = gmm.means
    set_parameters(gmm, fitted)
    back = parameters_of(gmm)
    assert gmm.means is kept
    torch.testing.assert_close(back.means, fitted.means)
    torch.testing.assert_close(back.log_variances, fitted.log_variances)
    torch.testing.assert_close(back.log_weights, fitted.log_weights)
    with torch.no_grad():
        gmm.means.zero_()
    assert back.means.abs().max() > 1


def test_parameters_are_taken_as_they_are_in_force() -> None:
    gmm = DiagonalGmm(2, 2)
    with torch.no_grad():
        gmm.log_variances.fill_(-50)
        gmm.log_weights.fill_(7)
    taken = parameters_of(gmm)
    torch.testing.assert_close(taken.log_variances.exp(), torch.full((2, 2), VARIANCE_FLOOR, dtype=torch.float64))
    torch.testing.assert_close(taken.log_weights.exp(), torch.full((2,), 0.5, dtype=torch.float64))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_features_that_are_not_finite_are_refused_with_their_number(value: float) -> None:
    rows = blobs(20)
    rows[3, 1] = rows[7, 0] = value
    with pytest.raises(UserError, match="2 of 20 samples have features that are not finite"):
        fit_mixture(rows, 4, seed=0)


@pytest.mark.parametrize("rows", [blobs(3), torch.ones(50, 2), torch.empty(0, 2)])
def test_fewer_different_samples_than_components_are_refused(rows: Tensor) -> None:
    with pytest.raises(UserError, match="mixture of 4 components cannot be fitted"):
        fit_mixture(rows, 4, seed=0)


def test_a_fit_far_from_the_origin_is_the_same_fit() -> None:
    near, far = fit_mixture(blobs().double(), 4, seed=0), fit_mixture(blobs().double() + 1e8, 4, seed=0)
    torch.testing.assert_close(far.means - 1e8, near.means, rtol=0, atol=1e-6)
    torch.testing.assert_close(far.log_variances, near.log_variances, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("scale", "distance"), [(1.0, 1e12), (1e160, 0.0)])
def test_variances_that_cannot_be_told_from_rounding_are_refused(scale: float, distance: float) -> None:
    rows = blobs(50).double() * scale
    rows[:25] += distance
    with pytest.raises(UserError, match="a component has a variance that cannot be told from rounding"):
        fit_mixture(rows, 2, seed=0)


@settings(deadline=None, max_examples=25)
@given(st.permutations(range(4)), st.integers(0, 1000))
def test_a_mixture_that_is_only_renumbered_is_matched_to_itself(order: list[int], seed: int) -> None:
    gmm, rows = DiagonalGmm(4, 2).double(), blobs(60, seed).double()
    parameters = mixture(4, 2, seed)
    shuffled = parameters.renumbered(torch.tensor(order))
    set_parameters(gmm, parameters)
    old = gmm(rows).detach().exp()
    set_parameters(gmm, shuffled)
    permutation = match_components(old, gmm(rows).detach().exp())
    assert [order[k] for k in permutation.tolist()] == [0, 1, 2, 3]
    torch.testing.assert_close(shuffled.renumbered(permutation).means, parameters.means)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 1000))
def test_no_other_matching_has_more_posterior_in_common(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    old, new = torch.randn(2, 7, 4, dtype=torch.float64, generator=generator).softmax(2)
    permutation = match_components(old, new).tolist()

    def shared(order: list[int]) -> float:
        return sum(float((old[:, k] * new[:, order[k]]).mean()) for k in range(4))

    assert sorted(permutation) == [0, 1, 2, 3]
    best = max(shared(list(order)) for order in itertools.permutations(range(4)))
    assert shared(permutation) == pytest.approx(best)


def test_a_blend_has_the_moments_of_drawing_from_either() -> None:
    old, new, share = mixture(seed=1), mixture(seed=2), 0.3
    blended = blend(old, new, share)

    def second(parameters: MixtureParameters) -> Tensor:
        return parameters.log_variances.exp() + parameters.means.square()

    torch.testing.assert_close(blended.means, 0.7 * old.means + 0.3 * new.means)
    torch.testing.assert_close(second(blended), 0.7 * second(old) + 0.3 * second(new))
    torch.testing.assert_close(blended.log_weights.exp(), 0.7 * old.log_weights.exp() + 0.3 * new.log_weights.exp())


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_blend_of_all_or_nothing_is_one_of_the_two(share: float) -> None:
    old, new = mixture(seed=1), mixture(seed=2)
    blended, expected = blend(old, new, share), new if share else old
    torch.testing.assert_close(blended.means, expected.means)
    torch.testing.assert_close(blended.log_variances, expected.log_variances)
    torch.testing.assert_close(blended.log_weights, expected.log_weights)


def test_agreement_tells_renumbering_from_another_partition() -> None:
    old = torch.tensor([0, 0, 1, 1, 2, 2])
    assert agreement(old, old) == (1, 1, 1)
    assert agreement(old, (old + 1) % 3) == (0, 1, 1)
    moved = agreement(old, torch.tensor([1, 1, 2, 2, 0, 1]))
    assert moved.raw == 0
    assert moved.matched == pytest.approx(5 / 6)
    assert 0 < moved.rand < 1


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=12))
def test_matched_agreement_is_that_of_the_best_of_all_renumberings(pairs: list[tuple[int, int]]) -> None:
    best = max(sum(order[old] == new for old, new in pairs) for order in itertools.permutations(range(4)))
    found = agreement(torch.tensor([old for old, _ in pairs]), torch.tensor([new for _, new in pairs]))
    assert found.matched == pytest.approx(best / len(pairs))
    assert found.raw == pytest.approx(sum(old == new for old, new in pairs) / len(pairs))


def test_without_samples_there_is_no_agreement() -> None:
    none = torch.empty(0, dtype=torch.long)
    assert all(math.isnan(value) for value in agreement(none, none))


def fitted_layer(order: list[int]) -> DiagonalGmm:
    gmm = DiagonalGmm(4, 2)
    set_parameters(gmm, fit_mixture(blobs(), 4, seed=0).renumbered(torch.tensor(order)))
    return gmm


def test_a_refit_from_scratch_renumbers_the_components_and_a_matched_one_does_not() -> None:
    order = [2, 0, 3, 1]
    from_scratch = refit(fitted_layer(order), blobs(), seed=0)
    matched = refit(fitted_layer(order), blobs(), seed=0, share=0.5)
    assert from_scratch.raw < 0.6 and from_scratch.matched == 1 and from_scratch.rand == 1
    assert matched == (1, 1, 1)


def test_a_matched_refit_moves_the_mixture_part_of_the_way() -> None:
    gmm = fitted_layer([2, 0, 3, 1])
    before = parameters_of(gmm).means
    refit(gmm, blobs() + 0.4, seed=0, share=0.25)
    torch.testing.assert_close(parameters_of(gmm).means, before + 0.1, rtol=0, atol=1e-3)


def test_a_refit_that_fails_leaves_the_mixture_as_it_was() -> None:
    gmm = fitted_layer([0, 1, 2, 3])
    before = parameters_of(gmm).means
    with pytest.raises(UserError):
        refit(gmm, torch.full((50, 2), math.nan), seed=0, share=0.5)
    assert torch.equal(parameters_of(gmm).means, before)


@pytest.mark.parametrize("options", [{"foreach": False}, {"foreach": True}, {"fused": True}, {"amsgrad": True}])
def test_after_a_reset_adam_takes_its_first_step_again(options: dict[str, Any]) -> None:
    def trained(num_steps: int) -> tuple[Tensor, Tensor, torch.optim.Adam]:
        reset_one, other = torch.zeros(3, requires_grad=True), torch.zeros(3, requires_grad=True)
        optimizer = torch.optim.Adam([reset_one, other], lr=0.1, **options)
        for _ in range(num_steps):
            step(optimizer, reset_one, other)
        return reset_one, other, optimizer

    def step(optimizer: torch.optim.Adam, *parameters: Tensor) -> None:
        for parameter in parameters:
            parameter.grad = torch.tensor([1.0, -2.0, 0.5])
        optimizer.step()

    reset_one, other, optimizer = trained(5)
    kept = optimizer.state[other]["exp_avg"].clone()
    assert reset_moments(optimizer, [reset_one]) == 1
    assert torch.equal(optimizer.state[other]["exp_avg"], kept) and kept.abs().min() > 0
    reset_one.grad = torch.tensor([-1.0, 1.0, 3.0])
    other.grad = None
    before = reset_one.detach().clone()
    optimizer.step()
    # The first step of Adam is lr against the sign of the gradient.
    torch.testing.assert_close(reset_one.detach() - before, torch.tensor([0.1, -0.1, -0.1]))


def test_a_reset_of_what_the_optimiser_has_not_stepped_yet_does_nothing() -> None:
    parameter = torch.zeros(3, requires_grad=True)
    optimizer = torch.optim.SGD([parameter], lr=0.1, momentum=0.9)
    assert reset_moments(optimizer, [parameter]) == 0
    parameter.grad = torch.ones(3)
    optimizer.step()
    assert reset_moments(optimizer, [parameter]) == 1
    assert optimizer.state[parameter]["momentum_buffer"].abs().max() == 0
