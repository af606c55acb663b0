"""Crops lie in the picture, never overlap, and prefer structure."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trainctl.engine.data.quality.crops import cells_of, choose_corners, cut
from trainctl.engine.data.quality.photographs import share_out


@given(st.integers(8, 40), st.integers(8, 40), st.integers(2, 8), st.data())
def test_crops_lie_inside_and_do_not_overlap(height: int, width: int, size: int, data: st.DataObject) -> None:
    num = data.draw(st.integers(1, cells_of(height, width, size)))
    picture = np.random.default_rng(0).integers(0, 256, (3, height, width), dtype=np.uint8)
    corners = choose_corners(picture, size, num, np.random.default_rng(data.draw(st.integers(0, 99))))
    covered = np.zeros((height, width), dtype=int)
    for top, left in corners:
        assert 0 <= top <= height - size
        assert 0 <= left <= width - size
        covered[top : top + size, left : left + size] += 1
    assert len(corners) == num
    assert covered.max() == 1
    assert cut(picture, corners, size).shape == (num, 3, size, size)


def test_a_cut_piece_is_the_picture_at_its_corner() -> None:
    picture = np.arange(3 * 6 * 8, dtype=np.uint8).reshape(3, 6, 8)
    assert (cut(picture, [(1, 3)], 2)[0] == picture[:, 1:3, 3:5]).all()


def test_structured_parts_are_preferred_to_a_flat_sky() -> None:
    picture = np.full((3, 64, 64), 200, dtype=np.uint8)
    picture[:, 32:] = np.random.default_rng(0).integers(0, 256, (3, 32, 64), dtype=np.uint8)
    corners = choose_corners(picture, 16, 6, np.random.default_rng(1))
    assert all(top >= 32 for top, _ in corners)


def test_few_crops_are_spread_over_the_picture() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (3, 80, 80), dtype=np.uint8)
    for seed in range(5):
        (first, second) = choose_corners(picture, 8, 2, np.random.default_rng(seed))
        assert max(abs(first[0] - second[0]), abs(first[1] - second[1])) >= 40


@given(st.lists(st.integers(0, 20), min_size=1, max_size=30), st.integers(0, 200))
def test_shares_are_as_equal_as_capacities_allow(capacities: list[int], num: int) -> None:
    shares = share_out(capacities, num)
    assert sum(shares) == min(num, sum(capacities))
    assert all(0 <= share <= room for share, room in zip(shares, capacities, strict=True))
    not_full = [share for share, room in zip(shares, capacities, strict=True) if share < room]
    if not_full:
        assert max(shares) - min(not_full) <= 1
