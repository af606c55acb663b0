"""Brightness, contrast, saturation and hue, each image by its own amount.

The amounts mean what they mean in torchvision's `ColorJitter`: factors that multiply, and a shift in turns of
the colour circle. Every operation keeps [0, 1] and leaves an image with the neutral amount exactly as it is.
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
    count = len(images_BCHW)
    images_BCHW = adjust_brightness(images_BCHW, amounts(count, probability, *BRIGHTNESS, 1.0, generator))
    images_BCHW = adjust_contrast(images_BCHW, amounts(count, probability, *CONTRAST, 1.0, generator))
    images_BCHW = adjust_saturation(images_BCHW, amounts(count, probability, *SATURATION, 1.0, generator))
    return adjust_hue(images_BCHW, amounts(count, probability, *HUE, 0.0, generator))


def adjust_brightness(images_BCHW: Tensor, factor_B: Tensor) -> Tensor:
    """Multiply every channel by the image's factor."""
    return (images_BCHW * factor_B.view(-1, 1, 1, 1)).clamp_(0, 1)


def adjust_contrast(images_BCHW: Tensor, factor_B: Tensor) -> Tensor:
    """Move every value away from (factor > 1) or towards the mean luma of its image."""
    red, green, blue = images_BCHW.mean((2, 3)).unbind(1)
    rest_B = (RED * red + GREEN * green + BLUE * blue) * (1 - factor_B)
    return (images_BCHW * factor_B.view(-1, 1, 1, 1)).add_(rest_B.view(-1, 1, 1, 1)).clamp_(0, 1)


def adjust_saturation(images_BCHW: Tensor, factor_B: Tensor) -> Tensor:
    """Move every value away from (factor > 1) or towards the luma of its pixel."""
    red, green, blue = images_BCHW.unbind(1)
    luma_BHW = (red * RED).add_(green, alpha=GREEN).add_(blue, alpha=BLUE)
    rest_BHW = luma_BHW.mul_(1 - factor_B.view(-1, 1, 1))
    return (images_BCHW * factor_B.view(-1, 1, 1, 1)).add_(rest_BHW.unsqueeze(1)).clamp_(0, 1)


def adjust_hue(images_BCHW: Tensor, turns_B: Tensor) -> Tensor:
    """Turn the hue (of the HSV model) of every pixel by the image's share of the colour circle.

    With the hue H in sixths of the circle, smallest channel m and chroma c, a channel is m + c · f, where f is
    clamp(|H − 3| − 1, 0, 1) for red, clamp(2 − |H − 2|, 0, 1) for green and clamp(2 − |H − 4|, 0, 1) for blue.
    """
    red, green, blue = images_BCHW.unbind(1)
    value = torch.maximum(torch.maximum(red, green), blue)
    least = torch.minimum(torch.minimum(red, green), blue)
    chroma = value - least
    sixths = _hue_sixths(red, green, blue, value, chroma).add_(6 * turns_B.view(-1, 1, 1))
    sixths.sub_((sixths / 6).floor_(), alpha=6)
    turned_BCHW = torch.stack(
        [
            (sixths - 3).abs_().sub_(1).clamp_(0, 1).mul_(chroma).add_(least),
            (sixths - 2).abs_().neg_().add_(2).clamp_(0, 1).mul_(chroma).add_(least),
            (sixths - 4).abs_().neg_().add_(2).clamp_(0, 1).mul_(chroma).add_(least),
        ],
        dim=1,
    )
    return torch.lerp(images_BCHW, turned_BCHW, turns_B.abs().sign().view(-1, 1, 1, 1))


def _hue_sixths(red: Tensor, green: Tensor, blue: Tensor, value: Tensor, chroma: Tensor) -> Tensor:
    """Hue in sixths of the circle, −1 … 5; 0 for greys. All tensors (B, H, W).

    The case distinction is made with signs and `lerp`: on a CPU, comparisons and `where` cost five times as much.
    """
    below_red, below_green = (value - red).sign_(), (value - green).sign_()
    other = torch.lerp(blue - red, red - green, below_green)
    numerator = torch.lerp(green - blue, other, below_red)
    start = below_green.add_(1).mul_(below_red).mul_(2)
    return numerator.div_(chroma.clamp(min=TINY)).add_(start)
