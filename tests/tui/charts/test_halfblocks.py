"""Pictures in cells: colours of both halves, aspect, means, shades without colour."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainctl.tui.charts.halfblocks import RAMP, fitted, half_blocks, resized, shades

sizes = st.integers(1, 40)


def slow_mean(image: np.ndarray, width: int, height: int):
    """Each new pixel as the mean over a grid fine enough for both sizes."""
    fine = np.repeat(np.repeat(image.astype(float), height, 0), width, 1)
    rows, columns = fine.shape[0] // height, fine.shape[1] // width
    return fine.reshape(height, rows, width, columns, -1).mean((1, 3))


def test_a_cell_holds_two_pixels_one_above_the_other():
    image = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [9, 8, 7]]], np.uint8)
    picture = half_blocks(image, 2, 1)
    assert list(picture.row(0)) == [("▀", (255, 0, 0), (0, 0, 255)), ("▀", (0, 255, 0), (9, 8, 7))]


def test_the_lower_half_of_an_odd_last_row_is_background():
    picture = half_blocks(np.full((3, 2, 3), 50, np.uint8), 2, 2)
    assert picture.size == (2, 2)
    assert [cell[2] for cell in picture.row(0)] == [(50, 50, 50)] * 2
    assert [cell[2] for cell in picture.row(1)] == [None, None]


@given(sizes, sizes, sizes, sizes)
def test_a_picture_fits_its_frame_and_fills_one_side_of_it(width: int, height: int, columns: int, rows: int):
    w, h = fitted(width, height, columns, rows)
    assert 1 <= w <= columns and 1 <= h <= rows
    assert w == columns or h == rows


@given(sizes, sizes)
def test_the_aspect_is_kept_as_well_as_whole_pixels_allow(width: int, height: int):
    w, h = fitted(width, height, 400, 400)
    assert abs(w * height - h * width) <= max(width, height) / 2 + 1


@pytest.mark.parametrize("size", [(1, 1), (4, 2), (5, 7), (16, 9)])
def test_resizing_takes_the_mean_of_what_a_pixel_covers(size: tuple[int, int]):
    image = np.random.default_rng(0).integers(0, 256, (8, 6, 3)).astype(np.uint8)
    assert np.abs(resized(image, *size) - slow_mean(image, *size)).max() <= 0.5 + 1e-9


@given(sizes, sizes, st.integers(0, 255))
def test_one_colour_stays_that_colour(width: int, height: int, value: int):
    assert (resized(np.full((7, 5, 3), value, np.uint8), width, height) == value).all()


def test_shades_put_ink_where_the_picture_stands_out_from_the_background():
    image = np.zeros((2, 2, 3), np.uint8)
    image[:, 1] = 255
    assert [cell[0] for cell in shades(image, 2, 1).row(0)] == [RAMP[0], RAMP[-1]]
    assert [cell[0] for cell in shades(image, 2, 1, dark=False).row(0)] == [RAMP[-1], RAMP[0]]
    assert all(cell[1:] == (None, None) for cell in shades(image, 2, 1).row(0))


@pytest.mark.parametrize("frame", [(0, 5), (5, 0), (-1, 3)])
def test_no_room_gives_no_picture(frame: tuple[int, int]):
    image = np.zeros((4, 4, 3), np.uint8)
    assert half_blocks(image, *frame).size == (0, 0) and shades(image, *frame).size == (0, 0)


def test_both_ways_of_drawing_take_the_same_cells():
    image = np.zeros((33, 64, 3), np.uint8)
    assert half_blocks(image, 24, 10).size == shades(image, 24, 10).size
