"""Colour transforms against the published matrix and against known colours."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from trainctl.engine.data.distortions.colour_spaces import rgb_to_grey, rgb_to_ycbcr, ycbcr_to_rgb

# MATLAB's documentation of rgb2ycbcr gives ITU-R BT.601 in this form, all over 255.
MATRIX = np.array([[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]])
OFFSET = np.array([16.0, 128.0, 128.0])


def pictures() -> torch.Tensor:
    return torch.rand(2, 3, 5, 7, generator=torch.Generator().manual_seed(7))


def test_ycbcr_agrees_with_the_published_matrix_pixel_by_pixel() -> None:
    images = pictures()
    ours = rgb_to_ycbcr(images).numpy()
    for n, row, column in np.ndindex(2, 5, 7):
        expected = (MATRIX @ images[n, :, row, column].double().numpy() + OFFSET) / 255
        np.testing.assert_allclose(ours[n, :, row, column], expected, atol=3e-6)


@pytest.mark.parametrize(
    ("rgb", "ycbcr"), [((0, 0, 0), (16, 128, 128)), ((1, 1, 1), (235, 128, 128)), ((0, 0, 1), (40.966, 240, 109.786))]
)
def test_known_colours(rgb: tuple[float, ...], ycbcr: tuple[float, ...]) -> None:
    actual = rgb_to_ycbcr(torch.tensor(rgb, dtype=torch.float32).reshape(1, 3, 1, 1)).flatten() * 255
    torch.testing.assert_close(actual, torch.tensor(ycbcr, dtype=torch.float32), atol=1e-3, rtol=0)


def test_the_way_back_gives_the_picture_again() -> None:
    torch.testing.assert_close(ycbcr_to_rgb(rgb_to_ycbcr(pictures())), pictures(), atol=1e-6, rtol=0)


def test_grey_weighs_the_channels_and_keeps_white() -> None:
    primaries = torch.eye(3).reshape(3, 3, 1, 1)
    torch.testing.assert_close(rgb_to_grey(primaries).flatten(), torch.tensor([0.299, 0.587, 0.114]))
    torch.testing.assert_close(rgb_to_grey(torch.ones(1, 3, 2, 2)), torch.ones(1, 1, 2, 2))
