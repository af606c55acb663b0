"""Assembles the eye classifier from a backbone and a head, and says beforehand which shapes cannot work.

Knows the options of the network and the image size; nothing of data, losses or training.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from trainctl.engine.errors import UserError
from trainctl.engine.models.blocks import init_weights
from trainctl.engine.models.eyes import baseline as eyes_baseline
from trainctl.engine.models.eyes import convnext as eyes_convnext
from trainctl.engine.models.eyes import inverted_se as eyes_inverted_se
from trainctl.engine.models.eyes.heads import TOKEN_HEADS, build_head, resolve_head
from trainctl.engine.models.eyes.stages import block_plans, num_halvings

if TYPE_CHECKING:
    from trainctl.engine.models.eyes.options import EyesModel

BACKBONES = {"baseline": eyes_baseline, "inverted_se": eyes_inverted_se, "convnext": eyes_convnext}
MAX_CHANNELS = 8192
"""Wider than this is a slip in the number of blocks: the last block alone would have 67 million weights."""


class EyesNet(nn.Module):
    """Stem, blocks, head. Takes RGB images in [0, 1], centres and scales them to [-1, 1] itself.

    The parts are named for `freeze` and for the gradient norms: `stem`, `blocks.0` …, `head`.
    """

    def __init__(self, stem: nn.Module, blocks: nn.Sequential, head: nn.Module) -> None:
        super().__init__()
        self.stem = stem
        self.blocks = blocks
        self.head = head

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Float images (N, 3, H, W) in [0, 1] to logits (N,)."""
        centred_NCHW = (images_NCHW - 0.5).mul_(2)
        return self.head(self.blocks(self.stem(centred_NCHW)))


def build_eyes_net(model: EyesModel, image_size: tuple[int, int]) -> EyesNet:
    """A freshly initialised network for images of height × width pixels, on the CPU.

    Raises:
        UserError: the shape cannot work; names the fix.
    """
    check_shape(model, image_size)
    arch = BACKBONES[model.arch]
    plans = block_plans(model.base_channels, model.num_blocks, model.stochastic_depth, all_residual=arch.ALL_RESIDUAL)
    head = build_head(
        resolve_head(model.head, model.arch),
        plans[-1].out_channels,
        map_size(model, image_size),
        dropout=model.dropout,
        token_grid=model.token_grid,
        token_layers=model.token_layers,
    )
    net = EyesNet(arch.stem(model.base_channels), nn.Sequential(*map(arch.block, plans)), head)
    net.apply(init_weights)
    return net


def map_size(model: EyesModel, image_size: tuple[int, int]) -> tuple[int, int]:
    """Height and width of the feature map that the head sees; 0 where the image is too small."""
    size_of, halvings = BACKBONES[model.arch].map_size, num_halvings(model.num_blocks)
    return size_of(image_size[0], halvings), size_of(image_size[1], halvings)


def check_shape(model: EyesModel, image_size: tuple[int, int]) -> None:
    """Refuse a network that cannot be built for images of height × width pixels.

    Raises:
        UserError: the map vanishes, the token grid does not divide it, or the channels explode; names the fix.
    """
    _check_width(model)
    _check_map(model, image_size)
    if resolve_head(model.head, model.arch) in TOKEN_HEADS:
        _check_grid(model, image_size)


def _check_width(model: EyesModel) -> None:
    width = model.base_channels * 2 ** num_halvings(model.num_blocks)
    if width > MAX_CHANNELS:
        raise UserError(
            f"model.base_channels={model.base_channels} doubles to {width} channels over "
            f"model.num_blocks={model.num_blocks}, more than {MAX_CHANNELS}",
            "use fewer blocks or fewer base channels",
        )


def _check_map(model: EyesModel, image_size: tuple[int, int]) -> None:
    if min(map_size(model, image_size)) > 0:
        return
    height, width = image_size
    least = eyes_convnext.STEM_STRIDE * 2 ** num_halvings(model.num_blocks)
    larger = f"use data.image_size=[{max(height, least)},{max(width, least)}]"
    halvings = (min(image_size) // eyes_convnext.STEM_STRIDE).bit_length() - 1
    # A map that is too small for the stem itself cannot be saved by fewer blocks.
    fewer = "" if halvings < 0 else f" or model.num_blocks={2 * halvings + 2}"
    raise UserError(
        f"{model.arch} with {model.num_blocks} blocks shrinks images of {height}x{width} to nothing",
        f"{larger}{fewer}",
    )


def _check_grid(model: EyesModel, image_size: tuple[int, int]) -> None:
    rows, columns = map_size(model, image_size)
    grid = model.token_grid
    if rows % grid[0] == 0 and columns % grid[1] == 0:
        return
    best = f"[{_nearest(rows, grid[0])},{_nearest(columns, grid[1])}]"
    raise UserError(
        f"model.token_grid={grid[0]}x{grid[1]} does not divide the {rows}x{columns} feature map of "
        f"{model.arch} with {model.num_blocks} blocks at {image_size[0]}x{image_size[1]}",
        f"use model.token_grid={best} (rows: {_words(rows)}; columns: {_words(columns)})",
    )


def _divisors(size: int) -> list[int]:
    return [number for number in range(1, size + 1) if size % number == 0]


def _nearest(size: int, wanted: int) -> int:
    """The divisor of `size` nearest to `wanted`, the larger of two: more tokens keep more of the map."""
    return min(_divisors(size), key=lambda divisor: (abs(divisor - wanted), -divisor))


def _words(size: int) -> str:
    return ", ".join(map(str, _divisors(size)))
