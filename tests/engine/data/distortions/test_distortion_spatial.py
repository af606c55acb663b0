"""Moved and covered pixels against loops over single pixels."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from trainctl.engine.data.distortions.spatial import (
    PATCH_SIDE,
    WARPS,
    colour_block,
    covering,
    jitter,
    non_eccentricity_patch,
    pixelate,
)
from trainctl.engine.data.distortions.table import DISTORTIONS, REFERENCE_AREA


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(n: int, height: int, width: int) -> torch.Tensor:
    return torch.rand(n, 3, height, width, generator=generator(7))


def positions(n: int, height: int, width: int) -> torch.Tensor:
    """Pictures in which every pixel has a value of its own, the same in all channels."""
    return (torch.arange(height * width).view(1, 1, height, width) / (height * width)).repeat(n, 3, 1, 1)


@pytest.mark.parametrize("strength", [0.05, 0.5, 1.0])
def test_jitter_is_five_bilinear_warps_of_scipy(strength: float) -> None:
    images = pictures(2, 17, 23)
    ours = jitter(images, strength, generator(3)).numpy()
    draws = generator(3)
    away = [torch.randn(2, 17, 23, 2, generator=draws).numpy() * strength for _ in range(WARPS)]
    rows, columns = np.mgrid[:17, :23].astype(float)
    for n in range(2):
        for channel in range(3):
            expected = images[n, channel].numpy()
            for warp in away:
                place = (rows + warp[n, ..., 1], columns + warp[n, ..., 0])
                expected = ndimage.map_coordinates(expected, place, order=1, mode="nearest")
            np.testing.assert_allclose(ours[n, channel], expected, atol=2e-5)


def nearest(length: int, source: int) -> list[int]:
    """For each of `length` pixels the one of `source` whose centre is nearest, the later of two equally near."""

    def distance(at: int, place: int) -> int:
        """Between two centres, in units of 1 / (2 · length · source)."""
        return abs((2 * at + 1) * length - (2 * place + 1) * source)

    return [min(range(source), key=lambda at: (distance(at, place), -at)) for place in range(length)]


@pytest.mark.parametrize("strength", DISTORTIONS[20].strengths)
@pytest.mark.parametrize("size", [(64, 64), (33, 47), (16, 100)])
def test_pixelate_shows_the_nearest_pixel_of_the_nearest_pixel(strength: float, size: tuple[int, int]) -> None:
    ours = pixelate(positions(2, *size), strength, generator())
    small = [math.ceil((0.95 - strength**0.6) * length) for length in size]
    rows, columns = (
        list(map(nearest(less, length).__getitem__, nearest(length, less)))
        for length, less in zip(size, small, strict=True)
    )
    assert torch.equal(ours, positions(2, *size)[:, :, rows][:, :, :, columns])


def test_pixelate_agrees_with_pillow_where_no_centre_falls_between_pixels() -> None:
    images = pictures(1, 64, 64)
    picture = Image.fromarray(images[0, 0].numpy())
    small = (math.ceil((0.95 - 0.5**0.6) * 64),) * 2
    again = picture.resize(small, Image.Resampling.NEAREST).resize((64, 64), Image.Resampling.NEAREST)
    assert np.array_equal(pixelate(images, 0.5, generator())[0, 0].numpy(), np.asarray(again))


@pytest.mark.parametrize("size", [(64, 64), (384, 512)])
def test_displaced_patches_are_copies_from_nearby(size: tuple[int, int]) -> None:
    images = positions(3, *size)
    _, side = covering(100, PATCH_SIDE, 4, *size)
    rows, columns = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")
    for patched in non_eccentricity_patch(images, 1, generator(2)):
        origin = (patched[0] * size[0] * size[1]).round().long()
        moved = origin != rows * size[1] + columns
        down, right = (rows - origin // size[1])[moved], (columns - origin % size[1])[moved]
        # One patch, so all its pixels move the same way.
        assert len(set(zip(down.tolist(), right.tolist(), strict=True))) <= 1
        assert moved.sum() in (0, side**2)
        assert all(abs(step) <= side // 2 for step in (*down.tolist(), *right.tolist()))


@pytest.mark.parametrize("count", [20, 40, 60, 80, 100])
@pytest.mark.parametrize("size", [(64, 64), (96, 128), (384, 512)])
def test_squares_cover_the_share_they_cover_in_a_full_picture(count: int, size: tuple[int, int]) -> None:
    number, side = covering(count, PATCH_SIDE, 4, *size)
    share = number * side**2 / (size[0] * size[1])
    assert share == pytest.approx(count * PATCH_SIDE**2 / REFERENCE_AREA, rel=0.06)


def test_a_full_picture_gets_the_squares_of_kadid() -> None:
    assert covering(60, 16, 4, 384, 512) == (60, 16)
    assert covering(6, 32, 2, 384, 512) == (6, 32)


def test_squares_fit_into_a_very_narrow_picture() -> None:
    for operation in (non_eccentricity_patch, colour_block):
        assert operation(pictures(2, 3, 400), 10, generator()).shape == (2, 3, 3, 400)


def test_colour_blocks_are_plain_squares_on_an_untouched_picture() -> None:
    images = positions(4, 384, 512)
    for before, after in zip(images, colour_block(images, 1, generator()), strict=True):
        changed = (before != after).any(dim=0)
        rows, columns = changed.any(dim=1).nonzero().flatten(), changed.any(dim=0).nonzero().flatten()
        block = after[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        assert block.shape == (3, 32, 32)
        assert (block == block[:, :1, :1]).all()
        assert changed.sum() == 32 * 32


def test_colours_of_blocks_are_uniform() -> None:
    drawn = colour_block(torch.zeros(400, 3, 16, 16), 1, generator())
    colours = drawn.flatten(2).amax(dim=2).flatten().sort().values
    assert (colours - torch.linspace(0, 1, len(colours))).abs().max() < 0.06
