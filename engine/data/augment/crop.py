"""Random pieces of images: as large as they are, after padding with black (He et al. 2016, §4.2; torchvision's
`RandomCrop(size, padding)`), or smaller. Knows images only."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def random_crop(images_BCHW: Tensor, padding: int, generator: torch.Generator) -> Tensor:
    """Shift each image by up to `padding` pixels in both directions; what comes in is black.

    Args:
        images_BCHW: float (B, C, H, W), on the generator's device; not changed.
        padding: pixels added on every side before the crop, at least 1.
        generator: source of the shifts, uniform over (2 · padding + 1)² positions.
    """
    count, _, height, width = images_BCHW.shape
    shape = (2, count)
    down_B, across_B = torch.randint(0, 2 * padding + 1, shape, generator=generator, device=generator.device).unbind(0)
    return _pieces(F.pad(images_BCHW, (padding,) * 4), (height, width), down_B, across_B)


def random_window(images_BCHW: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """A piece of `size` × `size` pixels of each image, each from a place of its own.

    Args:
        images_BCHW: (B, C, H, W), on the generator's device; not changed.
        size: height and width of a piece, at most H and W.
        generator: source of the places, uniform over all there are.
    """
    count, _, *sides = images_BCHW.shape
    down_B, across_B = (
        torch.randint(0, side - size + 1, (count,), generator=generator, device=generator.device) for side in sides
    )
    return _pieces(images_BCHW, (size, size), down_B, across_B)


def _pieces(images_BCHW: Tensor, size: tuple[int, int], down_B: Tensor, across_B: Tensor) -> Tensor:
    """The piece of `size` (height, width) of each image with this corner."""
    windows = images_BCHW.unfold(2, size[0], 1).unfold(3, size[1], 1)  # a view: every piece of every image
    image_B = torch.arange(len(images_BCHW), device=images_BCHW.device)
    return windows[image_B, :, down_B, across_B]
