"""Building blocks that several networks share: normalisation, stochastic depth, convolutional blocks, init.

Knows no task, no configuration and no image size. Tensors are NCHW by shape; all blocks keep a
channels-last memory layout when they are given one.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ChannelLayerNorm(nn.LayerNorm):
    """LayerNorm over the channels of an NCHW tensor, at each position (Liu et al. 2022, ConvNeXt).

    In a channels-last layout the permutations below move no memory.
    """

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        super().__init__(channels, eps=eps)

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        return super().forward(input.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class DropPath(nn.Module):
    """Stochastic depth: in training, drop a residual branch per sample and rescale the rest (Huang et al. 2016).

    Args:
        rate: probability that a sample's branch is zero, in [0, 1). The expectation stays the same.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        if not 0 <= rate < 1:
            raise ValueError(f"drop rate {rate} is not in [0, 1)")
        self.rate = rate

    def forward(self, branch_NCHW: Tensor) -> Tensor:
        """Any tensor with the batch dimension first."""
        if not self.training or self.rate == 0:
            return branch_NCHW
        keep = 1 - self.rate
        per_sample = (branch_NCHW.shape[0], *(1,) * (branch_NCHW.ndim - 1))
        return branch_NCHW * branch_NCHW.new_empty(per_sample).bernoulli_(keep).div_(keep)

    def extra_repr(self) -> str:
        """Shown when the network is printed."""
        return f"rate={self.rate}"


class SqueezeExcite(nn.Module):
    """Channel attention: mean over positions, bottleneck with ReLU, sigmoid gate (Hu et al. 2018).

    Args:
        channels: channels C of the map.
        reduced: width of the bottleneck.
    """

    def __init__(self, channels: int, reduced: int) -> None:
        super().__init__()
        self.reduce = nn.Linear(channels, reduced)
        self.expand = nn.Linear(reduced, channels)

    def forward(self, map_NCHW: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        hidden_NR = F.relu(self.reduce(map_NCHW.mean((2, 3))))
        gate_NC = torch.sigmoid(self.expand(hidden_NR))
        return map_NCHW * gate_NC[:, :, None, None]


class ConvNormAct(nn.Sequential):
    """Convolution without bias, BatchNorm, activation; padded so that stride 1 keeps the size.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel: odd kernel size.
        stride: stride; stride 2 gives ceil(size / 2).
        groups: groups of the convolution.
        act: activation module; none: linear.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        *,
        stride: int = 1,
        groups: int = 1,
        act: nn.Module | None = None,
    ) -> None:
        conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2, groups=groups, bias=False)
        super().__init__(conv, nn.BatchNorm2d(out_channels), *([act] if act else []))


class DepthwiseSeparable(nn.Module):
    """Depthwise 3×3, BN, ReLU, pointwise 1×1, BN, identity where shapes match, ReLU (after Howard et al. 2017).

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        stride: 1 or 2.
        drop_path: rate of stochastic depth; only a block with an identity can be dropped.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, drop_path: float = 0.0) -> None:
        super().__init__()
        self.depthwise = ConvNormAct(in_channels, in_channels, 3, stride=stride, groups=in_channels, act=nn.ReLU())
        self.pointwise = ConvNormAct(in_channels, out_channels, 1)
        has_identity = stride == 1 and in_channels == out_channels
        self.drop_path = DropPath(drop_path) if has_identity else None

    def forward(self, map_NCHW: Tensor) -> Tensor:
        """(N, in, H, W) to (N, out, ceil(H / stride), ceil(W / stride))."""
        branch = self.pointwise(self.depthwise(map_NCHW))
        if self.drop_path is not None:
            branch = self.drop_path(branch) + map_NCHW
        return F.relu(branch)


def init_weights(module: nn.Module) -> None:
    """Convolutions kaiming-normal over fan-out (He et al. 2015), linear layers xavier-uniform (Glorot & Bengio
    2010), biases 0. For `Module.apply`."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    elif isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
    else:
        return
    if module.bias is not None:
        nn.init.zeros_(module.bias)
