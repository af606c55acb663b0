"""Linear colour transforms of pictures: grey, and YCbCr as MATLAB scales it. Lab lives with the augmentations.

Weights: ITU-R BT.601. Knows nothing of distortions.
"""

from __future__ import annotations

import torch
from torch import Tensor

RED, GREEN, BLUE = 0.299, 0.587, 0.114
"""Weight of each channel in luma (ITU-R BT.601)."""

LUMA_SPAN, CHROMA_SPAN = 219 / 255, 224 / 255
"""What [0, 1] becomes in the studio range: luma 16 … 235 and chroma 16 … 240 of 255."""

LUMA_ZERO, CHROMA_ZERO = 16 / 255, 128 / 255
"""Black, and the absence of colour, in the studio range."""


def rgb_to_grey(images_NCHW: Tensor) -> Tensor:
    """Luma of sRGB pictures (N, 3, H, W), shape (N, 1, H, W), same range."""
    red, green, blue = images_NCHW.unbind(1)
    return (RED * red + GREEN * green + BLUE * blue).unsqueeze(1)


def rgb_to_ycbcr(images_NCHW: Tensor) -> Tensor:
    """sRGB in [0, 1] to Y, Cb, Cr in the studio range over 255, as MATLAB's `rgb2ycbcr`. Shape (N, 3, H, W).

    The range matters to whoever adds noise: a variance means more on a scale of 219 steps than on one of 255.
    """
    luma = rgb_to_grey(images_NCHW).squeeze(1)
    blue = (images_NCHW[:, 2] - luma) / (2 * (1 - BLUE))
    red = (images_NCHW[:, 0] - luma) / (2 * (1 - RED))
    return torch.stack(
        [luma * LUMA_SPAN + LUMA_ZERO, blue * CHROMA_SPAN + CHROMA_ZERO, red * CHROMA_SPAN + CHROMA_ZERO], dim=1
    )


def ycbcr_to_rgb(ycbcr_NCHW: Tensor) -> Tensor:
    """The inverse of `rgb_to_ycbcr`; not clipped. Shape (N, 3, H, W)."""
    luma = (ycbcr_NCHW[:, 0] - LUMA_ZERO) / LUMA_SPAN
    blue = luma + (ycbcr_NCHW[:, 1] - CHROMA_ZERO) / CHROMA_SPAN * (2 * (1 - BLUE))
    red = luma + (ycbcr_NCHW[:, 2] - CHROMA_ZERO) / CHROMA_SPAN * (2 * (1 - RED))
    return torch.stack([red, (luma - RED * red - BLUE * blue) / GREEN, blue], dim=1)
