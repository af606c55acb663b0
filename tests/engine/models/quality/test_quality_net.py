"""The quality network: its parts, what the regressor reads, and how the mixture is fitted at the start."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from trainctl.engine.errors import UserError
from trainctl.engine.models.quality.gmm_fit import fit_mixture, parameters_of
from trainctl.engine.models.quality.net import QualityNet, batch_statistics, corners
from trainctl.engine.models.quality.options import QualityModel

SMALL: dict[str, Any] = {"width": 4, "stem": "small", "features": 24, "clusters": 3, "hidden": (16, 8)}


def network(**options: Any) -> QualityNet:
    torch.manual_seed(0)
    return QualityNet(QualityModel(**{**SMALL, **options}), 32)


def pictures(num: int, seed: int = 1, size: int = 32) -> Tensor:
    """Noise of different strength and colour, so that features differ."""
    generator = torch.Generator().manual_seed(seed)
    strength = torch.rand(num, 3, 1, 1, generator=generator) * 2
    return strength * torch.randn(num, 3, size, size, generator=generator) + strength - 1


@pytest.mark.parametrize("options", [{}, {"projection": 6}, {"temper": "learned"}, {"features": 32}])
def test_a_picture_gets_a_score_and_posteriors(options: dict[str, Any]) -> None:
    score, log_posteriors, _ = network(**options)(pictures(5))
    assert score.shape == (5,)
    assert log_posteriors.shape == (5, 3)
    torch.testing.assert_close(log_posteriors.exp().sum(1), torch.ones(5))


def test_kinds_are_told_where_asked_for() -> None:
    assert network()(pictures(5)).log_kinds_BC is None
    told = network(tells_kinds=True)(pictures(5)).log_kinds_BC
    assert told is not None and told.shape == (5, 126)
    torch.testing.assert_close(told.exp().sum(1), torch.ones(5))


@torch.no_grad()
def test_a_larger_picture_gets_the_mean_of_its_pieces_in_evaluation_only() -> None:
    alone, images = network(tells_kinds=True).eval(), pictures(3, size=48)
    net = QualityNet(QualityModel(**SMALL, tells_kinds=True), 48, 32)
    net.load_state_dict(alone.state_dict())
    assert not torch.allclose(net.train()(images).score_B, alone.train()(images[:, :, :32, :32]).score_B)
    net.load_state_dict(alone.state_dict())
    mean = net.eval()(images)
    parts = [alone.eval()(images[:, :, top : top + 32, left : left + 32]) for top in (0, 16) for left in (0, 16)]
    torch.testing.assert_close(mean.score_B, torch.stack([part.score_B for part in parts]).mean(0))
    posteriors = torch.stack([part.log_posteriors_BK.exp() for part in parts]).mean(0)
    torch.testing.assert_close(mean.log_posteriors_BK.exp(), posteriors)
    assert mean.log_kinds_BC is not None and mean.log_kinds_BC.shape == (3, 126)
    assert not torch.allclose(alone(images).score_B, mean.score_B)


@pytest.mark.parametrize(("side", "per_side"), [(8, 1), (9, 2), (16, 2), (17, 3), (30, 4)])
def test_few_pieces_cover_all_of_a_picture(side: int, per_side: int) -> None:
    image = torch.arange(side * side).view(side, side)
    places = corners(side, 8)
    pieces = [image[top : top + 8, left : left + 8] for top, left in places]
    assert len(places) == per_side**2
    assert {piece.shape for piece in pieces} == {(8, 8)}
    assert torch.cat([piece.flatten() for piece in pieces]).unique().numel() == side * side


def test_the_parts_have_the_names_that_freezing_and_gradient_norms_use() -> None:
    assert [name for name, _ in network().named_children()] == ["backbone", "projection", "gmm", "regressor"]
    assert isinstance(network().projection, nn.Identity)


def test_the_document_s_network_reads_512_features_and_8_posteriors() -> None:
    first = QualityNet(QualityModel(width=4), 64).regressor[0]
    assert isinstance(first, nn.Linear) and first.in_features == 520


@torch.no_grad()
def test_the_score_depends_on_which_component_has_which_number() -> None:
    net, images = network(temper="dimension").eval(), pictures(4)
    net.initialise_mixture([pictures(30)], seed=0)
    before = net(images)
    for parameter in (net.gmm.means, net.gmm.log_variances, net.gmm.log_weights):
        parameter.copy_(parameter[[1, 2, 0]].clone())
    after = net(images)
    torch.testing.assert_close(after.log_posteriors_BK, before.log_posteriors_BK[:, [1, 2, 0]])
    assert (after.score_B - before.score_B).abs().max() > 1e-4


def test_the_score_is_the_regressor_s_answer_to_features_and_posteriors() -> None:
    net, images = network(projection=5).eval(), pictures(4)
    both = torch.cat([net.backbone(images), net.gmm(net.mixture_features(images)).exp()], 1)
    torch.testing.assert_close(net(images).score_B, net.regressor(both)[:, 0])


def test_every_parameter_has_a_gradient_from_score_and_posteriors() -> None:
    net = network(projection=5, temper="learned", dropout=0.2)
    score, log_posteriors, _ = net(pictures(8))
    (score.square().mean() + log_posteriors.amax(1).exp().mean()).backward()
    assert [name for name, parameter in net.named_parameters() if parameter.grad is None] == []


def test_projected_features_have_a_deviation_of_one_in_every_dimension_however_large_they_are() -> None:
    net = network(projection=6)
    small = net.mixture_features(pictures(32))
    with torch.no_grad():
        next(net.projection.parameters()).mul_(1000)
    large = net.mixture_features(pictures(32))
    torch.testing.assert_close(large.std(0, correction=0), torch.ones(6), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(large.mean(0), torch.zeros(6), rtol=0, atol=1e-3)
    torch.testing.assert_close(large, small, rtol=0.1, atol=0.1)


def test_the_mixture_starts_as_scikit_learn_s_fit_to_the_features_of_the_untrained_network() -> None:
    net, images = network(projection=4), pictures(40)
    net.initialise_mixture([images], seed=5)
    net.train()
    expected = fit_mixture(net.mixture_features(images), 3, seed=5)
    torch.testing.assert_close(parameters_of(net.gmm).means, expected.means, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(parameters_of(net.gmm).log_weights, expected.log_weights, rtol=1e-3, atol=1e-3)
    assert expected.means.std() > 0.1


@pytest.mark.parametrize("training", [True, False])
def test_fitting_the_mixture_changes_nothing_else(training: bool) -> None:
    net = network(projection=4, dropout=0.5).train(training)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    random_state = torch.get_rng_state()
    net.initialise_mixture(iter(pictures(40).split(13)), seed=0)
    changed = [name for name, value in net.state_dict().items() if not torch.equal(value, before[name])]
    assert changed == ["gmm.means", "gmm.log_variances", "gmm.log_weights"]
    assert all(module.training is training for module in net.modules())
    assert torch.equal(torch.get_rng_state(), random_state)


def test_statistics_are_kept_again_after_the_fit() -> None:
    net = network()
    with pytest.raises(ZeroDivisionError), batch_statistics(net):
        _ = 1 / 0
    net.train()(pictures(4))
    counts = [value.item() for name, value in net.state_dict().items() if name.endswith("num_batches_tracked")]
    assert set(counts) == {1}


def test_a_last_batch_of_one_picture_is_passed_over() -> None:
    net, other, images = network(projection=4), network(projection=4), pictures(41)
    net.initialise_mixture(images.split(40), seed=0)
    other.initialise_mixture([images[:40]], seed=0)
    assert torch.equal(net.gmm.means, other.gmm.means)


def test_too_few_pictures_for_the_components_are_refused() -> None:
    with pytest.raises(UserError, match="mixture of 3 components cannot be fitted"):
        network().initialise_mixture([pictures(2)], seed=0)
    with pytest.raises(UserError, match="mixture of 3 components cannot be fitted"):
        network().initialise_mixture([], seed=0)


def test_a_network_that_has_diverged_is_refused() -> None:
    with pytest.raises(UserError, match="not finite"):
        network().initialise_mixture([torch.full((8, 3, 32, 32), math.nan)], seed=0)


def test_pictures_that_are_too_small_are_refused() -> None:
    with pytest.raises(UserError, match="image_size: 8 is too small"):
        QualityNet(QualityModel(width=4), 8)


def test_the_smallest_pictures_train() -> None:
    torch.manual_seed(0)
    net = QualityNet(QualityModel(width=4, clusters=2, features=8, hidden=()), 16)
    assert net(pictures(4, size=16)).score_B.isfinite().all()


def test_under_autocast_posteriors_stay_float32() -> None:
    net = network()
    with torch.autocast("cpu", torch.bfloat16):
        score, log_posteriors, _ = net(pictures(4))
    assert log_posteriors.dtype == torch.float32 and score.dtype == torch.bfloat16
