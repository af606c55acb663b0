"""Random horizontal flip. Knows images only."""

from __future__ import annotations

import torch
from torch import Tensor

from trainctl.engine.data.augment.chance import chosen


def random_hflip(images_BCHW: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """Mirror each image left to right with `probability`.

    Args:
        images_BCHW: float (B, C, H, W), on the generator's device; not changed.
        probability: of each image on its own.
        generator: source of the decisions.
    """
    flip_B = chosen(len(images_BCHW), probability, generator).to(images_BCHW.dtype)
    # lerp returns either end exactly at 0 and 1, and is five times as fast as `where` on a CPU
    mirrored = images_BCHW.flip(3)
    return torch.lerp(images_BCHW, mirrored, flip_B.view(-1, 1, 1, 1), out=mirrored)
