"""The eye classifier: sizes, shapes, errors, gradients, memory layout."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from trainctl.engine.errors import UserError
from trainctl.engine.models.eyes.heads import TokenGrid
from trainctl.engine.models.eyes.net import build_eyes_net, check_shape, map_size
from trainctl.engine.models.eyes.options import EyesModel
from trainctl.engine.models.tokens import SelfAttention

ARCHS = ("baseline", "inverted_se", "convnext")
HEADS = ("avg", "avgmax_mlp", "transformer", "mlp_mixer")
SIZE = (32, 64)


def net_of(arch: str, channels: int, blocks: int, head: str = "auto", **options: Any) -> nn.Module:
    options.setdefault("token_grid", (1, 2))
    model = EyesModel.model_validate(
        {"arch": arch, "base_channels": channels, "num_blocks": blocks, "head": head, **options}
    )
    return build_eyes_net(model, SIZE)


@pytest.mark.parametrize(
    ("arch", "channels", "blocks", "head", "count"),
    [
        ("baseline", 32, 4, "auto", 11_457),
        ("baseline", 32, 4, "avgmax_mlp", 19_841),
        ("baseline", 64, 4, "auto", 39_297),
        ("baseline", 64, 8, "auto", 547_713),
        ("inverted_se", 16, 4, "auto", 32_281),
        ("inverted_se", 32, 4, "auto", 118_321),
        ("inverted_se", 64, 4, "auto", 451_681),
        ("inverted_se", 128, 4, "auto", 1_763_521),
        ("inverted_se", 64, 8, "auto", 6_256_545),
        ("convnext", 32, 4, "auto", 170_145),
        ("convnext", 32, 4, "transformer", 170_145),
    ],
)
def test_parameter_count(arch: str, channels: int, blocks: int, head: str, count: int) -> None:
    net = net_of(arch, channels, blocks, head)
    assert sum(parameter.numel() for parameter in net.parameters()) == count


def test_baseline_64_8_costs_15_5_million_multiplications_an_image() -> None:
    total = 0

    def count(module: nn.Module, _: object, output: torch.Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.Conv2d | nn.Linear):
            per_output = module.weight[0].numel()
            total += per_output * output[0].numel()

    net = net_of("baseline", 64, 8).eval()
    for module in net.modules():
        module.register_forward_hook(count)
    net(torch.rand(1, 3, *SIZE))
    assert total == pytest.approx(15.5e6, rel=0.005)


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("head", HEADS)
def test_every_backbone_with_every_head_trains_all_its_parameters(arch: str, head: str) -> None:
    torch.manual_seed(0)
    net = net_of(arch, 8, 4, head)
    logits = net(torch.rand(6, 3, *SIZE))
    assert logits.shape == (6,)
    # layer scale starts at 1e-6, so what lies behind it moves little: any gradient at all counts
    logits.square().sum().backward()
    without = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert without == []


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("head", HEADS)
def test_channels_last_gives_the_same_logits(arch: str, head: str) -> None:
    torch.manual_seed(0)
    net, images = net_of(arch, 8, 3, head).eval(), torch.rand(2, 3, *SIZE)
    with torch.inference_mode():
        expected = net(images)
        net = net.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        actual = net(images.to(memory_format=torch.channels_last))
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("arch", ARCHS)
def test_the_feature_map_has_the_announced_size(arch: str) -> None:
    for size in [(32, 64), (24, 40), (33, 47)]:
        model = EyesModel.model_validate({"arch": arch, "base_channels": 8, "num_blocks": 5, "head": "avg"})
        net = build_eyes_net(model, size).eval()
        assert isinstance(net.stem, nn.Module) and isinstance(net.blocks, nn.Module)
        features = net.blocks(net.stem(torch.rand(1, 3, *size)))
        assert features.shape == (1, 32, *map_size(model, size))


def test_the_input_is_left_as_it_was() -> None:
    images = torch.rand(2, 3, *SIZE)
    before = images.clone()
    net_of("baseline", 8, 2)(images)
    assert torch.equal(images, before)


def test_token_grid_averages_cells_row_by_row() -> None:
    x = torch.arange(2 * 4 * 6, dtype=torch.float32).reshape(1, 2, 4, 6)
    tokens = TokenGrid((4, 6), (2, 3))(x)
    assert tokens.shape == (1, 6, 2)
    for row in range(2):
        for column in range(3):
            cell = x[0, :, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
            torch.testing.assert_close(tokens[0, 3 * row + column], cell.mean((1, 2)))


def test_attention_agrees_with_the_explicit_formula() -> None:
    torch.manual_seed(0)
    attention, x = SelfAttention(12), torch.randn(2, 5, 12)
    assert attention.heads == 6
    query, key, value = attention.qkv(x).split(12, dim=2)
    mixed = torch.empty(2, 5, 12)
    for head in range(6):
        part = slice(2 * head, 2 * head + 2)
        scores = query[..., part] @ key[..., part].transpose(1, 2) / 2**0.5
        mixed[..., part] = scores.softmax(-1) @ value[..., part]
    torch.testing.assert_close(attention(x), attention.out(mixed))


def test_a_grid_that_does_not_divide_the_map_names_one_that_does() -> None:
    model = EyesModel(head="transformer")
    with pytest.raises(UserError, match=r"2x3 does not divide the 2x4 .*use model\.token_grid=\[2,4\]"):
        check_shape(model, SIZE)
    check_shape(model.model_copy(update={"token_grid": (2, 4)}), SIZE)


def test_the_grid_is_of_no_concern_to_heads_without_tokens() -> None:
    check_shape(EyesModel(head="avg", token_grid=(7, 7)), SIZE)


def test_a_vanishing_map_names_an_image_size_and_a_number_of_blocks_that_work() -> None:
    model = EyesModel(arch="convnext", head="avg")
    with pytest.raises(UserError, match=r"24x40.*data\.image_size=\[32,40\] or model\.num_blocks=6"):
        check_shape(model, (24, 40))
    check_shape(model, (32, 40))
    check_shape(model.model_copy(update={"num_blocks": 6}), (24, 40))


def test_an_image_smaller_than_a_patch_is_not_helped_by_fewer_blocks() -> None:
    with pytest.raises(UserError, match=r"data\.image_size=\[32,40\]$"):
        check_shape(EyesModel(arch="convnext", head="avg"), (3, 40))


def test_too_many_blocks_are_refused_before_memory_is() -> None:
    with pytest.raises(UserError, match="num_blocks=40"):
        check_shape(EyesModel(num_blocks=40), SIZE)


def test_state_can_be_averaged_and_loaded_back() -> None:
    net, other = net_of("inverted_se", 8, 3), net_of("inverted_se", 8, 3)
    state = {
        name: (value + other.state_dict()[name]) / 2 if value.is_floating_point() else value
        for name, value in net.state_dict().items()
    }
    net.load_state_dict(state)
    assert net.eval()(torch.rand(1, 3, *SIZE)).isfinite().all()


def test_stochastic_depth_changes_training_but_not_inference() -> None:
    torch.manual_seed(0)
    net, images = net_of("convnext", 8, 4, "avg", stochastic_depth=0.5), torch.rand(4, 3, *SIZE)
    for name, parameter in net.named_parameters():
        if name.endswith("scale"):
            nn.init.ones_(parameter)
    assert not torch.equal(net(images), net(images))
    net.eval()
    assert torch.equal(net(images), net(images))


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("head", HEADS)
def test_every_module_can_be_watched_forward_and_backward(arch: str, head: str) -> None:
    """Backward hooks fail behind in-place operations, so there are none."""
    net = net_of(arch, 4, 3, head)
    seen: set[str] = set()
    for name, module in net.named_modules():
        module.register_full_backward_hook(lambda *_, name=name: seen.add(name))
    net(torch.rand(2, 3, *SIZE).requires_grad_()).sum().backward()
    assert seen == {name for name, _ in net.named_modules()}
