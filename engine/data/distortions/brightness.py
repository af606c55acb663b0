"""Distortions of brightness: tone curves that lift or lower the middle, and a constant added to every value.

KADID-10k types 16 to 18 (Lin, Hosu and Saupe 2019). Pictures are float32 sRGB in [0, 1]; every operation returns a new
tensor of the same shape. Knows nothing of levels and scores.
"""

from __future__ import annotations

import torch
from torch import Tensor

from trainctl.engine.data.augment.colour import lab_to_rgb, rgb_to_lab
from trainctl.engine.data.distortions.curves import tone_curve

DARK_MIDDLE_BRIGHT = (0.0, 0.5, 1.0)
"""Where the curves are held; black and white stay."""

LIGHTEST = 100.0
"""L of white."""


def brighten(images_NCHW: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Type 16: the middle lifted from 0.5 to 0.5 + `strength` / 2, in RGB and in lightness, mixed two to one.

    The curve is the monotone one of `curves`. Above a `strength` of 1 its middle point lies above white: all that
    reaches white stays there.
    """
    del generator  # Nothing is random here.
    lifted = (0.0, 0.5 + strength / 2, 1.0)
    lab_NCHW = rgb_to_lab(images_NCHW)
    light_NHW = lab_NCHW[:, 0].contiguous() / LIGHTEST  # contiguous, as the curve's search wants it
    lab_NCHW[:, 0] = tone_curve(light_NHW, DARK_MIDDLE_BRIGHT, lifted) * LIGHTEST
    in_rgb = tone_curve(images_NCHW, DARK_MIDDLE_BRIGHT, lifted)
    return in_rgb.mul_(2).add_(lab_to_rgb(lab_NCHW)).div_(3).clamp_(0, 1)


def darken(images_NCHW: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Type 17: the middle lowered from 0.5 to 0.5 − `strength` / 2, in RGB, on the monotone curve of `curves`."""
    del generator  # Nothing is random here.
    return tone_curve(images_NCHW, DARK_MIDDLE_BRIGHT, (0.0, 0.5 - strength / 2, 1.0))


def mean_shift(images_NCHW: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Type 18: `strength` added to every value; 0, which is level 3, leaves the picture as it is."""
    del generator  # Nothing is random here.
    return (images_NCHW + strength).clamp_(0, 1)
