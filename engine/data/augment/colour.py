"""sRGB ↔ CIE Lab (D65 white), batched on the device.

sRGB: IEC 61966-2-1; Lab: CIE 15. Knows nothing of augmentation.
"""

from __future__ import annotations

import torch
from torch import Tensor

TO_XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
"""Linear sRGB to XYZ."""

FROM_XYZ = (
    (3.2404542, -1.5371385, -0.4985314),
    (-0.9692660, 1.8760108, 0.0415560),
    (0.0556434, -0.2040259, 1.0572252),
)
"""XYZ to linear sRGB."""

WHITE = (0.95047, 1.0, 1.08883)
"""XYZ of the D65 white point."""

EPSILON, KAPPA = 216 / 24389, 24389 / 27
"""Where CIE's cube root turns into a line, and that line's slope."""


Matrix = tuple[tuple[float, float, float], ...]


def _multiply(matrix: Matrix, images_BCHW: Tensor) -> Tensor:
    """`matrix` times the channels of every pixel. Python numbers, because a tensor would have to be copied over."""
    first, second, third = images_BCHW.unbind(1)
    return torch.stack([x * first + y * second + z * third for x, y, z in matrix], dim=1)


_TO_RELATIVE: Matrix = tuple((x / white, y / white, z / white) for (x, y, z), white in zip(TO_XYZ, WHITE, strict=True))
_FROM_RELATIVE: Matrix = tuple((x * WHITE[0], y * WHITE[1], z * WHITE[2]) for x, y, z in FROM_XYZ)


def rgb_to_lab(images_BCHW: Tensor) -> Tensor:
    """sRGB in [0, 1] to Lab: L in [0, 100], a and b about ±128. Shape (B, 3, H, W)."""
    steep = ((images_BCHW + 0.055) / 1.055).pow(2.4)
    linear = torch.where(images_BCHW <= 0.04045, images_BCHW / 12.92, steep)
    xyz = _multiply(_TO_RELATIVE, linear)
    x, y, z = torch.where(xyz > EPSILON, xyz.clamp(min=EPSILON).pow(1 / 3), (KAPPA * xyz + 16) / 116).unbind(1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)


def lab_to_rgb(lab_BCHW: Tensor) -> Tensor:
    """Lab to sRGB, clipped to [0, 1]. Shape (B, 3, H, W)."""
    light, a, b = lab_BCHW.unbind(1)
    y = (light + 16) / 116
    root = torch.stack([y + a / 500, y, y - b / 200], dim=1)
    xyz = torch.where(root.pow(3) > EPSILON, root.pow(3), (116 * root - 16) / KAPPA)
    linear = _multiply(_FROM_RELATIVE, xyz).clamp_(0, 1)
    steep = 1.055 * linear.clamp(min=0.0031308).pow(1 / 2.4) - 0.055
    return torch.where(linear <= 0.0031308, 12.92 * linear, steep).clamp_(0, 1)
