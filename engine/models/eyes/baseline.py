"""Backbone `baseline` of the eye classifier: depthwise-separable convolutions after a strided stem.

Knows nothing of heads, losses or image sizes.
"""

from __future__ import annotations

from torch import nn

from trainctl.engine.models.blocks import ConvNormAct, DepthwiseSeparable
from trainctl.engine.models.eyes.stages import BlockPlan

ALL_RESIDUAL = False
"""A block that halves the map has no identity."""


def stem(base_channels: int) -> nn.Module:
    """RGB to `base_channels` at half the resolution."""
    return ConvNormAct(3, base_channels, 3, stride=2, act=nn.ReLU())


def block(plan: BlockPlan) -> nn.Module:
    """One block of the plan."""
    return DepthwiseSeparable(plan.in_channels, plan.out_channels, plan.stride, plan.drop_path)


def map_size(size: int, halvings: int) -> int:
    """Height or width of the feature map for an image of `size` pixels; 3×3 kernels are padded: ceil."""
    for _ in range(1 + halvings):
        size = (size + 1) // 2
    return size
