"""Distortions of sharpness and contrast: sharpening halos and a bent tone curve.

KADID-10k types 24 and 25 (Lin, Hosu and Saupe 2019). Pictures are float32 sRGB in [0, 1]; every operation returns a
new tensor of the same shape. Knows nothing of levels and scores.
"""

from __future__ import annotations

import torch
from torch import Tensor

from trainctl.engine.data.augment.colour import lab_to_rgb, rgb_to_lab
from trainctl.engine.data.distortions.curves import tone_curve
from trainctl.engine.data.distortions.filters import gaussian_filter

SHARPEN_RADIUS = 3.0
"""Standard deviation in pixels of the blur whose difference is added."""


def high_sharpen(images_NCHW: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Type 24: unsharp mask on the lightness: L + `strength` · (L − L blurred by 3 pixels)."""
    del generator  # Nothing is random here.
    lab_NCHW = rgb_to_lab(images_NCHW)
    light_N1HW = lab_NCHW[:, :1]
    light_N1HW += strength * (light_N1HW - gaussian_filter(light_N1HW, SHARPEN_RADIUS))
    return lab_to_rgb(lab_NCHW)


def contrast_change(images_NCHW: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Type 25: tone curve through 0.3 → 0.25 − c/4, 0.5 → 0.5 and 0.7 → 0.75 + c/4 with c = `strength`, black and
    white kept.

    More contrast above 0, less below. 0 leaves the picture as it is: level 3 of KADID-10k is the original, although
    the curve of c = 0 would bend a little.
    """
    del generator  # Nothing is random here.
    if strength == 0:
        return images_NCHW.clamp(0, 1)
    middle = (0.25 - strength / 4, 0.5, 0.75 + strength / 4)
    return tone_curve(images_NCHW, (0, 0.3, 0.5, 0.7, 1), (0, *middle, 1))
