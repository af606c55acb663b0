"""How channels, strides and drop rates are laid out over the blocks of a backbone. Pure arithmetic, no layers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BlockPlan:
    """Shape of one block."""

    in_channels: int
    out_channels: int
    stride: int
    drop_path: float
    """Rate of stochastic depth."""


def block_plans(base_channels: int, num_blocks: int, stochastic_depth: float, *, all_residual: bool) -> list[BlockPlan]:
    """Block i (0-based) has stride 2 and doubles the channels iff i is even and > 0.

    The drop rate of the k-th of K residual blocks is `stochastic_depth` · k / K (Huang et al. 2016, linear decay).

    Args:
        base_channels: channels of the stem.
        num_blocks: number of blocks.
        stochastic_depth: drop rate of the last residual block.
        all_residual: whether a block that halves the map has an identity too (ConvNeXt), or none.
    """
    halves = [index > 0 and index % 2 == 0 for index in range(num_blocks)]
    residual = [all_residual or not half for half in halves]
    plans: list[BlockPlan] = []
    channels = base_channels
    for index, half in enumerate(halves):
        out = channels * 2 if half else channels
        rate = stochastic_depth * sum(residual[: index + 1]) / sum(residual) if residual[index] else 0.0
        plans.append(BlockPlan(channels, out, 2 if half else 1, rate))
        channels = out
    return plans


def num_halvings(num_blocks: int) -> int:
    """How many of the blocks halve the map and double the channels."""
    return (num_blocks - 1) // 2
