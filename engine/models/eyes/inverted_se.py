"""Backbone `inverted_se` of the eye classifier: inverted residuals with squeeze-and-excitation.

Inverted residual: Sandler et al. 2018; with squeeze-and-excitation and SiLU: Tan & Le 2019.
Knows nothing of heads, losses or image sizes.
"""

from __future__ import annotations

from torch import Tensor, nn

from trainctl.engine.models.blocks import ConvNormAct, DropPath, SqueezeExcite
from trainctl.engine.models.eyes.baseline import map_size
from trainctl.engine.models.eyes.stages import BlockPlan

__all__ = ["ALL_RESIDUAL", "InvertedResidual", "block", "map_size", "stem"]

ALL_RESIDUAL = False
"""A block that halves the map has no identity."""
EXPANSION = 4
"""Hidden channels per input channel."""
SE_REDUCTION = 8
"""Hidden channels per bottleneck channel of the squeeze-and-excitation."""


class InvertedResidual(nn.Module):
    """Expand ×4, depthwise 3×3, squeeze-and-excitation, project, identity where shapes match, SiLU."""

    def __init__(self, plan: BlockPlan) -> None:
        super().__init__()
        hidden = EXPANSION * plan.in_channels
        self.expand = ConvNormAct(plan.in_channels, hidden, 1, act=nn.SiLU())
        self.depthwise = ConvNormAct(hidden, hidden, 3, stride=plan.stride, groups=hidden, act=nn.SiLU())
        self.attention = SqueezeExcite(hidden, max(1, hidden // SE_REDUCTION))
        self.project = ConvNormAct(hidden, plan.out_channels, 1)
        has_identity = plan.stride == 1 and plan.in_channels == plan.out_channels
        self.drop_path = DropPath(plan.drop_path) if has_identity else None
        self.act = nn.SiLU()

    def forward(self, map_NCHW: Tensor) -> Tensor:
        """(N, in, H, W) to (N, out, ceil(H / stride), ceil(W / stride))."""
        branch = self.project(self.attention(self.depthwise(self.expand(map_NCHW))))
        if self.drop_path is not None:
            branch = self.drop_path(branch) + map_NCHW
        return self.act(branch)


def stem(base_channels: int) -> nn.Module:
    """RGB to `base_channels`: 3×3 at full resolution, then 3×3 to half of it."""
    return nn.Sequential(
        ConvNormAct(3, base_channels, 3, act=nn.SiLU()),
        ConvNormAct(base_channels, base_channels, 3, stride=2, act=nn.SiLU()),
    )


def block(plan: BlockPlan) -> nn.Module:
    """One block of the plan."""
    return InvertedResidual(plan)
