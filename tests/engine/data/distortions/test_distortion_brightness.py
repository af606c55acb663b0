"""Brightness: curves against SciPy's PCHIP, the mixture of RGB and Lab, direction and order of the levels."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import PchipInterpolator
from torch import Tensor

from trainctl.engine.data.augment.colour import lab_to_rgb, rgb_to_lab
from trainctl.engine.data.distortions.brightness import brighten, darken, mean_shift
from trainctl.engine.data.distortions.table import DISTORTIONS

BRIGHTER, DARKER, SHIFTS = (DISTORTIONS[number - 1].strengths for number in (16, 17, 18))


def _images(seed: int = 0) -> Tensor:
    return torch.rand(2, 3, 17, 23, generator=torch.Generator().manual_seed(seed))


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def _curve(values: np.ndarray, middle: float) -> np.ndarray:
    return np.clip(PchipInterpolator([0, 0.5, 1], [0, middle, 1])(values), 0, 1)


@pytest.mark.parametrize("strength", DARKER)
def test_darken_is_scipys_monotone_curve_through_the_lowered_middle(strength: float) -> None:
    images = _images()
    expected = _curve(images.double().numpy(), 0.5 - strength / 2)
    assert np.allclose(darken(images, strength, _generator()).numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("strength", BRIGHTER)
def test_brighten_is_two_parts_the_curve_on_rgb_and_one_part_on_lightness(strength: float) -> None:
    images = _images().double()
    middle = 0.5 + strength / 2
    expected = np.empty(images.shape)
    for index, image in enumerate(images):
        lab = rgb_to_lab(image[None])[0].numpy().copy()
        lab[0] = 100 * _curve(lab[0] / 100, middle)
        in_lab = lab_to_rgb(torch.from_numpy(lab)[None])[0].numpy()
        expected[index] = (2 * _curve(image.numpy(), middle) + in_lab) / 3
    assert np.allclose(brighten(images.float(), strength, _generator()).numpy(), expected, atol=2e-4)


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 1.1), st.floats(0, 0.8))
def test_black_and_white_stay_and_greys_keep_their_order(up: float, down: float) -> None:
    greys = torch.linspace(0, 1, 101).expand(1, 3, 1, 101)
    for result in (brighten(greys, up, _generator()), darken(greys, down, _generator())):
        assert result[..., 0].abs().max() < 1e-3 and (result[..., -1] - 1).abs().max() < 1e-3
        assert (result.diff(dim=-1) > -1e-4).all()


def test_a_higher_level_is_brighter_or_darker_at_every_pixel() -> None:
    images = _images()
    brighter = [images, *(brighten(images, strength, _generator()) for strength in BRIGHTER)]
    assert all(after.mean() > before.mean() for before, after in pairwise(brighter))
    darker = [images, *(darken(images, strength, _generator()) for strength in DARKER)]
    assert all((after <= before + 1e-6).all() and after.mean() < before.mean() for before, after in pairwise(darker))


def test_mean_shift_adds_its_value_and_clips() -> None:
    images = _images()
    for strength in SHIFTS:
        expected = np.clip(images.numpy() + np.float32(strength), 0, 1)
        assert np.allclose(mean_shift(images, strength, _generator()).numpy(), expected, atol=1e-7)


def test_level_3_of_the_mean_shift_is_the_picture_in_a_tensor_of_its_own() -> None:
    images = _images()
    result = mean_shift(images, SHIFTS[2], _generator())
    assert torch.equal(result, images) and result.data_ptr() != images.data_ptr()


def test_inputs_stay_and_results_are_in_range() -> None:
    images = _images()
    before = images.clone()
    for result in (
        brighten(images, 1.1, _generator()),
        darken(images, 0.8, _generator()),
        mean_shift(images, 0.15, _generator()),
    ):
        assert torch.equal(images, before)
        assert result.shape == images.shape and result.dtype == torch.float32
        assert result.min() >= 0 and result.max() <= 1
