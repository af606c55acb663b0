"""CLAHE against a slow reference that follows OpenCV's description, and its choice of images."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.stats import binom
from torch import Tensor

from trainctl.engine.data.augment import clahe as module
from trainctl.engine.data.augment.clahe import clahe, clahe_fixed_rows, max_chosen, random_clahe
from trainctl.engine.data.augment.colour import lab_to_rgb, rgb_to_lab


def reference_table(levels: list[int], clip: float) -> list[int]:
    """One tile: histogram, clip, spread, cumulate."""
    histogram = [0] * 256
    for level in levels:
        histogram[level] += 1
    limit = max(1, int(clip * len(levels) / 256))
    excess = sum(max(count - limit, 0) for count in histogram)
    histogram = [min(count, limit) + excess // 256 for count in histogram]
    rest = excess % 256
    step = max(256 // rest, 1) if rest else 1
    for level in range(0, 256, step):
        if rest > 0:
            histogram[level] += 1
            rest -= 1
    total, table = 0, list[int]()
    for count in histogram:
        total += count
        table.append(min(round(total * 255 / len(levels)), 255))
    return table


def reference_light(levels: list[list[int]], clip: float, tiles: int) -> list[list[float]]:
    """One image of levels, sides divisible by `tiles`."""
    height, width = len(levels), len(levels[0])
    th, tw = height // tiles, width // tiles
    tables = [
        [
            reference_table(
                [levels[y][x] for y in range(i * th, i * th + th) for x in range(j * tw, j * tw + tw)], clip
            )
            for j in range(tiles)
        ]
        for i in range(tiles)
    ]
    out = [[0.0] * width for _ in range(height)]
    for y in range(height):
        for x in range(width):
            fy, fx = y / th - 0.5, x / tw - 0.5
            y0, x0 = math.floor(fy), math.floor(fx)
            for i, wy in ((y0, 1 - (fy - y0)), (y0 + 1, fy - y0)):
                for j, wx in ((x0, 1 - (fx - x0)), (x0 + 1, fx - x0)):
                    i_in, j_in = min(max(i, 0), tiles - 1), min(max(j, 0), tiles - 1)
                    out[y][x] += wy * wx * tables[i_in][j_in][levels[y][x]]
    return out


@pytest.mark.parametrize(("clip", "tiles", "size"), [(2.0, 4, (8, 16)), (40.0, 2, (32, 32)), (3.0, 1, (20, 20))])
def test_agrees_with_the_slow_reference(clip: float, tiles: int, size: tuple[int, int]) -> None:
    images = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(1)) * 0.6 + 0.2
    lab = rgb_to_lab(images)
    levels = (lab[:, 0] * 2.55).round().long()
    light = torch.tensor([reference_light(image.tolist(), clip, tiles) for image in levels]) / 2.55
    expected = lab_to_rgb(torch.stack([light, lab[:, 1], lab[:, 2]], dim=1))
    assert torch.allclose(clahe(images, clip, tiles), expected, atol=1e-4)


def test_contrast_of_a_flat_image_rises_and_the_range_is_kept() -> None:
    images = 0.45 + 0.1 * torch.rand(3, 3, 32, 64)
    out = clahe(images)
    assert float(out.std()) > 1.5 * float(images.std())
    assert 0.0 <= float(out.min()) <= float(out.max()) <= 1.0


@pytest.mark.parametrize("size", [(24, 24), (33, 61), (5, 7), (2, 3)])
def test_sides_that_tiles_do_not_divide_work(size: tuple[int, int]) -> None:
    out = clahe(torch.rand(2, 3, *size))
    assert out.shape == (2, 3, *size)
    assert bool(out.isfinite().all())


def test_lab_of_known_colours() -> None:
    rgb = torch.tensor([[1.0, 1, 1], [0, 0, 0], [1, 0, 0], [0, 0, 1]]).view(4, 3, 1, 1)
    lab = torch.tensor([[100, 0, 0], [0, 0, 0], [53.24, 80.09, 67.20], [32.30, 79.19, -107.86]])
    assert torch.allclose(rgb_to_lab(rgb).view(4, 3), lab, atol=0.02)


def test_lab_and_back_is_the_same_colour() -> None:
    images = torch.rand(4, 3, 16, 16)
    assert torch.allclose(lab_to_rgb(rgb_to_lab(images)), images, atol=1e-4)


def by_rows(images: Tensor, probability: float, seed: int) -> Tensor:
    uniform = torch.rand(len(images), generator=torch.Generator().manual_seed(seed))
    return clahe_fixed_rows(images, uniform, probability)


@pytest.mark.parametrize("probability", [0.01, 0.3, 1.0])
def test_both_ways_of_choosing_rows_give_the_same_batch(probability: float) -> None:
    images = torch.rand(24, 3, 8, 8)
    for seed in range(3):
        exact = random_clahe(images, probability, torch.Generator().manual_seed(seed))
        assert torch.allclose(exact, by_rows(images, probability, seed), atol=1e-6)


def test_the_share_of_equalised_images_is_the_probability(monkeypatch: pytest.MonkeyPatch) -> None:
    def mark(images: Tensor, clip: float, tiles: int) -> Tensor:
        return images + 1

    monkeypatch.setattr(module, "clahe", mark)
    images, generator = torch.zeros(500, 3, 1, 1), torch.Generator().manual_seed(0)
    changed = sum(int((random_clahe(images, 0.01, generator) != 0).any(1).sum()) for _ in range(100))
    assert changed == pytest.approx(500, abs=90)


@pytest.mark.parametrize(("count", "probability"), [(64, 0.01), (4096, 0.01), (10, 0.9), (1, 0.5), (7, 1.0)])
def test_more_rows_than_computed_are_chosen_less_than_once_in_a_billion(count: int, probability: float) -> None:
    k = max_chosen(count, probability)
    assert 1 <= k <= count
    assert binom.sf(k, count, probability) < 1e-9
    assert k == 1 or binom.sf(k - 1, count, probability) >= 1e-9
