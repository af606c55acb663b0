"""Denoising by thresholding the cosine transform of every 8 × 8 patch. Knows no distortion: a noise level goes in.

Yu and Sapiro, "DCT image denoising: a simple and effective image denoising algorithm" (Image Processing On Line,
2011): three colour channels decorrelated, every patch at every position transformed, coefficients below three
standard deviations set to zero, overlapping results averaged.
"""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

PATCH = 8
"""Side of a patch in pixels."""

THRESHOLD = 3.0
"""Standard deviations of the noise below which a coefficient is taken for noise."""


def denoise_dct(images_NCHW: Tensor, sigma: float) -> Tensor:
    """Pictures (N, 3, H, W) with white noise of standard deviation `sigma` on every channel, denoised; not clipped.

    Plane by plane: the 64 coefficients of every pixel of one plane stay in the processor's cache, which is several
    times faster than the whole batch at once, and a picture's result does not depend on its batch.
    """
    colour = _dct_matrix(3).to(images_NCHW)
    threshold = THRESHOLD * sigma
    clean = [
        torch.stack([_denoise_plane(plane, threshold) for plane in torch.tensordot(colour, image, 1)])
        for image in images_NCHW
    ]
    return torch.stack([torch.tensordot(colour.T, planes, 1) for planes in clean])


def _denoise_plane(plane_HW: Tensor, threshold: float) -> Tensor:
    """Every patch without its coefficients below `threshold` (its mean is kept), overlapping patches averaged."""
    rows, columns = (_dct_matrix(min(PATCH, size)).to(plane_HW) for size in plane_HW.shape)
    half_FhW = torch.tensordot(rows, _windows(plane_HW, len(rows), dim=0), 1)
    coefficients_GFhw = torch.tensordot(columns, _windows(half_FhW, len(columns), dim=2), 1)
    kept_GFhw = functional.hardshrink(coefficients_GFhw, threshold)
    kept_GFhw[0, 0] = coefficients_GFhw[0, 0]
    half_FhW = _overlapped(torch.tensordot(columns.T, kept_GFhw, 1), dim=2)
    sums_HW = _overlapped(torch.tensordot(rows.T, half_FhW, 1), dim=0)
    return sums_HW / _patches_over(*plane_HW.shape).to(plane_HW)


def _windows(values: Tensor, side: int, dim: int) -> Tensor:
    """`values` from each of `side` starts along `dim`, stacked in front: the offsets within a window come first."""
    count = values.shape[dim] - side + 1
    return torch.stack([values.narrow(dim, start, count) for start in range(side)])


def _overlapped(windows: Tensor, dim: int) -> Tensor:
    """The adjoint of `_windows`: what the windows say of each place along `dim`, summed."""
    side, *shape = windows.shape
    count = shape[dim]
    shape[dim] += side - 1
    sums = windows.new_zeros(shape)
    for start, values in enumerate(windows):
        sums.narrow(dim, start, count).add_(values)
    return sums


@cache
def _dct_matrix(size: int) -> Tensor:
    """Orthonormal DCT-II, (size, size), a row for every frequency; float64."""
    index = torch.arange(size, dtype=torch.float64)
    matrix = torch.cos(math.pi / size * index[:, None] * (index + 0.5)) * math.sqrt(2 / size)
    matrix[0] = math.sqrt(1 / size)
    return matrix


@cache
def _patches_over(height: int, width: int) -> Tensor:
    """How many patches cover each pixel, (height, width)."""
    rows, columns = (
        _overlapped(torch.ones(min(PATCH, size), max(1, size - PATCH + 1)), dim=0) for size in (height, width)
    )
    return rows[:, None] * columns
