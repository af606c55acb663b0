"""Random crop after padding with black (He et al. 2016, §4.2; torchvision's `RandomCrop(size, padding)`)."""

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
    padded = F.pad(images_BCHW, (padding,) * 4)
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)  # a view: every crop of every image
    image_B = torch.arange(count, device=images_BCHW.device)
    return windows[image_B, :, down_B, across_B]
