"""ResNet-18 (He et al. 2016, table 1) up to the pooled features, at any width.

Knows channels and strides; nothing of what the features are for, of data or of losses.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

Stem = Literal["imagenet", "small"]
BLOCKS = (2, 2, 2, 2)
"""Residual blocks of each stage; channels double from stage to stage."""


class BasicBlock(nn.Module):
    """Two 3×3 convolutions with BatchNorm beside the identity, or beside a 1×1 where the shape changes (option B)."""

    def __init__(self, channels_in: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        same = stride == 1 and channels_in == channels
        self.shortcut = nn.Identity() if same else conv_norm(channels_in, channels, 1, stride)

    def forward(self, map_NCHW: Tensor) -> Tensor:
        """(N, C_in, H, W) to (N, C, H / stride, W / stride)."""
        inner_NCHW = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(map_NCHW)))))
        return F.relu(inner_NCHW + self.shortcut(map_NCHW))


class ResNet18(nn.Module):
    """Images to features; 11,176,512 parameters at width 64, which is the published network without its classifier.

    Args:
        width: channels of the first stage; the last one has eight times as many.
        stem: `imagenet` is 7×7 with stride 2, `small` is 3×3 with stride 2; pooling with stride 2 follows both, so
            that the last map has 1/32 of the image's sides.
        features: length of the result. Where the last stage has other channels, a 1×1 convolution with BatchNorm
            and ReLU makes them before the mean over positions.
        zero_init_residual: start every block as its shortcut (Goyal et al. 2017, §5.1). Off by default: a mixture
            fitted to the untrained network would then see the shortcuts alone.
        channels: of the images.
    """

    def __init__(
        self,
        width: int = 64,
        stem: Stem = "imagenet",
        features: int = 512,
        *,
        zero_init_residual: bool = False,
        channels: int = 3,
    ) -> None:
        super().__init__()
        kernel = 7 if stem == "imagenet" else 3
        self.stem = nn.Sequential(conv_norm(channels, width, kernel, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
        channels_in, stages = width, list[nn.Module]()
        for stage, blocks in enumerate(BLOCKS):
            channels = width * 2**stage
            first = BasicBlock(channels_in, channels, 1 if stage == 0 else 2)
            stages.append(nn.Sequential(first, *(BasicBlock(channels, channels) for _ in range(blocks - 1))))
            channels_in = channels
        self.stages = nn.Sequential(*stages)
        same = channels_in == features
        self.widen = nn.Identity() if same else nn.Sequential(conv_norm(channels_in, features, 1, 1), nn.ReLU())
        self._initialise(zero_init_residual)

    def _initialise(self, zero_init_residual: bool) -> None:
        """Convolutions from a normal distribution that keeps the variance of gradients (He et al. 2015, fan out)."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, BasicBlock) and zero_init_residual:
                nn.init.zeros_(module.norm2.weight)

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """(N, channels, H, W) to (N, features)."""
        return self.widen(self.stages(self.stem(images_NCHW))).mean((2, 3))


def conv_norm(channels_in: int, channels: int, kernel: int, stride: int) -> nn.Sequential:
    """Convolution without bias that keeps the size (divided by the stride), and BatchNorm."""
    conv = nn.Conv2d(channels_in, channels, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(channels))
