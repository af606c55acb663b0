"""Pictures with captions, side by side in as many columns as fit. Draws what it is given; reads no files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.cells import set_cell_size
from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.strip import Strip
from textual.widget import Widget

from trainctl.tui.charts.chart import Chart
from trainctl.tui.charts.halfblocks import Colour, Picture, fitted, greyed, half_blocks, shades
from trainctl.tui.charts.raster import Glyphs
from trainctl.tui.plain import cut, cut_start

GAP = 2
"""Columns between two pictures."""
MIN_WIDTH, USUAL_WIDTH, MAX_WIDTH = 12, 22, 40
"""Columns of a picture: the least, where there is room downwards, and the most."""
MIN_HEIGHT, MAX_HEIGHT = 5, 16
"""Rows of a picture in which an eye can still be told from another, and the most that are useful."""
LEAST_CAPTIONS = 3
"""Lines below a picture that are not given up for another row of pictures: truth, answer, loss."""


class Caption(NamedTuple):
    """A line below a picture."""

    text: str
    word: str
    """`ok`, `error`, `dim` or `text`."""
    keeps_end: bool = False
    """Where it does not fit its beginning is left out, not its end."""


@dataclass(frozen=True)
class Tile:
    """One picture: uint8 (H, W, 3), none where there is nothing to see, and the lines below it."""

    image: NDArray[np.uint8] | None
    captions: tuple[Caption, ...]


@dataclass(frozen=True)
class Grid:
    """How tiles are laid out: columns of them, and cells of each."""

    columns: int
    width: int
    picture_height: int
    captions: int

    @property
    def height(self) -> int:
        """Rows of cells that a row of tiles takes, without what is between two of them."""
        return self.picture_height + self.captions


class Pictures(Widget):
    """Tiles in rows; as high as they need unless its height is fixed, then as many as fit."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"pictures--{word}" for word in ("ok", "error", "dim", "text")}
    DEFAULT_CSS = """
    Pictures { height: auto; }
    Pictures > .pictures--ok { color: $success; }
    Pictures > .pictures--error { color: $error; text-style: bold; }
    Pictures > .pictures--dim { color: $chart-label; }
    Pictures > .pictures--text { color: $foreground; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.tiles: tuple[Tile, ...] = ()
        self._drawn: tuple[object, list[Strip]] | None = None

    def show_tiles(self, tiles: Sequence[Tile]) -> None:
        """Draw these from now on."""
        self.tiles = tuple(tiles)
        self._drawn = None
        self.refresh(layout=True)

    def notify_style_update(self) -> None:
        """Colours changed with the theme."""
        super().notify_style_update()
        self._drawn = None

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Rows that all tiles take."""
        grid = layout(self.tiles, width, None)
        rows = -(-len(self.tiles) // grid.columns)
        return max(rows * (grid.height + 1) - 1, 1) if self.tiles else 1

    def num_fitting(self, width: int, height: int) -> int:
        """How many tiles can be seen in so many cells."""
        grid = layout(self.tiles, width, height)
        return min(len(self.tiles), grid.columns * max((height + 1) // (grid.height + 1), 1))

    def on_drawn(self, shown: int) -> None:
        """So many tiles can be seen now; for those who say so."""

    def render_line(self, y: int) -> Strip:
        """One row of cells."""
        strips = self._strips()
        strip = strips[y] if y < len(strips) else Strip.blank(self.size.width)
        return strip.apply_style(self.rich_style)  # what has no colour of its own has the panel's

    def _strips(self) -> list[Strip]:
        is_plain = self.app.no_color or Chart.glyphs is Glyphs.ASCII
        key = (self.size, is_plain, self.app.current_theme.dark, Chart.plain_ink)
        if self._drawn is None or self._drawn[0] != key:
            self._drawn = key, self._draw(is_plain=is_plain, dark=self.app.current_theme.dark)
            self.call_later(self.on_drawn, self.num_fitting(*self.size))
        return self._drawn[1]

    def _draw(self, *, is_plain: bool, dark: bool) -> list[Strip]:
        width = self.size.width
        is_auto = self.styles.height is not None and self.styles.height.is_auto
        grid = layout(self.tiles, width, None if is_auto else self.size.height)
        strips: list[Strip] = []
        whole = len(self.tiles) if is_auto else self.num_fitting(width, self.size.height)
        for first in range(0, whole, grid.columns):
            row = self.tiles[first : first + grid.columns]
            pictures = [_picture(tile, grid, is_plain=is_plain, dark=dark) for tile in row]
            if strips:
                strips.append(Strip.blank(width))
            strips += [Strip(self._row(row, pictures, grid, y)).adjust_cell_length(width) for y in range(grid.height)]
        return strips

    def _row(self, tiles: Sequence[Tile], pictures: Sequence[Picture], grid: Grid, y: int) -> list[Segment]:
        segments: list[Segment] = []
        for tile, picture in zip(tiles, pictures, strict=True):
            if y < grid.picture_height:
                segments += picture_segments(picture, y, grid.width)
            else:
                segments.append(self._caption(tile, y - grid.picture_height, grid.width))
            segments.append(Segment(" " * GAP))
        return segments

    def _caption(self, tile: Tile, line: int, width: int) -> Segment:
        caption = tile.captions[line] if line < len(tile.captions) else Caption("", "text")
        style = self.get_component_rich_style(f"pictures--{caption.word}", partial=True)
        return Segment(set_cell_size(shortened(caption, width), width), Style(color=style.color, bold=style.bold))


def shortened(caption: Caption, width: int) -> str:
    """The text in at most `width` cells, with the number of characters that are left out."""
    return cut_start(caption.text, width) if caption.keeps_end else cut(caption.text, width)


def layout(tiles: Sequence[Tile], width: int, height: int | None) -> Grid:
    """Columns and cells of the tiles. With a height, as many tiles as can be recognised, then as large as they fit.

    Args:
        tiles: what is laid out.
        width: cells there are.
        height: the same, downwards; none: as many as it takes.
    """
    captions = max((len(tile.captions) for tile in tiles), default=0)
    image = next((tile.image for tile in tiles if tile.image is not None and tile.image.size), None)
    if image is None:
        columns = max((width + GAP) // (USUAL_WIDTH + GAP), 1)
        return Grid(columns, max((width + GAP) // columns - GAP, 1), 0, captions)
    aspect = image.shape[1], image.shape[0]
    if height is None:
        columns = max((width + GAP) // (USUAL_WIDTH + GAP), 1)
        return _grid(aspect, width, columns, MAX_HEIGHT, captions)
    least = min(captions, LEAST_CAPTIONS)
    rows = range(1, max((height + 1) // (MIN_HEIGHT + least + 1), 1) + 1)
    grids = [
        _grid(aspect, width, columns, (height + 1) // number - 1 - kept, kept)
        for number in rows
        for kept in [min(captions, max((height + 1) // number - 1 - MIN_HEIGHT, least if number > 1 else 1))]
        for columns in range(1, max((width + GAP) // (MIN_WIDTH + GAP), 1) + 1)
    ]

    def merit(grid: Grid) -> tuple[bool, int, int]:
        shown = grid.columns * max((height + 1) // (grid.height + 1), 1)
        return grid.picture_height >= MIN_HEIGHT, min(shown, len(tiles)), grid.picture_height * grid.width

    return max(grids, key=merit)


def _grid(aspect: tuple[int, int], width: int, columns: int, room: int, captions: int) -> Grid:
    """So many columns of pictures as large as `room` rows allow."""
    most = max(min((width + GAP) // columns - GAP, MAX_WIDTH), 1)
    across, pixels = fitted(*aspect, most, 2 * max(min(room, MAX_HEIGHT), 1))
    return Grid(columns, max(across, min(MIN_WIDTH, most)), -(-pixels // 2), captions)


def picture_segments(picture: Picture, y: int, width: int) -> list[Segment]:
    """One row of a picture, filled up with blanks to `width` cells; neighbours of one colour together."""
    columns, rows = picture.size
    if y >= rows:
        return [Segment(" " * width)]
    segments = [
        Segment("".join(char for char, _, _ in cells), _style(*colours))
        for colours, cells in groupby(picture.row(y), key=lambda cell: (cell[1], cell[2]))
    ]
    return [*segments, Segment(" " * (width - columns))] if width > columns else segments


def _picture(tile: Tile, grid: Grid, *, is_plain: bool, dark: bool) -> Picture:
    if tile.image is None or not tile.image.size:
        return Picture(np.full((0, 0), " "))
    if is_plain:
        return shades(tile.image, grid.width, grid.picture_height, dark=dark)
    image = greyed(tile.image) if Chart.plain_ink else tile.image
    return half_blocks(image, grid.width, grid.picture_height)


def _style(foreground: Colour | None, background: Colour | None) -> Style:
    return Style(
        color=None if foreground is None else Color.from_rgb(*foreground),
        bgcolor=None if background is None else Color.from_rgb(*background),
    )
