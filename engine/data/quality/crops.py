"""Cuts pieces of one size out of a picture, where there is something to see. Knows arrays only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Corner = tuple[int, int]
"""Top and left of a piece, in pixels."""


def cells_of(height: int, width: int, size: int) -> int:
    """How many pieces of `size` × `size` fit without overlap."""
    return (height // size) * (width // size)


def choose_corners(picture_CHW: Pixels, size: int, num: int, rng: np.random.Generator) -> list[Corner]:
    """Corners of `num` pieces that do not overlap, spread over the more structured half of the picture.

    The picture is divided into cells, the grid shifted at random within what is left over. Of the half of the cells
    with the largest variance (more where `num` needs them), each next one is the farthest from those already chosen;
    the first is drawn.

    Args:
        picture_CHW: uint8, shape (C, H, W), H and W at least `size`.
        size: height and width of a piece.
        num: 1 … `cells_of(H, W, size)`.
        rng: draws the shift of the grid and the first piece.

    Returns:
        (top, left) of each piece.
    """
    height, width = picture_CHW.shape[1:]
    rows, columns = height // size, width // size
    top, left = (int(rng.integers(rest + 1)) for rest in (height - rows * size, width - columns * size))
    grey_HW = picture_CHW[:, top : top + rows * size, left : left + columns * size].mean(0)
    deviation_G = grey_HW.reshape(rows, size, columns, size).std(axis=(1, 3)).ravel()
    likely_G = np.argsort(-deviation_G, kind="stable")[: max(num, -(-len(deviation_G) // 2))]
    cells_G2 = np.stack(np.divmod(likely_G, columns), axis=1)
    chosen = _spread(cells_G2, num, int(rng.integers(len(cells_G2))))
    return [(top + int(row) * size, left + int(column) * size) for row, column in cells_G2[chosen]]


def _spread(points_G2: NDArray[np.int64], num: int, first: int) -> list[int]:
    """Indices of `num` points, each the farthest from those before it; of equals the one that stands first."""
    chosen = [first]
    nearest_G = np.square(points_G2 - points_G2[first]).sum(1)
    while len(chosen) < num:
        chosen.append(int(nearest_G.argmax()))
        nearest_G = np.minimum(nearest_G, np.square(points_G2 - points_G2[chosen[-1]]).sum(1))
    return chosen


def cut(picture_CHW: Pixels, corners: list[Corner], size: int) -> Pixels:
    """The pieces at `corners`, uint8, shape (N, C, size, size)."""
    return np.stack([picture_CHW[:, top : top + size, left : left + size] for top, left in corners])
