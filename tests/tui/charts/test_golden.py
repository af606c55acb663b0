"""A picture of every feature, compared cell by cell.

Each file in `golden/` holds the characters of a chart and, below them, who drew each cell (`INKS`). After a change that
is meant to be seen, write them anew and look at the difference before it is committed:

    TRAINCTL_GOLDEN=write python -m pytest tests/tui/charts/test_golden.py && git diff tests/tui/charts/golden
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainctl.tui.charts.drawing import Drawing, draw
from trainctl.tui.charts.inks import (
    BAD_INK,
    BAND_INK,
    CURSOR_INK,
    DIM_INK,
    EMPTY_INK,
    HERE_INK,
    LABEL_INK,
    MARK_INK,
    NO_INK,
    RULE_INK,
    SPAN_INK,
)
from trainctl.tui.charts.plot import Content, EventMark, Line, Strip
from trainctl.tui.charts.positions import XMap
from trainctl.tui.charts.pyramid import Points, Pyramid
from trainctl.tui.charts.raster import Glyphs

GOLDEN = Path(__file__).parent / "golden"
WIDTH, HEIGHT = 64, 12
INKS = {
    NO_INK: " ",
    BAD_INK: "!",
    SPAN_INK: "s",
    RULE_INK: "r",
    MARK_INK: "m",
    HERE_INK: "h",
    LABEL_INK: "l",
    EMPTY_INK: "e",
    BAND_INK: "b",
    CURSOR_INK: "c",
    **{k: str(k) for k in range(8)},
    **{k + DIM_INK: "ABCDEFGH"[k] for k in range(8)},
}


def series(values: np.ndarray) -> Pyramid:
    """A series of these samples."""
    made = Pyramid()
    made.extend(values.astype(np.float32))
    return made


def falling(n: int = 4000, scale: float = 1.0, noise: float = 0.2) -> np.ndarray:
    """A loss as it should be: exact arithmetic only, so that every machine draws the same."""
    k = np.arange(n)
    return scale * (1 / (1 + k / 500) + noise * (k * 7919 % 1000) / 1000 + 0.05)


def with_value(values: np.ndarray, at: int, value: float) -> np.ndarray:
    """The same with another sample at one step."""
    values = values.copy()
    values[at] = value
    return values


TOTAL = Line("total", series(falling()), 0)
AUX = Line("aux", series(falling(scale=0.4, noise=0.02)), 1)
VALIDATION = Line(
    "val", Points(np.arange(500.0, 4000, 500), 0.9 / (1 + np.arange(500, 4000, 500) / 700)), 3, symbol="●"
)
EXPECTED = Line("expected", Points(np.array([0.0, 1000, 4000]), np.array([1.2, 0.3, 0.1])), 0, faint=True, smooth=False)
EPOCHS = XMap([0, 4000], [0.0, 8.0], "epoch")
TIME = XMap([0, 1500, 1501, 4000], [0.0, 1500.0, 6000.0, 8500.0], "time")
BOTH = (AUX, TOTAL)
STRIPS = (
    Strip((AUX,), "0.5 x 0.2 = 0.1"),
    Strip((replace(TOTAL, name="a long name of a term", ink=2),), "in words " * 9),
)
PICTURES: dict[str, tuple[Content, dict[str, Any]]] = {
    "line": (Content(lines=BOTH), {}),
    "log_axis": (Content(lines=BOTH, log=True), {}),
    "spike": (Content(lines=(Line("total", series(with_value(falling(), 2500, 3.0)), 0),)), {}),
    "gap": (Content(lines=(Line("total", series(with_value(falling(60), 30, np.nan)), 0),)), {}),
    "marks": (Content(lines=BOTH, marks=(EventMark(1000, "c"), EventMark(2500, "L", line=False))), {}),
    "rules": (Content(lines=BOTH, rules=((1.0, "clip 1"), (0.2, "floor"), 0.7)), {}),
    "bands": (Content(lines=BOTH, bands=((0.2, 0.6),)), {}),
    "spans": (Content(lines=BOTH, spans=((0, 800), (2000, 2100))), {}),
    "here": (Content(lines=BOTH, here=3000, x_range=(0, 6000)), {}),
    "cursor": (Content(lines=BOTH, cursor=1700, here=3999), {}),
    "window": (Content(lines=BOTH, window=(2000, 2030)), {}),
    "smoothing": (Content(lines=BOTH, smoothing=4), {}),
    "smoothing_log": (Content(lines=BOTH, smoothing=4, log=True), {}),
    "faint": (Content(lines=(EXPECTED, *BOTH)), {}),
    "epochs": (Content(lines=BOTH, x_map=EPOCHS, cursor=2600), {}),
    "time": (Content(lines=BOTH, x_map=TIME, marks=(EventMark(1500, "p"),)), {}),
    "symbols": (Content(lines=(*BOTH, VALIDATION)), {}),
    "letters": (Content(lines=(*BOTH, VALIDATION)), {"plain_ink": True}),
    "block": (Content(lines=(*BOTH, VALIDATION), smoothing=3, bands=((0.2, 0.4),)), {"glyphs": Glyphs.BLOCK}),
    "ascii": (
        Content(
            lines=(*BOTH, VALIDATION),
            smoothing=3,
            bands=((0.8, 1.0),),
            spans=((0, 400),),
            rules=((0.9, "clip"),),
            marks=(EventMark(3000, "c"),),
            cursor=2000,
        ),
        {"glyphs": Glyphs.ASCII, "plain_ink": True},
    ),
    "dashed": (Content(lines=(VALIDATION, replace(VALIDATION, ink=4, symbol="", dashed=True), AUX)), {}),
    "strips": (Content(lines=(TOTAL,), strips=STRIPS, cursor=1700), {}),
    "strips_low": (Content(lines=(TOTAL,), strips=STRIPS, x_range=(0, 20_000)), {"height": 8, "gutter": 9}),
    "empty": (Content(empty="no step yet"), {}),
}


def as_file(drawing: Drawing) -> str:
    """Characters, an empty line, inks."""
    chars = [row.rstrip() for row in drawing.lines()]
    inks = ["".join(INKS[int(ink)] for ink in row).rstrip() for row in drawing.inks]
    return "\n".join([*chars, "", *inks]) + "\n"


@pytest.mark.parametrize("name", PICTURES)
def test_the_picture_is_as_it_was_last_approved(name: str):
    content, options = PICTURES[name]
    height = options.get("height", HEIGHT)
    sized: dict[str, Any] = {"width": WIDTH, "height": height, **options}
    drawing = draw(content, **sized)
    assert drawing.chars.shape == drawing.inks.shape == (height, WIDTH)
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("TRAINCTL_GOLDEN") == "write":
        path.write_text(as_file(drawing), encoding="utf-8")
    assert as_file(drawing) == path.read_text(encoding="utf-8")


def test_every_file_is_a_picture_that_is_compared():
    assert {path.stem for path in GOLDEN.iterdir()} == set(PICTURES)


@pytest.mark.parametrize("name", PICTURES)
def test_plain_terminals_get_plain_characters(name: str):
    content, options = PICTURES[name]
    plain: dict[str, Any] = {"width": WIDTH, "height": HEIGHT, **options, "glyphs": Glyphs.ASCII}
    drawing = draw(content, **plain)
    assert all(char.isascii() for char in drawing.chars.flat)
