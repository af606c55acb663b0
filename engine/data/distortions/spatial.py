"""Distortions that move or cover pixels: jitter, displaced patches, coarse pixels and coloured squares.

KADID-10k types 19, 20, 21 and 23 (Lin, Hosu and Saupe 2019). Pictures are float32 sRGB in [0, 1]; every operation
returns a new tensor of the same shape. Knows nothing of levels and scores.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from trainctl.engine.data.distortions.table import REFERENCE_AREA

WARPS = 5
"""Jitter is so many warps, one after the other."""

PATCH_SIDE, BLOCK_SIDE = 16, 32
"""Pixels along a displaced patch and a coloured square, in a picture of `REFERENCE_AREA`."""

MIN_PATCH_SIDE, MIN_BLOCK_SIDE = 4, 2
"""Smallest sides in small pictures: a smaller patch has no content to be displaced."""


def jitter(images_NCHW: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Type 19: five warps in a row, each taking every pixel from N(0, `strength`²) pixels away in x and in y.

    Bilinear between pixels; beyond the edge the border pixel repeats.
    """
    n, _, height, width = images_NCHW.shape
    y = torch.arange(height, dtype=torch.float32)[:, None]
    x = torch.arange(width, dtype=torch.float32)
    warped = images_NCHW
    for _ in range(WARPS):
        grid = torch.randn(n, height, width, 2, generator=generator).mul_(strength)
        # -1 and 1 are the centres of the first and the last pixel; a line of one pixel has nowhere to go.
        grid[..., 0].add_(x).mul_(2 / max(width - 1, 1)).sub_(1)
        grid[..., 1].add_(y).mul_(2 / max(height - 1, 1)).sub_(1)
        place = grid.to(images_NCHW.device)
        warped = functional.grid_sample(warped, place, mode="bilinear", padding_mode="border", align_corners=True)
    return warped.clamp_(0, 1)


def covering(count: float, side: int, min_side: int, height: int, width: int) -> tuple[int, int]:
    """How many squares of how many pixels a side cover the share of the picture that they cover in KADID-10k.

    The side shrinks with the square root of the area, down to `min_side`; the number makes up for what rounding and
    `min_side` change, and is at least one. At 64 × 64, 100 patches of 16 become 33 of 4. Pictures above
    `REFERENCE_AREA` get larger squares likewise.
    """
    ratio = height * width / REFERENCE_AREA
    scaled = min(max(min_side, round(side * math.sqrt(ratio))), height, width)
    return max(1, round(count * ratio * (side / scaled) ** 2)), scaled


def non_eccentricity_patch(images_NCHW: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Type 20: `strength` square patches of 16 pixels are copied up to 8 pixels away, in x and in y, one by one.

    A later patch may copy an earlier one. Patches begin one side away from the border. In pictures of another area,
    patches and distances are scaled so that the share that is covered stays the same (see `covering`).
    """
    n, _, height, width = images_NCHW.shape
    count, side = covering(strength, PATCH_SIDE, MIN_PATCH_SIDE, height, width)
    pixels = _pixels_of_a_square(side, width)
    sources, targets = _patch_corners(n, count, side, (height, width), generator)
    # Where each pixel comes from is worked out first: the pictures themselves are read and written only once.
    origin_NP = torch.arange(height * width).repeat(n, 1)
    for source_N, target_N in zip(sources, targets, strict=True):
        origin_NP.scatter_(1, target_N[:, None] + pixels, origin_NP.gather(1, source_N[:, None] + pixels))
    return _take_pixels(images_NCHW, origin_NP).clamp_(0, 1)


def _patch_corners(
    n: int, count: int, side: int, size: tuple[int, int], generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Flat indices of the corners patches are taken from and put to: two tensors (count, n)."""
    source, target = torch.zeros(count, n, dtype=torch.long), torch.zeros(count, n, dtype=torch.long)
    for length, stride in zip(size, (size[1], 1), strict=True):
        margin = min(side, (length - side) // 2)
        start = torch.randint(margin, length - side - margin + 1, (count, n), generator=generator)
        away = torch.randint(-(side // 2), side // 2 + 1, (count, n), generator=generator)
        source += start * stride
        target += (start + away).clamp(0, length - side) * stride
    return source, target


def _pixels_of_a_square(side: int, width: int) -> Tensor:
    """Flat indices of a square's pixels, relative to its corner, in a picture `width` wide: (side²,)."""
    line = torch.arange(side)
    return (line[:, None] * width + line).flatten()


def _take_pixels(images_NCHW: Tensor, origin_NP: Tensor) -> Tensor:
    """Each picture with pixel p replaced by its pixel `origin_NP[n, p]`."""
    flat_NCP = images_NCHW.flatten(2)
    index_NCP = origin_NP.to(images_NCHW.device)[:, None].expand_as(flat_NCP)
    return flat_NCP.gather(2, index_NCP).view_as(images_NCHW)


def pixelate(images_NCHW: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Type 21: resized to 0.95 − `strength`^0.6 of its size and back, both times by the nearest pixel."""
    del generator  # Nothing is random here.
    factor = 0.95 - strength**0.6
    rows, columns = (_there_and_back(length, factor).to(images_NCHW.device) for length in images_NCHW.shape[-2:])
    return images_NCHW[:, :, rows[:, None], columns].clamp_(0, 1)


def _there_and_back(length: int, factor: float) -> Tensor:
    """Which of `length` pixels each one shows after a resize to ⌈factor · length⌉ pixels and back."""
    small = max(1, math.ceil(factor * length))
    # Integers: where a centre falls between two pixels, rounding must not decide.
    kept = (2 * torch.arange(small) + 1) * length // (2 * small)
    shown = (2 * torch.arange(length) + 1) * small // (2 * length)
    return kept[shown]


def colour_block(images_NCHW: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Type 23: `strength` squares of 32 pixels, each of one random colour, at random places inside the picture.

    Later squares lie on earlier ones. In pictures of another area the squares are scaled so that the share that is
    covered stays the same (see `covering`).
    """
    n, channels, height, width = images_NCHW.shape
    count, side = covering(strength, BLOCK_SIDE, MIN_BLOCK_SIDE, height, width)
    top = torch.randint(height - side + 1, (count, n), generator=generator)
    left = torch.randint(width - side + 1, (count, n), generator=generator)
    colour = torch.rand(count, n, channels, generator=generator).to(images_NCHW)
    flat_NCP = images_NCHW.flatten(2).clamp(0, 1)
    places = ((top * width + left)[..., None] + _pixels_of_a_square(side, width)).to(images_NCHW.device)
    for place_NS, colour_NC in zip(places, colour, strict=True):
        index_NCS = place_NS[:, None].expand(-1, channels, -1)
        flat_NCP.scatter_(2, index_NCS, colour_NC[..., None].expand_as(index_NCS))
    return flat_NCP.view_as(images_NCHW)
