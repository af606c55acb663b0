"""Noise has the variance and density asked for; the denoiser agrees with a patch-by-patch reference."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.fft import dctn, idctn
from sklearn.datasets import load_sample_image
from torch import Tensor

from trainctl.engine.data.distortions.colour_spaces import rgb_to_ycbcr
from trainctl.engine.data.distortions.filters import gaussian_filter
from trainctl.engine.data.distortions.noise import (
    denoise,
    impulse_noise,
    multiplicative_noise,
    white_noise,
    white_noise_ycbcr,
)
from trainctl.engine.data.distortions.sliding_dct import denoise_dct
from trainctl.engine.data.distortions.table import DISTORTIONS

Distortion = Callable[[Tensor, float, torch.Generator], Tensor]
WHITE, YCBCR, IMPULSE, SPECKLE, DENOISE = (DISTORTIONS[number - 1].strengths for number in range(11, 16))
ALL: tuple[tuple[Distortion, tuple[float, ...]], ...] = (
    (white_noise, WHITE),
    (white_noise_ycbcr, YCBCR),
    (impulse_noise, IMPULSE),
    (multiplicative_noise, SPECKLE),
    (denoise, DENOISE),
)


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _grey(value: float = 0.5, size: int = 128) -> Tensor:
    return torch.full((4, 3, size, size), value)


def _photo(size: int = 32, count: int = 12) -> Tensor:
    """Square crops of a photograph, (count, 3, size, size)."""
    pixels = torch.from_numpy(np.array(load_sample_image("china.jpg"))).permute(2, 0, 1)[:, 160:].float() / 255
    tiles = pixels.unfold(1, size, size).unfold(2, size, size).permute(1, 2, 0, 3, 4)
    return tiles.reshape(-1, 3, size, size)[:count].contiguous()


def _assert_variance(noise: Tensor, variance: float, excess_kurtosis: float) -> None:
    """`variance` within three standard errors of what so many independent values give, and mean 0 within four.

    Four, because a dozen channels are checked: three is passed by chance about once in thirty such sets.
    """
    values, count = noise.double().flatten(), noise.numel()
    assert abs(values.mean().item()) < 4 * math.sqrt(variance / count)
    standard_error = variance * math.sqrt((2 + excess_kurtosis) / count)
    assert abs(values.square().mean().item() - variance) < 3 * standard_error


@pytest.mark.parametrize("variance", WHITE)
def test_white_noise_has_the_variance_asked_for(variance: float) -> None:
    noise = white_noise(_grey(), variance, _generator()) - 0.5
    _assert_variance(noise, variance, excess_kurtosis=0)


def test_white_noise_is_independent_between_pixels_channels_and_pictures() -> None:
    noise = (white_noise(_grey(), 0.005, _generator()) - 0.5) / math.sqrt(0.005)
    bound = 3 / math.sqrt(noise.numel() / 4)
    assert abs((noise[..., 1:] * noise[..., :-1]).mean()) < bound
    assert abs((noise[:, 0] * noise[:, 1]).mean()) < bound
    assert abs((noise[0] * noise[1]).mean()) < bound * 2


@pytest.mark.parametrize("variance", YCBCR)
def test_noise_of_colour_components_has_its_variance_in_ycbcr(variance: float) -> None:
    images = _grey()
    noise = rgb_to_ycbcr(white_noise_ycbcr(images, variance, _generator())) - rgb_to_ycbcr(images)
    for channel in noise.unbind(1):
        _assert_variance(channel, variance, excess_kurtosis=0)


@pytest.mark.parametrize("density", IMPULSE)
def test_impulses_hit_the_share_asked_for_half_black_half_white(density: float) -> None:
    result = impulse_noise(_grey(), density, _generator())
    count = result.numel()
    for value in (0.0, 1.0):
        hit = (result == value).sum().item()
        assert abs(hit - count * density / 2) < 3 * math.sqrt(count * density / 2)
    assert ((result == 0) | (result == 1) | (result == 0.5)).all()


@pytest.mark.parametrize("variance", SPECKLE)
def test_multiplicative_noise_is_uniform_and_in_proportion_to_the_value(variance: float) -> None:
    for value in (0.1, 0.6):
        factor = multiplicative_noise(_grey(value), variance, _generator()) / value - 1
        _assert_variance(factor, variance, excess_kurtosis=-1.2)
        assert factor.abs().max() <= math.sqrt(3 * variance) + 1e-5


def test_multiplicative_noise_leaves_black_black() -> None:
    assert multiplicative_noise(_grey(0.0), 0.05, _generator()).max() == 0


def _slow_denoise(image: np.ndarray, sigma: float) -> np.ndarray:
    """Reference: SciPy's DCT of every 8 × 8 patch of every decorrelated channel, patch by patch."""
    planes = np.asarray(dctn(image, axes=[0], norm="ortho"))
    sums, counts = np.zeros_like(planes), np.zeros(planes.shape[1:])
    for y in range(image.shape[1] - 7):
        for x in range(image.shape[2] - 7):
            counts[y : y + 8, x : x + 8] += 1
            for channel in range(3):
                coefficients = np.asarray(dctn(planes[channel, y : y + 8, x : x + 8], norm="ortho"))
                keep = np.abs(coefficients) > 3 * sigma
                keep[0, 0] = True
                sums[channel, y : y + 8, x : x + 8] += idctn(coefficients * keep, norm="ortho")
    return np.asarray(idctn(sums / counts, axes=[0], norm="ortho"))


@pytest.mark.parametrize("size", [(8, 8), (13, 17), (24, 16)])
def test_the_denoiser_agrees_with_a_patch_by_patch_reference(size: tuple[int, int]) -> None:
    # In double precision, so that no coefficient falls on another side of the threshold.
    image = torch.rand(1, 3, *size, generator=_generator(), dtype=torch.float64)
    assert np.allclose(denoise_dct(image, 0.1)[0].numpy(), _slow_denoise(image[0].numpy(), 0.1), atol=1e-9)


def test_without_noise_the_denoiser_gives_the_picture_back() -> None:
    for size in ((5, 30), (16, 16), (20, 9)):
        images = torch.rand(2, 3, *size, generator=_generator())
        assert torch.allclose(denoise_dct(images, 0.0), images, atol=1e-5)


def test_denoising_leaves_the_number_of_threads_as_it_was() -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        denoise_dct(_photo(16, count=1), 0.1)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


def test_denoising_brings_the_picture_nearer_than_a_blur_of_the_same_noise_could() -> None:
    images = _photo(64, count=20)
    noisy = white_noise(images, 0.01, _generator())
    best_blur = min((gaussian_filter(noisy, sigma) - images).square().mean() for sigma in (0.6, 0.8, 1.0, 1.3, 1.7))
    assert (denoise(images, 0.01, _generator()) - images).square().mean() < 0.7 * best_blur


@pytest.mark.parametrize(("distortion", "strengths"), ALL)
def test_every_level_is_further_from_the_picture(distortion: Distortion, strengths: tuple[float, ...]) -> None:
    images = _photo()
    errors = [(distortion(images, strength, _generator()) - images).square().mean() for strength in strengths]
    assert all(further > nearer for nearer, further in pairwise(errors))


@pytest.mark.parametrize(("distortion", "strengths"), ALL)
def test_noise_comes_from_the_generator_alone(distortion: Distortion, strengths: tuple[float, ...]) -> None:
    images = _photo(16, count=3)
    images[1] = images[0]
    before = images.clone()
    result = distortion(images, strengths[-1], _generator(7))
    assert torch.equal(result, distortion(images, strengths[-1], _generator(7)))
    assert not torch.equal(result, distortion(images, strengths[-1], _generator(8)))
    assert not torch.equal(result[0], result[1])
    assert torch.equal(images, before)
    assert result.shape == images.shape and result.dtype == torch.float32
    assert result.min() >= 0 and result.max() <= 1
    assert torch.equal(result[:1], distortion(images[:1], strengths[-1], _generator(7)))
