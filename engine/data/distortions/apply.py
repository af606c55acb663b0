"""Any of the 25 distortions, by its number and level.

Knows which function is which number; what the function does with its strength is its own affair.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from trainctl.engine.data.distortions import (
    blur,
    brightness,
    colour,
    compression,
    noise,
    quantisation,
    sharpness,
    spatial,
)
from trainctl.engine.data.distortions.table import DISTORTIONS, LEVELS

Operation = Callable[[Tensor, float, torch.Generator], Tensor]
"""Pictures (N, 3, H, W), strength and source of chance to distorted pictures."""

OPERATIONS: tuple[Operation, ...] = (
    blur.gaussian_blur,
    blur.lens_blur,
    blur.motion_blur,
    colour.colour_diffusion,
    colour.colour_shift,
    colour.colour_quantisation,
    colour.saturation_hsv,
    colour.saturation_lab,
    compression.jpeg2000,
    compression.jpeg,
    noise.white_noise,
    noise.white_noise_ycbcr,
    noise.impulse_noise,
    noise.multiplicative_noise,
    noise.denoise,
    brightness.brighten,
    brightness.darken,
    brightness.mean_shift,
    spatial.jitter,
    spatial.non_eccentricity_patch,
    spatial.pixelate,
    quantisation.quantisation,
    spatial.colour_block,
    sharpness.high_sharpen,
    sharpness.contrast_change,
)
"""In the order of their numbers, from 1."""


def distort(images_NCHW: Tensor, number: int, level: int, generator: torch.Generator) -> Tensor:
    """The pictures with distortion `number` 1 … 25 at `level` 1 … 5: a new tensor of the same shape, in [0, 1].

    `images_NCHW` is float32 sRGB in [0, 1], three channels, 16 × 16 pixels or more; `generator` is on the CPU. What is
    random differs from picture to picture of the batch. Raises ValueError for a number or level that does not exist.
    """
    if not 1 <= number <= len(OPERATIONS) or not 1 <= level <= LEVELS:
        raise ValueError(f"distortions are 1 … {len(OPERATIONS)} at levels 1 … {LEVELS}, got {number} at {level}")
    return OPERATIONS[number - 1](images_NCHW, DISTORTIONS[number - 1].strengths[level - 1], generator)
