"""Small pictures of samples for the eye: any batch of images to uint8, at most 48 pixels a side. Knows no task."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

MAX_SIDE = 48
"""Longest side of a thumbnail, in pixels: more than a terminal has cells for."""
NAMES = ("images", "image")
"""Tensors that are taken before all others."""
CHANNELS = (1, 3)


def thumbnails(batch: Mapping[str, Tensor]) -> Tensor | None:
    """Pictures of the samples of a batch, uint8 (B, H, W, 3) on the CPU; None where no tensor holds any.

    Taken from `images`, `image` or the first tensor of shape (B, C, H, W) or (B, H, W, C) with 1 or 3 channels.
    Integers are shown as they are. So are floats if they all lie in [0, 1]; others are stretched, each picture from
    its least to its greatest value. What is not finite is black.
    """
    images_BCHW = _images(batch)
    if images_BCHW is None:
        return None
    values = images_BCHW.detach().float().cpu()
    if images_BCHW.is_floating_point():
        values = 255 * _in_unit_range(values)
    values = F.adaptive_avg_pool2d(values, _small(values.shape[-2], values.shape[-1]))
    return values.round().clamp(0, 255).to(torch.uint8).expand(-1, 3, -1, -1).permute(0, 2, 3, 1).contiguous()


def _images(batch: Mapping[str, Tensor]) -> Tensor | None:
    """The tensor that holds pictures, channels second."""
    first = [batch[name] for name in NAMES if name in batch]
    for tensor in (*first, *batch.values()):
        if tensor.ndim != 4 or 0 in tensor.shape or tensor.dtype == torch.bool or tensor.is_complex():
            continue
        if tensor.shape[1] in CHANNELS:
            return tensor
        if tensor.shape[3] in CHANNELS:
            return tensor.permute(0, 3, 1, 2)
    return None


def _in_unit_range(values_BCHW: Tensor) -> Tensor:
    finite = values_BCHW.isfinite()
    clean = values_BCHW.where(finite, values_BCHW.new_zeros(()))
    if bool((clean >= 0).all() and (clean <= 1).all()):
        return clean
    infinity = values_BCHW.new_full((), torch.inf)
    low = values_BCHW.where(finite, infinity).amin((1, 2, 3), keepdim=True)
    high = values_BCHW.where(finite, -infinity).amax((1, 2, 3), keepdim=True)
    stretched = (values_BCHW - low) / (high - low).clamp(min=torch.finfo(torch.float32).tiny)
    return stretched.where(finite, values_BCHW.new_zeros(()))


def _small(height: int, width: int) -> tuple[int, int]:
    scale = min(MAX_SIDE / max(height, width), 1.0)
    return max(round(height * scale), 1), max(round(width * scale), 1)
