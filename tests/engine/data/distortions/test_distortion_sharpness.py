"""Sharpening against SciPy's Gaussian in Lab, contrast against SciPy's curve."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage
from scipy.interpolate import PchipInterpolator

from trainctl.engine.data.augment.colour import lab_to_rgb, rgb_to_lab
from trainctl.engine.data.distortions.sharpness import contrast_change, high_sharpen


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def pictures() -> torch.Tensor:
    return torch.rand(2, 3, 21, 18, generator=generator())


@pytest.mark.parametrize("strength", [1, 12])
def test_sharpening_adds_what_a_blur_of_the_lightness_takes(strength: float) -> None:
    lab = rgb_to_lab(pictures())
    for light in lab[:, 0].numpy():
        light += strength * (light - ndimage.gaussian_filter(light, 3, mode="nearest", radius=6))
    torch.testing.assert_close(high_sharpen(pictures(), strength, generator()), lab_to_rgb(lab), atol=1e-4, rtol=0)


def test_a_flat_picture_has_nothing_to_sharpen() -> None:
    images = torch.tensor([0.2, 0.5, 0.7])[:, None, None].expand(1, 3, 16, 16)
    torch.testing.assert_close(high_sharpen(images, 12, generator()), images, atol=1e-4, rtol=0)


@pytest.mark.parametrize("strength", [0.3, 0.15, -0.4, -0.6])
def test_contrast_follows_the_curve_of_kadid(strength: float) -> None:
    curve = PchipInterpolator((0, 0.3, 0.5, 0.7, 1), (0, 0.25 - strength / 4, 0.5, 0.75 + strength / 4, 1))
    ours = contrast_change(pictures(), strength, generator()).numpy()
    np.testing.assert_allclose(ours, curve(pictures().numpy()), atol=1e-5)


def test_no_change_of_contrast_leaves_the_picture() -> None:
    assert torch.equal(contrast_change(pictures(), 0, generator()), pictures())


def test_contrast_rises_above_zero_and_falls_below() -> None:
    spread = [contrast_change(pictures(), strength, generator()).std() for strength in (0.3, 0.15, 0, -0.4, -0.6)]
    assert spread == sorted(spread, reverse=True)
