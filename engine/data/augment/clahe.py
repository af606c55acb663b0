"""Contrast-limited adaptive histogram equalisation of a few images of a batch (Zuiderveld 1994).

Follows OpenCV's `createCLAHE`: integer clip limit per tile, excess spread evenly and its rest in steps,
tables interpolated bilinearly between tile centres. Works on L of Lab in 256 levels.

Each image is chosen with a small probability, so equalising all and keeping few would waste nearly all the work.
On a CPU exactly the chosen rows are computed. On another device their number would have to be waited for;
there a fixed number of rows is computed, large enough that more are chosen less than once in 10⁹ batches
(the surplus would stay as it is). Both take the same draws, so a resumed run goes on exactly.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

from trainctl.engine.data.augment.colour import lab_to_rgb, rgb_to_lab

LEVELS = 256
OVERFLOW = 1e-9
"""Probability that a batch holds more chosen images than the fixed number of rows."""


def random_clahe(
    images_BCHW: Tensor, probability: float, generator: torch.Generator, clip: float = 2.0, tiles: int = 4
) -> Tensor:
    """Equalise each image with `probability`.

    Args:
        images_BCHW: float RGB in [0, 1], on the generator's device; not changed.
        probability: of each image on its own.
        generator: source of the decisions.
        clip: largest bin of a tile's histogram, relative to a flat one.
        tiles: tiles along each side.
    """
    uniform_B = torch.rand(len(images_BCHW), generator=generator, device=generator.device)
    if images_BCHW.device.type == "cpu":
        rows = (uniform_B < probability).nonzero().squeeze(1)
        if len(rows) == 0:
            return images_BCHW
        return images_BCHW.index_copy(0, rows, clahe(images_BCHW[rows], clip, tiles))
    return clahe_fixed_rows(images_BCHW, uniform_B, probability, clip, tiles)


def clahe_fixed_rows(
    images_BCHW: Tensor, uniform_B: Tensor, probability: float, clip: float = 2.0, tiles: int = 4
) -> Tensor:
    """Equalise the images whose `uniform_B` lies below `probability`, without knowing how many there are."""
    count = max_chosen(len(images_BCHW), probability)
    smallest_K, rows_K = uniform_B.topk(count, largest=False)
    before = images_BCHW[rows_K]
    after = torch.where((smallest_K < probability).view(-1, 1, 1, 1), clahe(before, clip, tiles), before)
    return images_BCHW.index_copy(0, rows_K, after)


@lru_cache(maxsize=64)
def max_chosen(count: int, probability: float) -> int:
    """Smallest k ≥ 1 with P(Binomial(count, probability) > k) < `OVERFLOW`."""
    if probability >= 1:
        return count
    log_p, log_q = math.log(probability), math.log1p(-probability)
    tail = 0.0
    for k in range(count, 1, -1):
        choices = math.lgamma(count + 1) - math.lgamma(k + 1) - math.lgamma(count - k + 1)
        tail += math.exp(choices + k * log_p + (count - k) * log_q)
        if tail >= OVERFLOW:
            return k
    return 1


def clahe(images_BCHW: Tensor, clip: float = 2.0, tiles: int = 4) -> Tensor:
    """Equalise every image: RGB in [0, 1], shape (B, 3, H, W), to the same."""
    lab_BCHW = rgb_to_lab(images_BCHW)
    levels_BHW = (lab_BCHW[:, 0] * (255 / 100)).round_().clamp_(0, 255).long()
    tables_BTTL = tile_tables(levels_BHW, clip, tiles)
    light_BHW = _interpolate(tables_BTTL, levels_BHW) * (100 / 255)
    return lab_to_rgb(torch.stack([light_BHW, lab_BCHW[:, 1], lab_BCHW[:, 2]], dim=1))


def tile_tables(levels_BHW: Tensor, clip: float, tiles: int) -> Tensor:
    """Equalised level of each level in each tile, float (B, tiles, tiles, 256) in 0 … 255."""
    count, height, width = levels_BHW.shape
    rows, columns = _reflected(height, tiles, levels_BHW), _reflected(width, tiles, levels_BHW)
    padded = levels_BHW[:, rows][:, :, columns]
    tile_height, tile_width = len(rows) // tiles, len(columns) // tiles
    area = tile_height * tile_width
    split = padded.view(count, tiles, tile_height, tiles, tile_width).transpose(2, 3)
    pixels = split.reshape(count * tiles * tiles, area)
    tile = torch.arange(len(pixels), device=pixels.device).unsqueeze(1)
    histogram = torch.zeros(len(pixels) * LEVELS, device=pixels.device)
    histogram.scatter_add_(0, (tile * LEVELS + pixels).view(-1), torch.ones_like(histogram[:1]).expand(pixels.numel()))
    clipped = _clip(histogram.view(-1, LEVELS), max(1, int(clip * area / LEVELS)))
    table = (clipped.int().cumsum(1) * (255 / area)).round_().clamp_(max=255)
    return table.view(count, tiles, tiles, LEVELS)


def _reflected(length: int, tiles: int, like: Tensor) -> Tensor:
    """Indices that extend `length` to a multiple of `tiles` by reflection (edge not repeated)."""
    index = torch.arange(-(-length // tiles) * tiles, device=like.device)
    return (length - 1 - (length - 1 - index).abs()).clamp_(min=0)


def _clip(histogram: Tensor, limit: int) -> Tensor:
    """Cut bins at `limit` and spread the excess: evenly, then one each at equal steps. Shape (T, 256)."""
    excess = (histogram - limit).clamp_(min=0).sum(1, keepdim=True)
    evenly = (excess / LEVELS).floor_()
    rest = excess - evenly * LEVELS
    step = (LEVELS / rest.clamp(min=1)).floor_().clamp_(min=1)
    level = torch.arange(LEVELS, device=histogram.device, dtype=histogram.dtype)
    turn = (level / step).floor_()
    extra = (turn * step == level) & (turn < rest)
    return histogram.clamp(max=limit) + evenly + extra


def _interpolate(tables_BTTL: Tensor, levels_BHW: Tensor) -> Tensor:
    """Each pixel's level through the tables of the four nearest tile centres, float (B, H, W)."""
    count, height, width = levels_BHW.shape
    tiles = tables_BTTL.shape[1]
    (top, bottom, down), (left, right, across) = (_neighbours(length, tiles, levels_BHW) for length in (height, width))
    flat = tables_BTTL.reshape(-1)
    image_B11 = torch.arange(count, device=levels_BHW.device).view(-1, 1, 1) * tiles * tiles

    def look_up(row_H: Tensor, column_W: Tensor) -> Tensor:
        tile = image_B11 + row_H.view(-1, 1) * tiles + column_W
        return flat[tile * LEVELS + levels_BHW]

    upper = torch.lerp(look_up(top, left), look_up(top, right), across.expand_as(levels_BHW))
    lower = torch.lerp(look_up(bottom, left), look_up(bottom, right), across.expand_as(levels_BHW))
    return torch.lerp(upper, lower, down.view(-1, 1).expand_as(levels_BHW))


def _neighbours(length: int, tiles: int, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Tile before and after each position along one side, and the share of the one after."""
    tile_length = -(-length // tiles)
    position = torch.arange(length, device=like.device) / tile_length - 0.5
    before = position.floor()
    share = position - before
    return before.clamp(0, tiles - 1).long(), (before + 1).clamp(0, tiles - 1).long(), share
