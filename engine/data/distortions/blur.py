"""Blur: Gaussian, out of focus, and of a moving camera (types 1–3 of KADID-10k).

Every function takes pictures (N, 3, H, W), float32 sRGB in [0, 1], the parameter of the level and a generator on the
CPU, and returns new pictures of the same shape in [0, 1]. Borders are repeated. Knows no level and no score.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from trainctl.engine.data.distortions.filters import gaussian_filter, kernel_filter


def gaussian_blur(images_NCHW: Tensor, strength: float, generator: torch.Generator) -> Tensor:  # noqa: ARG001 - draws nothing
    """Gaussian of σ = `strength` pixels, cut after 2σ (type 1)."""
    return gaussian_filter(images_NCHW, strength).clamp_(0, 1)


def lens_blur(images_NCHW: Tensor, strength: float, generator: torch.Generator) -> Tensor:  # noqa: ARG001 - draws nothing
    """Mean over a disk of radius `strength` pixels, as a lens out of focus (type 2)."""
    return kernel_filter(images_NCHW, disk_kernel(strength).unsqueeze(0)).clamp_(0, 1)


def motion_blur(images_NCHW: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """A straight movement over `strength` pixels, each picture in its own direction of 0 … 180° (type 3)."""
    angles_N = torch.rand(images_NCHW.shape[0], generator=generator, dtype=torch.float64) * math.pi
    return kernel_filter(images_NCHW, motion_kernels(strength, angles_N)).clamp_(0, 1)


def disk_kernel(radius: float) -> Tensor:
    """Share of each pixel that a disk of `radius` pixels covers, normalised, float64 (K, K), K = 2⌈radius-½⌉+1.

    The area is exact: the circle is integrated over each pixel of a quadrant. MATLAB's `fspecial('disk')` is the same.
    """
    half = math.ceil(radius - 0.5)
    index = torch.arange(half + 1, dtype=torch.float64)
    low, high = (index - 0.5).clamp(min=0), index + 0.5
    area = _area_under_circle(radius, low[None, :], high[None, :], low[:, None], high[:, None])
    # The middle row and column lie half in the quadrant: their pixels are twice the part that was integrated.
    area[0] *= 2
    area[:, 0] *= 2
    mirrored = torch.arange(-half, half + 1).abs()
    kernel = area[mirrored][:, mirrored]
    return kernel / kernel.sum()


def _area_under_circle(radius: float, left: Tensor, right: Tensor, bottom: Tensor, top: Tensor) -> Tensor:
    """Area common to a rectangle of the first quadrant and the disk around the origin."""

    def crossing(height: Tensor) -> Tensor:
        """Where the circle has this height, kept within the rectangle."""
        x = (radius**2 - height**2).clamp(min=0).sqrt()
        return torch.minimum(torch.maximum(x, left), right)

    def integral(x: Tensor) -> Tensor:
        x = x.clamp(max=radius)
        return 0.5 * (x * (radius**2 - x**2).sqrt() + radius**2 * torch.asin(x / radius))

    full, empty = crossing(top), crossing(bottom)
    return (full - left) * (top - bottom) + integral(empty) - integral(full) - bottom * (empty - full)


def motion_kernels(length: float, angles_N: Tensor) -> Tensor:
    """Antialiased lines through the centre, normalised, (N, K, K) of the angles' type. Angles in radians.

    A pixel weighs one minus its distance to a line of `length` - 1 pixels, at least 0: the rule of MATLAB's
    `fspecial('motion')`. Length 1 is a point, which leaves the picture as it is.
    """
    reach = (length - 1) / 2
    half = math.ceil(reach)
    offset = torch.arange(-half, half + 1, dtype=angles_N.dtype)
    x, y = offset[None, None, :], offset[None, :, None]
    cosine, sine = angles_N.cos()[:, None, None], angles_N.sin()[:, None, None]
    along = (x * cosine + y * sine).clamp(-reach, reach)
    distance = torch.hypot(x - along * cosine, y - along * sine)
    weights = (1 - distance).clamp(min=0)
    return weights / weights.sum(dim=(1, 2), keepdim=True)
