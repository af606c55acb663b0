"""ResNet-18: the published size and start, and what the options change."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from trainctl.engine.models.resnet import BasicBlock, ResNet18, Stem


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.fixture(scope="module")
def published() -> ResNet18:
    return ResNet18()


def test_the_network_has_the_parameters_of_the_published_one_without_its_classifier(published: ResNet18) -> None:
    assert count(published) == 11_176_512
    assert isinstance(published.widen, nn.Identity)


def test_eighteen_layers_are_seventeen_convolutions_beside_three_shortcuts_and_a_classifier(
    published: ResNet18,
) -> None:
    kernels = [module.kernel_size[0] for module in published.modules() if isinstance(module, nn.Conv2d)]
    assert sorted(kernels) == [1] * 3 + [3] * 16 + [7]


def test_convolutions_start_with_the_deviation_that_keeps_the_variance_of_gradients(published: ResNet18) -> None:
    block = published.get_submodule("stages.2.1")
    assert isinstance(block, BasicBlock)
    conv = block.conv1
    assert conv.weight.std().item() == pytest.approx(math.sqrt(2 / (256 * 9)), rel=0.01)


@pytest.mark.parametrize("stem", ["imagenet", "small"])
def test_the_last_map_has_a_thirty_second_of_the_sides(stem: Stem) -> None:
    network = ResNet18(4, stem, 32)
    assert network.stages(network.stem(torch.rand(1, 3, 96, 64))).shape == (1, 32, 3, 2)
    assert network(torch.rand(2, 3, 33, 47)).shape == (2, 32)


def test_a_small_stem_is_a_kernel_of_three(published: ResNet18) -> None:
    difference = count(ResNet18(8, "imagenet", 64)) - count(ResNet18(8, "small", 64))
    assert difference == 8 * 3 * (49 - 9)


def test_a_narrow_network_still_gives_as_many_features_as_asked_for() -> None:
    network = ResNet18(4, "small", 100)
    features = network(torch.rand(3, 3, 32, 32))
    assert features.shape == (3, 100)
    assert features.min() >= 0


@torch.no_grad()
def test_a_block_is_its_two_convolutions_beside_its_shortcut() -> None:
    block = BasicBlock(4, 8, 2).eval()
    maps = torch.randn(2, 4, 8, 8)
    conv, last_norm = block.shortcut.children()
    assert isinstance(conv, nn.Conv2d) and isinstance(last_norm, nn.BatchNorm2d)
    for norm in (block.norm1, block.norm2, last_norm):
        assert norm.running_mean is not None and norm.running_var is not None
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)

    def normed(values: torch.Tensor, norm: nn.BatchNorm2d) -> torch.Tensor:
        assert norm.running_mean is not None and norm.running_var is not None
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        return (values - norm.running_mean[:, None, None]) * scale[:, None, None] + norm.bias[:, None, None]

    inner = normed(F.conv2d(maps, block.conv1.weight, stride=2, padding=1), block.norm1).clamp(min=0)
    inner = normed(F.conv2d(inner, block.conv2.weight, padding=1), block.norm2)
    beside = normed(F.conv2d(maps, conv.weight, stride=2), last_norm)
    torch.testing.assert_close(block(maps), (inner + beside).clamp(min=0), rtol=1e-4, atol=1e-5)


def test_blocks_can_start_as_their_shortcuts() -> None:
    network = ResNet18(4, "small", 32, zero_init_residual=True)
    maps = torch.rand(2, 4, 8, 8)
    torch.testing.assert_close(network.stages[0](maps), maps)
