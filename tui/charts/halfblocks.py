"""Pictures as character cells: two pixels in a cell, one above the other, or shades of plain characters. Pure.

A cell of a terminal is about twice as high as it is wide, so a half of it is about a square. Knows no widget.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Colour = tuple[int, int, int]

UPPER_HALF = "▀"
RAMP = " .:-=+*#%@"
"""Plain characters, from the least to the most ink."""
LUMINANCE = np.array([0.299, 0.587, 0.114])
"""Weights of red, green and blue (ITU-R BT.601)."""


@dataclass(frozen=True)
class Picture:
    """A picture in cells.

    Args:
        chars: shape (rows, columns).
        upper: colour of the upper half of each cell, shape (rows, columns, 3); none: plain characters.
        lower: colour of the lower half.
        is_odd: the picture ends in the upper half of the last row; its lower half is background.
    """

    chars: NDArray[np.str_]
    upper: Pixels | None = None
    lower: Pixels | None = None
    is_odd: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows."""
        rows, columns = self.chars.shape
        return columns, rows

    def row(self, y: int) -> Iterator[tuple[str, Colour | None, Colour | None]]:
        """Character, foreground and background of each cell of a row; none: the colour of the screen."""
        if self.upper is None or self.lower is None:
            yield from ((str(char), None, None) for char in self.chars[y])
            return
        ends = self.is_odd and y == len(self.chars) - 1
        pairs = zip(self.upper[y].tolist(), self.lower[y].tolist(), strict=True)
        for char, (above, below) in zip(self.chars[y], pairs, strict=True):
            yield str(char), tuple(above), None if ends else tuple(below)


def half_blocks(image_HWC: Pixels, columns: int, rows: int) -> Picture:
    """An image as coloured half blocks in at most `columns` x `rows` cells, its aspect kept.

    Args:
        image_HWC: uint8, three channels.
        columns: cells there is room for.
        rows: the same, downwards.
    """
    width, height = fitted(image_HWC.shape[1], image_HWC.shape[0], columns, 2 * rows)
    if not width or not height:
        return Picture(np.full((0, 0), " "))
    pixels = resized(image_HWC, width, height)
    is_odd = height % 2 == 1
    if is_odd:
        pixels = np.concatenate([pixels, pixels[-1:]])
    upper, lower = pixels[0::2], pixels[1::2]
    return Picture(np.full(upper.shape[:2], UPPER_HALF), upper, lower, is_odd)


def shades(image_HWC: Pixels, columns: int, rows: int, *, dark: bool = True) -> Picture:
    """An image as plain characters, more ink for what differs more from the background.

    Args:
        image_HWC: uint8, three channels.
        columns: cells there is room for.
        rows: the same, downwards.
        dark: the background is dark, so light parts take the ink.
    """
    width, height = fitted(image_HWC.shape[1], image_HWC.shape[0], columns, 2 * rows)
    if not width or not height:
        return Picture(np.full((0, 0), " "))
    light = resized(image_HWC, width, (height + 1) // 2) @ LUMINANCE / 255
    ink = light if dark else 1 - light
    table = np.array(list(RAMP))
    return Picture(table[np.rint(ink * (len(RAMP) - 1)).astype(np.int64)])


def greyed(image_HWC: Pixels) -> Pixels:
    """The same image in shades of grey, in three equal channels."""
    grey_HW = np.rint(image_HWC @ LUMINANCE).clip(0, 255).astype(np.uint8)
    return np.repeat(grey_HW[..., None], 3, axis=2)


def fitted(width: int, height: int, most_columns: int, most_rows: int) -> tuple[int, int]:
    """The largest size with the same aspect inside a frame, at least one by one; (0, 0) where nothing fits."""
    if min(width, height, most_columns, most_rows) <= 0:
        return 0, 0
    scale = min(most_columns / width, most_rows / height)
    return max(round(width * scale), 1), max(round(height * scale), 1)


def resized(image_HWC: Pixels, width: int, height: int) -> Pixels:
    """The image at another size: each new pixel is the mean of the part of the image that it covers.

    Shape (height, width, C), uint8.
    """
    down = _shares(image_HWC.shape[0], height) @ image_HWC.reshape(image_HWC.shape[0], -1)
    across = down.reshape(height, *image_HWC.shape[1:]).transpose(0, 2, 1) @ _shares(image_HWC.shape[1], width).T
    return np.rint(across.transpose(0, 2, 1)).clip(0, 255).astype(np.uint8)


def _shares(old: int, new: int) -> NDArray[np.float64]:
    """How much of each old pixel is in each new one, shape (new, old); every row sums to 1."""
    edges = np.linspace(0, old, new + 1)
    low = np.maximum(edges[:-1, None], np.arange(old)[None])
    high = np.minimum(edges[1:, None], np.arange(1, old + 1)[None])
    covered = np.maximum(high - low, 0)
    return covered / covered.sum(1, keepdims=True)
