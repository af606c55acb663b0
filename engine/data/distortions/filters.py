"""Linear filters that repeat the border pixel beyond the edge: separable ones such as the Gaussian, and small kernels.

Knows nothing of distortions: a width goes in, filtered pictures come out.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional


def gaussian_kernel(sigma: float) -> Tensor:
    """Sampled Gaussian of 2⌈2σ⌉+1 taps that sum to one, float64. σ in pixels, above 0.

    The width is the default of MATLAB's `imgaussfilt`, with which KADID-10k was made.
    """
    half = math.ceil(2 * sigma)
    offset = torch.arange(-half, half + 1, dtype=torch.float64)
    kernel = torch.exp(-0.5 * (offset / sigma) ** 2)
    return kernel / kernel.sum()


def border_matrix(kernel: Tensor, size: int) -> Tensor:
    """(size, size) matrix that correlates a line of `size` pixels with an odd `kernel`, its end pixels repeated.

    A tap that falls outside adds its weight to the edge pixel, so no padded copy of a picture is needed however wide
    the kernel is; for small pictures two matrix products are also several times faster than a convolution.
    """
    half = kernel.numel() // 2
    rows = torch.arange(size)[:, None].expand(size, kernel.numel())
    columns = (rows + torch.arange(-half, half + 1)).clamp(0, size - 1)
    matrix = torch.zeros(size, size, dtype=kernel.dtype)
    return matrix.index_put_((rows, columns), kernel.expand(size, -1), accumulate=True)


def separable_filter(images_NCHW: Tensor, kernel: Tensor) -> Tensor:
    """Correlate rows and columns with the same odd one-dimensional `kernel`, borders repeated. Same shape and type."""
    rows, columns = (border_matrix(kernel, size).to(images_NCHW) for size in images_NCHW.shape[-2:])
    return rows @ images_NCHW @ columns.T


def gaussian_filter(images_NCHW: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of σ pixels, borders repeated, values not clipped; σ = 0 gives a copy. Any channels, same shape."""
    if sigma < 0:
        raise ValueError(f"sigma must not be negative, got {sigma}")
    if sigma == 0:
        return images_NCHW.clone()
    return separable_filter(images_NCHW, gaussian_kernel(sigma))


def kernel_filter(images_NCHW: Tensor, kernels_NKK: Tensor) -> Tensor:
    """Correlate each picture with its own odd square kernel, all channels alike, borders repeated. Same shape.

    `kernels_NKK` may hold one kernel for all pictures: (1, K, K).
    """
    n, channels, height, width = images_NCHW.shape
    half = kernels_NKK.shape[-1] // 2
    padded = functional.pad(images_NCHW, (half, half, half, half), mode="replicate")
    weights = kernels_NKK.to(images_NCHW).expand(n, -1, -1).repeat_interleave(channels, dim=0).unsqueeze(1)
    lines = padded.reshape(1, n * channels, height + 2 * half, width + 2 * half)
    return functional.conv2d(lines, weights, groups=n * channels).reshape(images_NCHW.shape)
