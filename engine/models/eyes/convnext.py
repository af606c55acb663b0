"""Backbone `convnext` of the eye classifier (Liu et al. 2022): patch stem, 7×7 depthwise blocks, layer scale.

Knows nothing of heads or losses. Its convolutions are not padded when they shrink the map, so a small image
can vanish: see `map_size`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from trainctl.engine.models.blocks import ChannelLayerNorm, DropPath
from trainctl.engine.models.eyes.stages import BlockPlan

ALL_RESIDUAL = True
"""The map is halved in front of the block, so each block has its identity."""
STEM_STRIDE = 4
EXPANSION = 4
LAYER_SCALE = 1e-6
"""Initial value of the layer scale (Touvron et al. 2021)."""
EPS = 1e-6
"""Constant in the square root of the layer normalisations."""


class ConvNeXtBlock(nn.Module):
    """Depthwise 7×7, LayerNorm, C→4C, GELU, 4C→C, layer scale, identity."""

    def __init__(self, channels: int, drop_path: float) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=EPS)
        self.expand = nn.Linear(channels, EXPANSION * channels)
        self.act = nn.GELU()
        self.project = nn.Linear(EXPANSION * channels, channels)
        self.scale = nn.Parameter(torch.full((channels,), LAYER_SCALE))
        self.drop_path = DropPath(drop_path)

    def forward(self, map_NCHW: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        branch_NHWC = self.norm(self.depthwise(map_NCHW).permute(0, 2, 3, 1))
        branch_NHWC = self.project(self.act(self.expand(branch_NHWC))) * self.scale
        return map_NCHW + self.drop_path(branch_NHWC.permute(0, 3, 1, 2))


def stem(base_channels: int) -> nn.Module:
    """RGB to `base_channels` in patches of 4×4 pixels."""
    return nn.Sequential(nn.Conv2d(3, base_channels, STEM_STRIDE, STEM_STRIDE), ChannelLayerNorm(base_channels, EPS))


def block(plan: BlockPlan) -> nn.Module:
    """One block of the plan, behind the downsampling it needs (2×2 stride 2; 1×1 when only channels change)."""
    body = ConvNeXtBlock(plan.out_channels, plan.drop_path)
    if plan.stride == 1 and plan.in_channels == plan.out_channels:
        return body
    return nn.Sequential(
        ChannelLayerNorm(plan.in_channels, EPS),
        nn.Conv2d(plan.in_channels, plan.out_channels, plan.stride, plan.stride),
        body,
    )


def map_size(size: int, halvings: int) -> int:
    """Height or width of the feature map for an image of `size` pixels; floor at each step, 0: it vanished."""
    return size // STEM_STRIDE // 2**halvings
