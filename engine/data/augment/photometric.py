"""Brightness, contrast, saturation and hue, each image by its own amount.

The amounts mean what they mean in torchvision's `ColorJitter`: factors that multiply, and a shift in turns of
the colour circle. Every operation keeps [0, 1] and leaves an image with the neutral amount exactly as it is.
They work in place on one copy: on a CPU, fresh memory costs more than the arithmetic.
"""

from __future__ import annotations

import torch
from torch import Tensor

from trainctl.engine.data.augment.chance import amounts

BRIGHTNESS = (0.875, 1.125)
CONTRAST = (0.5, 1.5)
SATURATION = (0.5, 1.5)
HUE = (-0.05, 0.05)

TINY = 1e-12
"""Chroma below which a pixel is grey."""

RED, GREEN, BLUE = 0.299, 0.587, 0.114
"""Weights of luma (ITU-R BT.601), as torchvision and Pillow take them."""


def photometric_distort(images_BCHW: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """Brightness, contrast, saturation, hue, in this order, each with `probability` of its own.

    Args:
        images_BCHW: float RGB in [0, 1], (B, 3, H, W), on the generator's device; not changed.
        probability: of each operation on each image.
        generator: source of decisions and amounts.
    """
    count, images_BCHW = len(images_BCHW), images_BCHW.clone()
    adjust_brightness_(images_BCHW, amounts(count, probability, *BRIGHTNESS, 1.0, generator))
    adjust_contrast_(images_BCHW, amounts(count, probability, *CONTRAST, 1.0, generator))
    adjust_saturation_(images_BCHW, amounts(count, probability, *SATURATION, 1.0, generator))
    return adjust_hue_(images_BCHW, amounts(count, probability, *HUE, 0.0, generator))


def adjust_brightness_(images_BCHW: Tensor, factor_B: Tensor) -> Tensor:
    """Multiply every channel by the image's factor, in place."""
    return images_BCHW.mul_(factor_B.view(-1, 1, 1, 1)).clamp_(0, 1)


def adjust_contrast_(images_BCHW: Tensor, factor_B: Tensor) -> Tensor:
    """Move every value away from (factor > 1) or towards the mean luma of its image, in place."""
    red, green, blue = images_BCHW.mean((2, 3)).unbind(1)
    rest_B = (RED * red + GREEN * green + BLUE * blue) * (1 - factor_B)
    return images_BCHW.mul_(factor_B.view(-1, 1, 1, 1)).add_(rest_B.view(-1, 1, 1, 1)).clamp_(0, 1)


def adjust_saturation_(images_BCHW: Tensor, factor_B: Tensor) -> Tensor:
    """Move every value away from (factor > 1) or towards the luma of its pixel, in place."""
    red, green, blue = images_BCHW.unbind(1)
    luma_BHW = (red * RED).add_(green, alpha=GREEN).add_(blue, alpha=BLUE)
    rest_BHW = luma_BHW.mul_(1 - factor_B.view(-1, 1, 1))
    return images_BCHW.mul_(factor_B.view(-1, 1, 1, 1)).add_(rest_BHW.unsqueeze(1)).clamp_(0, 1)


def adjust_hue_(images_BCHW: Tensor, turns_B: Tensor) -> Tensor:
    """Turn the hue (of the HSV model) of every pixel by the image's share of the colour circle, in place.

    With the hue H in sixths of the circle, smallest channel m and chroma c, a channel is m + c · f, where f is
    clamp(|H − 3| − 1, 0, 1) for red, clamp(2 − |H − 2|, 0, 1) for green and clamp(2 − |H − 4|, 0, 1) for blue.
    """
    red, green, blue = images_BCHW.unbind(1)
    chosen_B11 = turns_B.abs().sign().view(-1, 1, 1)
    value = torch.maximum(red, green)
    torch.maximum(value, blue, out=value)
    least = torch.minimum(red, green)
    torch.minimum(least, blue, out=least)
    chroma = value - least
    sixths = _hue_sixths(red, green, blue, value, chroma).add_(6 * turns_B.view(-1, 1, 1))
    buffer = (sixths / 6).floor_()
    sixths.sub_(buffer, alpha=6)
    torch.sub(sixths, 3, out=buffer)
    red.lerp_(buffer.abs_().sub_(1).clamp_(0, 1).mul_(chroma).add_(least), chosen_B11)
    for channel, centre in ((green, 2), (blue, 4)):
        torch.sub(sixths, centre, out=buffer)
        channel.lerp_(buffer.abs_().neg_().add_(2).clamp_(0, 1).mul_(chroma).add_(least), chosen_B11)
    return images_BCHW


def _hue_sixths(red: Tensor, green: Tensor, blue: Tensor, value: Tensor, chroma: Tensor) -> Tensor:
    """Hue in sixths of the circle, −1 … 5; 0 for greys. All tensors (B, H, W); `value` is used up.

    The case distinction is made with signs and `lerp`: on a CPU, comparisons and `where` cost five times as much.
    """
    below_green, below_red = (value - green).sign_(), value.sub_(red).sign_()
    other = (blue - red).lerp_(red - green, below_green)
    numerator = (green - blue).lerp_(other, below_red)
    start = below_green.add_(1).mul_(below_red).mul_(2)
    return numerator.div_(chroma.clamp(min=TINY)).add_(start)
