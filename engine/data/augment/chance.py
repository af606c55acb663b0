"""Draws per-sample decisions and amounts on the device of the generator, without waiting for the device.

Knows no images. Every random number of the augmentation comes from here or from `mixing`.
"""

from __future__ import annotations

import torch
from torch import Tensor


def chosen(count: int, probability: float, generator: torch.Generator) -> Tensor:
    """Independent decisions, bool (count,), each true with `probability`."""
    return torch.rand(count, generator=generator, device=generator.device) < probability


def amounts(
    count: int, probability: float, low: float, high: float, neutral: float, generator: torch.Generator
) -> Tensor:
    """Uniform amounts in [low, high), float (count,); `neutral` where the sample is not chosen."""
    uniform = torch.rand(2, count, generator=generator, device=generator.device)
    return torch.where(uniform[0] < probability, uniform[1] * (high - low) + low, neutral)
