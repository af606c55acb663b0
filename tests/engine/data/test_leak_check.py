"""The leak check finds planted copies and leaves different eyes alone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from trainctl.engine.data.eyes.synthetic import synthetic_eyes
from trainctl.engine.data.leak_check import SAME, check_leak


def names(images: Tensor, prefix: str) -> list[str]:
    return [f"{prefix} {row}" for row in range(len(images))]


def check(train: Tensor, val: Tensor) -> tuple[int, tuple[str, str] | None]:
    leak = check_leak(train, val, names(train, "train"), names(val, "val"))
    assert leak.total == len(val)
    return leak.count, leak.example


def test_different_eyes_are_no_leak() -> None:
    images, _ = synthetic_eyes(600, 32, 64, 0)
    assert check(images[:400], images[400:]) == (0, None)


def test_brightened_noisy_copies_are_found() -> None:
    images, _ = synthetic_eyes(600, 32, 64, 0)
    noise = 2 * torch.randn(images[:60].shape, generator=torch.Generator().manual_seed(0))
    copies = (images[:60].float() * 1.04 + noise).clamp(0, 255).byte()
    count, example = check(images[:400], torch.cat([images[400:], copies]))
    assert 57 <= count <= 60
    assert example is not None
    assert int(example[0].split()[1]) - 200 == int(example[1].split()[1])


def test_the_count_is_what_comparing_all_pairs_finds() -> None:
    images, _ = synthetic_eyes(200, 16, 32, 1)
    train, val = images[:150], torch.cat([images[150:], images[:7], images[3:5]])
    flat = torch.nn.functional.adaptive_avg_pool2d(torch.cat([train, val]).float().mean(1), (8, 16)).flatten(1)
    alike = torch.corrcoef(flat)[150:, :150]
    assert check(train, val)[0] == int((alike.amax(1) >= SAME).sum()) == 9


def test_many_copies_of_one_frame_are_all_found() -> None:
    images, _ = synthetic_eyes(50, 16, 32, 2)
    assert check(images[:1].expand(40, -1, -1, -1), images[:1].expand(9, -1, -1, -1))[0] >= 4


def test_blank_images_are_not_called_copies() -> None:
    blank = torch.zeros(5, 3, 8, 16, dtype=torch.uint8)
    assert check(blank, blank) == (0, None)


def test_the_note_says_what_to_do() -> None:
    images, _ = synthetic_eyes(30, 16, 32, 3)
    leak = check_leak(images, images[:2], names(images, "train"), names(images[:2], "val"))
    assert leak.note().startswith("leak check: 2 of 2 validation images have a near-duplicate in training, e.g.")
    assert "data.group_by" in leak.note()


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
@pytest.mark.parametrize("is_mirrored", [False, True])
def test_copies_that_are_mirrored_or_turned_are_found(is_mirrored: bool, quarters: int) -> None:
    images, _ = synthetic_eyes(400, 32, 64, 4)
    copies = torch.rot90(images[:60].flip(-1) if is_mirrored else images[:60], quarters, (-2, -1))
    copies = torch.nn.functional.interpolate(copies.float(), (32, 64), mode="bilinear", antialias=True)
    noise = 2 * torch.randn(copies.shape, generator=torch.Generator().manual_seed(0))
    copies = (copies * 0.96 + 5 + noise).clamp(0, 255).byte()
    count, example = check(images[:300], torch.cat([images[300:], copies]))
    assert 55 <= count <= 60
    assert example is not None
    assert int(example[0].split()[1]) - 100 == int(example[1].split()[1])
