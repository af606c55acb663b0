"""Tone curves: a smooth function through a few points, applied to every value of a picture.

Piecewise cubic Hermite interpolation with the slopes of Fritsch and Butland (1984), known as PCHIP: it rises wherever
the points rise and never leaves their range between two of them, which a cubic spline does. Knows no distortion.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor


def tone_curve(images_NCHW: Tensor, xs: Sequence[float], ys: Sequence[float]) -> Tensor:
    """Every value v replaced by curve(v), where the curve runs through the points (`xs`, `ys`); clipped to [0, 1].

    Any shape; a new tensor. `xs` rises strictly, at least two points. Values outside `xs` count as its nearest end.
    """
    if len(xs) != len(ys) or len(xs) < 2 or any(left >= right for left, right in pairwise(xs)):
        raise ValueError(f"a curve needs two points or more, with rising xs: got {xs} and {ys}")
    pieces = torch.tensor(_pieces(xs, ys), dtype=images_NCHW.dtype, device=images_NCHW.device)
    starts = torch.tensor(xs, dtype=images_NCHW.dtype, device=images_NCHW.device)
    values = images_NCHW.clamp(xs[0], xs[-1]).contiguous()  # bucketize warns about anything else
    piece = torch.bucketize(values, starts[1:-1], right=True, out_int32=True)
    constant, linear, square, cube = (row[piece] for row in pieces)
    t = values - starts[piece]
    return cube.mul_(t).add_(square).mul_(t).add_(linear).mul_(t).add_(constant).clamp_(0, 1)


def _pieces(xs: Sequence[float], ys: Sequence[float]) -> list[list[float]]:
    """Coefficients of 1, t, t², t³ for every piece, t counted from its start: four rows of len(xs) − 1."""
    widths = [right - left for left, right in pairwise(xs)]
    rises = [(high - low) / width for low, high, width in zip(ys, ys[1:], widths, strict=False)]
    slopes = _slopes(widths, rises)
    squares, cubes = [], []
    for width, rise, left, right in zip(widths, rises, slopes, slopes[1:], strict=False):
        squares.append((3 * rise - 2 * left - right) / width)
        cubes.append((left + right - 2 * rise) / width**2)
    return [list(ys[:-1]), slopes[:-1], squares, cubes]


def _slopes(widths: list[float], rises: list[float]) -> list[float]:
    """Slope of the curve at every point."""
    if len(rises) == 1:
        return [rises[0], rises[0]]
    inner = [_inner_slope(widths[i : i + 2], rises[i : i + 2]) for i in range(len(rises) - 1)]
    return [_end_slope(widths, rises), *inner, _end_slope(widths[::-1], rises[::-1])]


def _inner_slope(widths: list[float], rises: list[float]) -> float:
    """Weighted harmonic mean of the rises on both sides; flat at a peak, which keeps the curve within its points."""
    before, after = rises
    if before * after <= 0:
        return 0.0
    weight_before, weight_after = widths[0] + 2 * widths[1], 2 * widths[0] + widths[1]
    return (weight_before + weight_after) / (weight_before / before + weight_after / after)


def _end_slope(widths: list[float], rises: list[float]) -> float:
    """Slope of the parabola through the first three points at the first, limited so that the curve keeps its shape."""
    (near, far), (first, second) = widths[:2], rises[:2]
    slope = ((2 * near + far) * first - near * second) / (near + far)
    if slope * first <= 0:
        return 0.0
    return 3 * first if first * second < 0 and abs(slope) > abs(3 * first) else slope
