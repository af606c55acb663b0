"""Line plots as SVG and PNG: panels side by side, lines with bands, axes, a legend. Pure; knows no run.

What is drawn is decided once, as strokes, areas and words; the two formats only write them. No file holds a date: equal
figures give equal files.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from trainctl.tui.charts.axis import Axis, fit_axis, short, ticks
from trainctl.tui.plain import printable

WIDTH, HEIGHT = 440, 300
"""Of a panel, in units of the picture."""
LEFT, RIGHT, TOP, BOTTOM = 60, 12, 30, 40
LEGEND_LINE = 16
SIZE = 11
"""Of the letters."""
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999")
"""Told apart by the colour-blind too (Okabe and Ito)."""
GREY, INK, PAPER = "#d8d8d8", "#333333", "#ffffff"
BAND = 0.18
"""Opacity."""
ENLARGED, SMOOTHED = 2, 2
"""A PNG has so many pixels for a unit, each the mean of so many squared."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Curve:
    """A line and its band."""

    label: str
    points: Sequence[tuple[float, float, float, float]]
    """x, mean, least, greatest; all finite."""


@dataclass(frozen=True)
class Panel:
    """One plot."""

    title: str
    curves: Sequence[Curve]
    x_label: str = "epoch"


@dataclass(frozen=True)
class _Stroke:
    points: Sequence[Point]
    colour: str
    width: float = 1.0


@dataclass(frozen=True)
class _Area:
    points: Sequence[Point]
    colour: str


@dataclass(frozen=True)
class _Dot:
    at: Point
    colour: str


@dataclass(frozen=True)
class _Words:
    at: Point
    text: str
    anchor: str = "start"
    """start, middle or end."""
    is_bold: bool = False


_Mark = _Stroke | _Area | _Dot | _Words


def to_svg(panels: Sequence[Panel]) -> str:
    """The picture as SVG."""
    width, height = _size(panels)
    body = "\n".join(_svg(mark) for mark in _marks(panels))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'font-family="sans-serif" font-size="{SIZE}">\n<rect width="100%" height="100%" fill="{PAPER}"/>\n'
        f"{body}\n</svg>\n"
    )


def to_png(panels: Sequence[Panel]) -> bytes:
    """The picture as PNG."""
    from PIL import Image, ImageColor, ImageDraw, ImageFont

    width, height = _size(panels)
    factor = ENLARGED * SMOOTHED
    image = Image.new("RGB", (width * factor, height * factor), PAPER)
    draw = ImageDraw.Draw(image, "RGBA")
    font: Any = ImageFont.load_default(SIZE * factor)
    for mark in _marks(panels):
        match mark:
            case _Stroke(points, colour, breadth):
                draw.line([(x * factor, y * factor) for x, y in points], colour, round(breadth * factor), "curve")
            case _Area(points, colour):
                shade = (*ImageColor.getrgb(colour)[:3], round(BAND * 255))
                draw.polygon([(x * factor, y * factor) for x, y in points], shade)
            case _Dot((x, y), colour):
                draw.ellipse([(c + by) * factor for by in (-2.5, 2.5) for c in (x, y)], colour)
            case _Words((x, y), text, anchor, is_bold):
                letter = {"start": "l", "middle": "m", "end": "r"}[anchor]
                place = (x * factor, y * factor)
                draw.text(place, text, INK, font, f"{letter}s", stroke_width=factor // 8 if is_bold else 0)
    out = io.BytesIO()
    image.resize((width * ENLARGED, height * ENLARGED), Image.Resampling.BOX).save(out, "PNG")
    return out.getvalue()


def _size(panels: Sequence[Panel]) -> tuple[int, int]:
    legend = max((len(panel.curves) for panel in panels), default=0) * LEGEND_LINE
    return WIDTH * max(len(panels), 1), HEIGHT + legend


def _marks(panels: Sequence[Panel]) -> list[_Mark]:
    return [mark for k, panel in enumerate(panels) for mark in _panel(panel, float(WIDTH * k))]


def _panel(panel: Panel, left: float) -> list[_Mark]:
    points = [point for curve in panel.curves for point in curve.points]
    if not points:
        return []
    x_axis = fit_axis(min(p[0] for p in points), max(p[0] for p in points))
    y_axis = fit_axis(min(p[2] for p in points), max(p[3] for p in points))

    def place(x: float, y: float) -> Point:
        across, up = x_axis.place(x), y_axis.place(y)
        return left + LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    marks: list[_Mark] = [_Words((left + LEFT, TOP - 12.0), printable(panel.title), is_bold=True)]
    marks += [_Words((left + (WIDTH + LEFT - RIGHT) / 2, HEIGHT - 8.0), panel.x_label, "middle")]
    for y in ticks(y_axis, 6):
        marks.append(_Stroke([place(x_axis.lo, y), place(x_axis.hi, y)], GREY))
        marks.append(_Words((left + LEFT - 6, place(x_axis.lo, y)[1] + 4), short(y), "end"))
    for x in _whole_ticks(x_axis):
        marks.append(_Words((place(x, y_axis.lo)[0], HEIGHT - BOTTOM + 16.0), short(x), "middle"))
    marks.append(_Stroke([place(x_axis.lo, y_axis.lo), place(x_axis.hi, y_axis.lo)], INK))
    for k, curve in enumerate(panel.curves):
        colour, height = COLOURS[k % len(COLOURS)], HEIGHT + LEGEND_LINE * k + 4.0
        if curve.points:
            upper = [place(x, high) for x, _, _, high in curve.points]
            lower = [place(x, low) for x, _, low, _ in reversed(curve.points)]
            line = [place(x, mean) for x, mean, _, _ in curve.points]
            marks += [_Area([*upper, *lower], colour), _Stroke(line, colour, 1.6)] if len(line) > 1 else []
            marks += [_Dot(line[0], colour)] if len(line) == 1 else []
        marks.append(_Stroke([(left + LEFT, height - 4), (left + LEFT + 18, height - 4)], colour, 1.6))
        marks.append(_Words((left + LEFT + 24, height), printable(curve.label)))
    return marks


def _whole_ticks(axis: Axis) -> list[float]:
    """An epoch is whole."""
    return [tick for tick in ticks(axis, 8) if math.isclose(tick, round(tick), abs_tol=1e-9)]


def _svg(mark: _Mark) -> str:
    match mark:
        case _Stroke(points, colour, width):
            return f'<polyline points="{_svg_points(points)}" fill="none" stroke="{colour}" stroke-width="{width:g}"/>'
        case _Area(points, colour):
            return f'<polygon points="{_svg_points(points)}" fill="{colour}" fill-opacity="{BAND:g}"/>'
        case _Dot((x, y), colour):
            return f'<circle cx="{x:.2f}" cy="{y:.2f}" r="2.5" fill="{colour}"/>'
        case _Words((x, y), text, anchor, is_bold):
            weight = ' font-weight="bold"' if is_bold else ""
            place = f'x="{x:.2f}" y="{y:.2f}" text-anchor="{anchor}"'
            return f'<text {place} fill="{INK}"{weight}>{escape(text)}</text>'


def _svg_points(points: Sequence[Point]) -> str:
    return " ".join(f"{x:.2f},{y:.2f}" for x, y in points)
