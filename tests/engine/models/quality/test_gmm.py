"""The mixture layer against scikit-learn's posteriors, and what dimensions do to them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.mixture import GaussianMixture
from torch import Tensor

from trainctl.engine.losses.clustering import cluster_loss
from trainctl.engine.models.quality.gmm import VARIANCE_FLOOR, DiagonalGmm, Temper


def layer(clusters: int, dim: int, temper: Temper = "none", seed: int = 0) -> DiagonalGmm:
    generator = torch.Generator().manual_seed(seed)
    gmm = DiagonalGmm(clusters, dim, temper).double()
    with torch.no_grad():
        for parameter in (gmm.means, gmm.log_variances, gmm.log_weights):
            parameter.copy_(torch.randn(parameter.shape, dtype=torch.float64, generator=generator))
        if temper == "learned":
            gmm.log_temper.fill_(-math.log(dim))  # it was rounded to float32
    return gmm


def features(num: int, dim: int, seed: int = 1, scale: float = 1.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(num, dim, dtype=torch.float64, generator=generator)


def slow_log_posteriors(gmm: DiagonalGmm, rows: Tensor, factor: float) -> list[list[float]]:
    """One density of one dimension at a time."""
    means, variances = gmm.means.tolist(), gmm.log_variances.exp().tolist()
    answers: list[list[float]] = []
    for row in rows.tolist():
        joint: list[float] = []
        for mean, variance, log_weight in zip(means, variances, gmm.log_weights.tolist(), strict=True):
            density = 0.0
            for x, m, v in zip(row, mean, variance, strict=True):
                density += math.log(math.exp(-((x - m) ** 2) / (2 * v)) / math.sqrt(2 * math.pi * v))
            joint.append(density * factor + log_weight)
        total = np.logaddexp.reduce(joint)
        answers.append([value - total for value in joint])
    return answers


@settings(deadline=None, max_examples=15)
@given(st.integers(2, 4), st.integers(1, 5), st.sampled_from(["none", "dimension", "learned"]), st.integers(0, 99))
def test_posteriors_are_those_of_a_product_of_densities(clusters: int, dim: int, temper: Temper, seed: int) -> None:
    gmm, rows = layer(clusters, dim, temper, seed), features(3, dim, seed + 1)
    expected = slow_log_posteriors(gmm, rows, 1.0 if temper == "none" else 1 / dim)
    np.testing.assert_allclose(gmm(rows).detach().numpy(), expected, rtol=1e-9, atol=1e-9)


def test_posteriors_are_those_of_scikit_learn_with_the_same_parameters() -> None:
    rows = torch.cat([features(60, 6, 1) + 1.5, features(60, 6, 2) - 1.5, features(60, 6, 3, 2.0)])
    mixture = GaussianMixture(3, covariance_type="diag", random_state=0).fit(rows.numpy())
    gmm = DiagonalGmm(3, 6).double()
    with torch.no_grad():
        gmm.means.copy_(torch.from_numpy(mixture.means_))
        gmm.log_variances.copy_(torch.from_numpy(mixture.covariances_).log())
        gmm.log_weights.copy_(torch.from_numpy(mixture.weights_).log())
        posteriors = gmm(rows).exp()
    np.testing.assert_allclose(posteriors.numpy(), mixture.predict_proba(rows.numpy()), atol=1e-12)


def test_a_learned_temper_starts_at_one_over_the_dimensions_and_learns() -> None:
    learned, fixed, rows = layer(4, 16, "learned"), layer(4, 16, "dimension"), features(8, 16)
    torch.testing.assert_close(learned(rows), fixed(rows))
    cluster_loss(learned(rows)).backward()
    assert learned.log_temper.grad is not None and learned.log_temper.grad.item() != 0
    assert "log_temper" not in dict(fixed.named_parameters())


def test_the_temper_leaves_the_weights_of_the_components_alone() -> None:
    gmm = layer(3, 8, "dimension")
    with torch.no_grad():
        gmm.means.zero_()
        gmm.log_variances.zero_()
        gmm.log_weights.copy_(torch.tensor([0.7, 0.2, 0.1]).log())
    torch.testing.assert_close(gmm(features(1, 8)).exp()[0], torch.tensor([0.7, 0.2, 0.1], dtype=torch.float64))


def test_the_scale_of_the_weights_does_not_matter() -> None:
    gmm, rows = layer(3, 4), features(5, 4)
    before = gmm(rows)
    with torch.no_grad():
        gmm.log_weights.add_(3.0)
    torch.testing.assert_close(gmm(rows), before)


@torch.no_grad()
def mean_max_posterior(dim: int, temper: Temper) -> float:
    torch.manual_seed(0)
    return DiagonalGmm(8, dim, temper)(torch.randn(1000, dim)).exp().amax(1).mean().item()


def test_posteriors_of_many_dimensions_are_one_hot_whatever_the_features_and_the_temper_undoes_it() -> None:
    assert mean_max_posterior(2, "none") < 0.5
    assert mean_max_posterior(512, "none") > 0.95
    assert mean_max_posterior(512, "dimension") == pytest.approx(0.14, abs=0.01)


def test_no_gradient_reaches_features_through_one_hot_posteriors() -> None:
    def gradient(temper: Temper) -> float:
        torch.manual_seed(0)
        gmm = DiagonalGmm(8, 512, temper)
        # A picture as near to a component as a fit puts it; the other components are far.
        rows = (gmm.means.detach()[:4] + 0.1 * torch.randn(4, 512)).requires_grad_()
        cluster_loss(gmm(rows)).backward()
        assert rows.grad is not None
        return rows.grad.norm().item()

    assert gradient("none") == 0
    assert gradient("dimension") > 1e-4


@settings(deadline=None, max_examples=25)
@given(st.floats(0, 8), st.integers(0, 50))
def test_posteriors_sum_to_one_and_gradients_are_finite_however_far_the_features(power: float, seed: int) -> None:
    torch.manual_seed(seed)
    gmm = DiagonalGmm(5, 32)
    rows = (10**power * torch.randn(4, 32)).requires_grad_()
    log_posteriors = gmm(rows)
    torch.testing.assert_close(log_posteriors.exp().sum(1), torch.ones(4))
    assert log_posteriors.isfinite().all()
    cluster_loss(log_posteriors).backward()
    assert rows.grad is not None and rows.grad.isfinite().all()


def test_float32_keeps_the_digits_that_decide_far_from_the_origin() -> None:
    gmm = layer(3, 4)
    with torch.no_grad():
        gmm.log_variances.zero_()
        gmm.means.copy_((gmm.means.float() + 4096).double())
    rows = features(6, 4).float() + 4096
    exact = gmm(rows.double())
    torch.testing.assert_close(gmm.float()(rows), exact.float(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_under_autocast_posteriors_are_computed_and_given_in_float32(dtype: torch.dtype) -> None:
    gmm, rows = layer(4, 64).float(), features(8, 64).to(dtype)
    with torch.autocast("cpu", torch.bfloat16):
        log_posteriors = gmm(rows)
    assert log_posteriors.dtype == torch.float32
    torch.testing.assert_close(log_posteriors, gmm(rows.float()), rtol=0, atol=0)


def test_a_variance_below_the_floor_counts_as_the_floor() -> None:
    low, floor, rows = layer(3, 4), layer(3, 4), features(5, 4, scale=1e-3)
    with torch.no_grad():
        low.log_variances[0] = -100.0
        floor.log_variances[0] = math.log(VARIANCE_FLOOR)
    torch.testing.assert_close(low(rows), floor(rows), rtol=0, atol=0)


@pytest.mark.parametrize("temper", ["none", "dimension", "learned"])
def test_gradients_are_those_of_finite_differences(temper: Temper) -> None:
    gmm = layer(3, 4, temper)
    names, values = zip(*gmm.named_parameters(), strict=True)

    def posteriors(rows: Tensor, *parameters: Tensor) -> Tensor:
        return torch.func.functional_call(gmm, dict(zip(names, parameters, strict=True)), rows)

    assert torch.autograd.gradcheck(posteriors, (features(2, 4).requires_grad_(), *values))


def test_printing_tells_size_and_temper() -> None:
    assert repr(DiagonalGmm(8, 16, "learned")) == "DiagonalGmm(clusters=8, dim=16, temper=learned)"
