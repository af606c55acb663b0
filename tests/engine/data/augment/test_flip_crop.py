"""Flip and crop move pixels and change none."""

from __future__ import annotations

import pytest
import torch

from trainctl.engine.data.augment.crop import random_crop, random_window
from trainctl.engine.data.augment.flip import random_hflip


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_certain_flip_reverses_the_columns_exactly() -> None:
    images = torch.rand(5, 3, 4, 6)
    assert torch.equal(random_hflip(images, 1.0, generator()), images[:, :, :, [5, 4, 3, 2, 1, 0]])


def test_half_of_the_images_are_flipped_and_the_rest_kept_exactly() -> None:
    images = torch.rand(2000, 1, 2, 3)
    out = random_hflip(images, 0.5, generator())
    flipped = (out == images.flip(3)).flatten(1).all(1)
    kept = (out == images).flatten(1).all(1)
    assert bool((flipped ^ kept).all())
    assert float(flipped.float().mean()) == pytest.approx(0.5, abs=0.05)


def test_a_crop_is_a_shift_with_black_coming_in() -> None:
    images = torch.rand(50, 3, 6, 9) + 0.1
    out = random_crop(images, 2, generator(1))
    seen = set()
    for image, cropped in zip(images, out, strict=True):
        padded = torch.zeros(3, 10, 13)
        padded[:, 2:8, 2:11] = image
        matches = [(y, x) for y in range(5) for x in range(5) if torch.equal(padded[:, y : y + 6, x : x + 9], cropped)]
        assert len(matches) == 1
        seen.add(matches[0])
    assert len(seen) > 15


def test_every_shift_is_equally_likely() -> None:
    images = torch.zeros(9000, 1, 3, 3)
    images[:, 0, 1, 1] = 1
    position = random_crop(images, 1, generator()).view(-1, 9).argmax(1).bincount(minlength=9)
    assert int(position.min()) > 850
    assert int(position.max()) < 1150


def test_a_window_is_a_piece_of_its_image_from_anywhere_in_it() -> None:
    images = torch.arange(400 * 5 * 7).float().view(400, 1, 5, 7)
    out = random_window(images, 4, generator(2))
    assert out.shape == (400, 1, 4, 4)
    corner = out[:, 0, 0, 0] - images[:, 0, 0, 0]
    down, across = corner.long() // 7, corner.long() % 7
    for image, piece, y, x in zip(images, out, down.tolist(), across.tolist(), strict=True):
        assert torch.equal(piece, image[:, y : y + 4, x : x + 4])
    assert torch.bincount(down * 4 + across, minlength=8).min() > 25  # of 50 expected at each of 2 · 4 places


def test_a_window_of_the_whole_image_is_the_image() -> None:
    images = torch.rand(3, 3, 6, 6)
    assert torch.equal(random_window(images, 6, generator()), images)
