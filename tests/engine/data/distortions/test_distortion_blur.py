"""Kernels against brute force, and blurs against SciPy with the same kernel."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from torch import Tensor

from trainctl.engine.data.distortions.blur import disk_kernel, gaussian_blur, lens_blur, motion_blur, motion_kernels


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(n: int = 2, size: int = 16) -> torch.Tensor:
    return torch.rand(n, 3, size, size, generator=generator(7))


def supersampled_disk(radius: float, fine: int = 101) -> np.ndarray:
    """Count fine points inside the circle, pixel by pixel."""
    half = math.ceil(radius - 0.5)
    points = (np.arange(fine) + 0.5) / fine - 0.5
    kernel = np.zeros((2 * half + 1, 2 * half + 1))
    for row, column in np.ndindex(*kernel.shape):
        y, x = row - half + points[:, None], column - half + points[None, :]
        kernel[row, column] = (x**2 + y**2 <= radius**2).mean()
    return kernel / kernel.sum()


def line_kernel(length: float, angle: float) -> np.ndarray:
    """Distance of each pixel to 2001 points of the line, the nearest one counts."""
    half = math.ceil((length - 1) / 2)
    along = np.linspace(-(length - 1) / 2, (length - 1) / 2, 2001)
    kernel = np.zeros((2 * half + 1, 2 * half + 1))
    for row, column in np.ndindex(*kernel.shape):
        distance = np.hypot(column - half - along * math.cos(angle), row - half - along * math.sin(angle)).min()
        kernel[row, column] = max(0.0, 1 - distance)
    return kernel / kernel.sum()


@pytest.mark.parametrize("radius", [1, 2, 4, 6, 8, 0.4, 2.7])
def test_the_disk_covers_each_pixel_by_its_exact_area(radius: float) -> None:
    np.testing.assert_allclose(disk_kernel(radius).numpy(), supersampled_disk(radius), atol=5e-4)


def test_the_disk_of_radius_one_is_the_one_that_matlab_documents() -> None:
    # Areas over pi: a whole pixel, a side and a corner.
    assert disk_kernel(1)[1].tolist() == pytest.approx([0.1453, 0.3183, 0.1453], abs=5e-5)
    assert disk_kernel(1)[0].tolist() == pytest.approx([0.0251, 0.1453, 0.0251], abs=5e-5)


@settings(max_examples=15, deadline=None)
@given(st.floats(0.3, 12))
def test_a_disk_sums_to_one_and_looks_the_same_from_all_sides(radius: float) -> None:
    kernel = disk_kernel(radius)
    assert kernel.sum().item() == pytest.approx(1)
    assert kernel.min() >= 0
    torch.testing.assert_close(kernel, kernel.T)
    torch.testing.assert_close(kernel, kernel.flip(0))


@pytest.mark.parametrize("length", [1, 2, 4, 6, 10])
def test_motion_is_an_antialiased_line(length: float) -> None:
    angles = torch.tensor([0.0, 0.4, math.pi / 4, math.pi / 2, 2.5], dtype=torch.float64)
    for kernel, angle in zip(motion_kernels(length, angles), angles, strict=True):
        np.testing.assert_allclose(kernel.numpy(), line_kernel(length, float(angle)), atol=2e-3)


def test_blurs_agree_with_scipy() -> None:
    images = pictures(1)
    blurred = lens_blur(images, 4, generator())
    expected = ndimage.correlate(images[0, 1].numpy(), supersampled_disk(4), mode="nearest")
    np.testing.assert_allclose(blurred[0, 1].numpy(), expected, atol=2e-3)
    expected = ndimage.gaussian_filter(images[0, 2].numpy(), 2, mode="nearest", radius=4)
    np.testing.assert_allclose(gaussian_blur(images, 2, generator())[0, 2].numpy(), expected, atol=1e-5)


def test_every_picture_moves_in_its_own_direction_and_the_seed_decides() -> None:
    images = pictures(1).repeat(2, 1, 1, 1)
    first, second = motion_blur(images, 10, generator(1))
    assert (first - second).abs().max() > 0.01
    assert torch.equal(motion_blur(images, 10, generator(1))[0], first)


def test_a_movement_of_one_pixel_leaves_the_picture() -> None:
    torch.testing.assert_close(motion_blur(pictures(), 1, generator()), pictures())


@pytest.mark.parametrize("blur", [gaussian_blur, lens_blur, motion_blur])
def test_more_blur_leaves_less_detail_and_the_mean_of_a_flat_picture(
    blur: Callable[[Tensor, float, torch.Generator], Tensor],
) -> None:
    images = pictures(3, 32)
    spread = [blur(images, strength, generator()).std() for strength in (1, 2, 4)]
    assert spread[0] > spread[1] > spread[2]
    flat = torch.full((1, 3, 16, 24), 0.25)
    torch.testing.assert_close(blur(flat, 8, generator()), flat)
