"""Blocks that several networks share."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from trainctl.engine.models.blocks import (
    ChannelLayerNorm,
    DepthwiseSeparable,
    DropPath,
    SqueezeExcite,
    init_weights,
)
from trainctl.engine.models.eyes.stages import block_plans


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_channel_layer_norm_normalises_each_position_over_its_channels(layout: torch.memory_format) -> None:
    torch.manual_seed(0)
    x = (3 + 2 * torch.randn(2, 16, 3, 5)).to(memory_format=layout)
    y = ChannelLayerNorm(16)(x)
    expected = (x - x.mean(1, keepdim=True)) / (x.var(1, keepdim=True, unbiased=False) + 1e-6).sqrt()
    torch.testing.assert_close(y, expected, atol=1e-5, rtol=1e-5)


def test_channel_layer_norm_keeps_channels_last() -> None:
    y = ChannelLayerNorm(16)(torch.randn(2, 16, 3, 5).to(memory_format=torch.channels_last))
    assert y.is_contiguous(memory_format=torch.channels_last)


def test_stochastic_depth_is_the_identity_in_eval() -> None:
    x = torch.randn(8, 4, 2, 2)
    assert DropPath(0.9).eval()(x) is x


def test_stochastic_depth_drops_whole_samples_and_keeps_the_expectation() -> None:
    torch.manual_seed(0)
    y = DropPath(0.25)(torch.ones(20_000, 3, 2, 2))
    first = y[:, 0, 0, 0]
    assert (y == first[:, None, None, None]).all()
    assert first.unique().tolist() == pytest.approx([0, 1 / 0.75])
    # standard deviation of the mean is sqrt(.25 / .75 / 20000) = .0041
    assert y.mean().item() == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_impossible_drop_rates_are_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="drop rate"):
        DropPath(rate)


def test_a_dropped_block_passes_its_input_on() -> None:
    torch.manual_seed(0)
    block = DepthwiseSeparable(4, 4, 1, drop_path=0.999999)
    x = torch.rand(2, 4, 6, 6)
    torch.testing.assert_close(block(x), x)


def test_squeeze_excite_scales_channels_only() -> None:
    torch.manual_seed(0)
    x = torch.rand(2, 8, 3, 3) + 0.5
    gate = SqueezeExcite(8, 2)(x) / x
    torch.testing.assert_close(gate, gate[:, :, :1, :1].expand_as(gate))
    assert gate.min() > 0 and gate.max() < 1


def test_channels_double_at_even_blocks_but_the_first() -> None:
    plans = block_plans(64, 8, 0.0, all_residual=False)
    assert [plan.out_channels for plan in plans] == [64, 64, 128, 128, 256, 256, 512, 512]
    assert [plan.stride for plan in plans] == [1, 1, 2, 1, 2, 1, 2, 1]


def test_drop_rates_grow_linearly_over_the_residual_blocks() -> None:
    rates = [plan.drop_path for plan in block_plans(8, 6, 0.4, all_residual=False)]
    assert rates == pytest.approx([0.1, 0.2, 0, 0.3, 0, 0.4])
    everywhere = [plan.drop_path for plan in block_plans(8, 4, 0.4, all_residual=True)]
    assert everywhere == pytest.approx([0.1, 0.2, 0.3, 0.4])


def test_initialisation_has_the_spread_of_its_source() -> None:
    torch.manual_seed(0)
    conv, linear = nn.Conv2d(64, 128, 3), nn.Linear(300, 500)
    conv.apply(init_weights)
    linear.apply(init_weights)
    assert conv.weight.std().item() == pytest.approx((2 / (128 * 9)) ** 0.5, rel=0.03)
    assert linear.weight.abs().max().item() == pytest.approx((6 / 800) ** 0.5, rel=0.01)
    assert conv.bias is not None and conv.bias.abs().sum() == 0
