"""Filters against SciPy's and against loops over pixels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from trainctl.engine.data.distortions.filters import (
    gaussian_filter,
    gaussian_kernel,
    kernel_filter,
    separable_filter,
)


def pictures(n: int = 2, height: int = 20, width: int = 17) -> torch.Tensor:
    return torch.rand(n, 3, height, width, generator=torch.Generator().manual_seed(7))


@settings(max_examples=30, deadline=None)
@given(st.floats(0.1, 25))
def test_the_gaussian_kernel_is_symmetric_sums_to_one_and_has_matlabs_width(sigma: float) -> None:
    kernel = gaussian_kernel(sigma)
    assert kernel.numel() == 2 * int(np.ceil(2 * sigma)) + 1
    torch.testing.assert_close(kernel, kernel.flip(0))
    assert kernel.sum().item() == pytest.approx(1)


@pytest.mark.parametrize("sigma", [0.1, 0.5, 1, 2, 5, 20])
def test_the_gaussian_agrees_with_scipy_even_where_it_is_wider_than_the_picture(sigma: float) -> None:
    images = pictures()
    expected = ndimage.gaussian_filter(
        images.double().numpy(), (0, 0, sigma, sigma), mode="nearest", radius=int(np.ceil(2 * sigma))
    )
    np.testing.assert_allclose(gaussian_filter(images, sigma).numpy(), expected, atol=2e-6)


def test_sigma_zero_gives_a_copy_and_a_negative_one_is_refused() -> None:
    images = pictures()
    same = gaussian_filter(images, 0)
    assert torch.equal(same, images)
    assert same.data_ptr() != images.data_ptr()
    with pytest.raises(ValueError, match="sigma"):
        gaussian_filter(images, -1)


def test_an_asymmetric_kernel_is_correlated_not_convolved() -> None:
    images = pictures(1)
    shifted = separable_filter(images, torch.tensor([0.0, 0.0, 1.0]))
    torch.testing.assert_close(shifted[..., :-1, :-1], images[..., 1:, 1:])
    torch.testing.assert_close(shifted[..., -1, -1], images[..., -1, -1])


def test_each_picture_is_filtered_with_its_own_kernel() -> None:
    images = pictures()
    kernels = torch.rand(2, 5, 5, generator=torch.Generator().manual_seed(3))
    filtered = kernel_filter(images, kernels).numpy()
    for picture, kernel, actual in zip(images.numpy(), kernels.numpy(), filtered, strict=True):
        for channel in range(3):
            expected = ndimage.correlate(picture[channel], kernel, mode="nearest")
            np.testing.assert_allclose(actual[channel], expected, atol=1e-5)


def test_one_kernel_serves_all_pictures() -> None:
    images = pictures(3)
    kernel = torch.rand(1, 3, 3, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(kernel_filter(images, kernel), kernel_filter(images, kernel.expand(3, 3, 3)))
