"""Mixup and CutMix: targets say what the pixels show, and shares follow the Beta distribution."""

from __future__ import annotations

import pytest
import torch

from trainctl.engine.data.augment.mixing import cutmix, mix_batch, mixup, symmetric_beta


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images_showing(targets: torch.Tensor, side: int = 8) -> torch.Tensor:
    """Images whose every pixel is the target, so that the mean pixel must stay the target."""
    return targets.view(-1, 1, 1, 1).expand(-1, 3, side, 2 * side).clone()


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_mixed_pixels_and_targets_agree(alpha: float) -> None:
    targets = (torch.arange(200) % 2).float()
    for mix in (mixup, cutmix):
        images, mixed = mix(images_showing(targets), targets, alpha, generator())
        assert torch.allclose(images.mean((1, 2, 3)), mixed, atol=1e-5)
        assert 0.0 <= float(mixed.min()) <= float(mixed.max()) <= 1.0
        assert float(mixed.mean()) == pytest.approx(0.5, abs=0.1)
        assert bool(((mixed > 0.02) & (mixed < 0.98)).any())


def test_cutmix_pastes_one_box() -> None:
    targets = torch.arange(64).float()
    images, _ = cutmix(images_showing(targets, 16), targets, 1.0, generator(3))
    pasted = images[:, 0] != targets.view(-1, 1, 1)
    assert bool(pasted.any())
    for mask in pasted:
        rows, columns = mask.any(1), mask.any(0)
        assert torch.equal(mask, rows.unsqueeze(1) & columns.unsqueeze(0))
        assert int(rows.int().diff().abs().sum()) <= 2
        assert int(columns.int().diff().abs().sum()) <= 2


@pytest.mark.parametrize("alpha", [0.1, 0.4, 1.0, 3.0])
def test_shares_have_the_moments_of_the_beta_distribution(alpha: float) -> None:
    draws = symmetric_beta(alpha, 40_000, generator(1)).double()
    variance = 1 / (4 * (2 * alpha + 1))
    assert bool(((draws >= 0) & (draws <= 1)).all())
    assert float(draws.mean()) == pytest.approx(0.5, abs=0.01)
    assert float(draws.var()) == pytest.approx(variance, rel=0.03)
    fourth = 3 / (2 * alpha + 3) / (2 * alpha + 1) / 16  # E[(λ−½)⁴]
    assert float((draws - 0.5).pow(4).mean()) == pytest.approx(fourth, rel=0.04)


def test_with_both_on_each_batch_takes_one() -> None:
    targets = torch.arange(16).float() / 16
    images, source = images_showing(targets), generator(0)
    kinds = set[bool]()
    for _ in range(20):
        mixed, _ = mix_batch(images, targets, 1.0, 1.0, source)
        flat = (mixed - mixed[:, :, :1, :1]).flatten(1).abs().amax(1) < 1e-6
        kinds.add(bool(flat.all()))  # only Mixup leaves constant images constant
    assert kinds == {True, False}


def test_off_means_the_other_one() -> None:
    targets = torch.arange(8).float()
    images = images_showing(targets)
    assert torch.equal(
        mix_batch(images, targets, 0.5, 0.0, generator())[0], mixup(images, targets, 0.5, generator())[0]
    )
    assert torch.equal(
        mix_batch(images, targets, 0.0, 0.5, generator())[0], cutmix(images, targets, 0.5, generator())[0]
    )
