"""The distortion that leaves a picture few grey levels, with thresholds fitted to it.

KADID-10k type 22 (Lin, Hosu and Saupe 2019): multi-level Otsu thresholds over the values of all three channels. The
thresholds here are the optimum itself, found by dynamic programming over a histogram (Liao, Chen and Chung 2001);
MATLAB's `multithresh`, which made KADID-10k, searches for the same optimum and may stop beside it. Pictures are
float32 sRGB in [0, 1]. Knows nothing of levels and scores.
"""

from __future__ import annotations

import torch
from torch import Tensor

BINS = 256
"""Bins of the histogram, between the smallest and the largest value of a picture; as in `multithresh`."""

CHUNK = 16
"""Pictures whose tables (BINS² numbers each) are worked on at a time, so that they stay in the cache."""


def quantisation(images_NCHW: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Type 22: `strength` thresholds cut the values of a picture into classes; a value becomes its upper threshold.

    The lowest class becomes the smallest value of the picture and the highest class the largest. KADID-10k takes 0 and
    1 there, which is the same for a photograph of full contrast; a crop of plain sky would get black and white dots.
    """
    del generator  # Nothing is random here.
    low_N, high_N = (end[:, None, None, None] for end in images_NCHW.flatten(1).aminmax(dim=1))
    width_N = ((high_N - low_N) / BINS).clamp(min=torch.finfo(torch.float32).tiny)
    bins_NCHW = ((images_NCHW - low_N) / width_N).long().clamp_(0, BINS - 1)
    last_NT = otsu_thresholds(_histogram(bins_NCHW), int(strength))
    shown_NB = _value_of_bins(last_NT).to(images_NCHW.dtype)
    level_NCHW = shown_NB.gather(1, bins_NCHW.flatten(1)).view_as(images_NCHW)
    return torch.lerp(low_N, high_N, level_NCHW).clamp_(0, 1)


def _histogram(bins_NCHW: Tensor) -> Tensor:
    """How many values of each picture fall into each bin: (N, BINS), float64."""
    flat = bins_NCHW.flatten(1)
    counts = torch.zeros(len(flat), BINS, dtype=torch.float64, device=flat.device)
    return counts.scatter_add_(1, flat, counts.new_ones(1).expand_as(flat))


def _value_of_bins(last_NT: Tensor) -> Tensor:
    """What each bin becomes, as a share of the picture's range 0 … 1: (N, BINS)."""
    n, thresholds = last_NT.shape
    bins = torch.arange(BINS, device=last_NT.device).repeat(n, 1)
    class_NB = torch.searchsorted(last_NT, bins)
    ends = torch.full((n, 1), BINS, device=last_NT.device)
    edges = torch.cat([torch.zeros_like(ends), last_NT[:, 1:] + 1, ends], dim=1)
    assert edges.shape == (n, thresholds + 1)
    return edges.gather(1, class_NB) / BINS


def otsu_thresholds(histogram_NB: Tensor, thresholds: int) -> Tensor:
    """The last bins of all classes but the highest that make the variance between `thresholds` + 1 classes largest.

    `histogram_NB` holds counts per bin, float64; the result is (N, thresholds) int64, rising strictly.
    """
    if not 1 <= thresholds < histogram_NB.shape[1]:
        raise ValueError(f"thresholds must be 1 … {histogram_NB.shape[1] - 1}, got {thresholds}")
    return torch.cat([_thresholds_of_chunk(chunk, thresholds) for chunk in histogram_NB.split(CHUNK)])


def _thresholds_of_chunk(histogram_NB: Tensor, thresholds: int) -> Tensor:
    """`otsu_thresholds` for a few pictures.

    `best[k][n, i]` is the largest sum over k + 1 classes that cover the bins below i. The way back recomputes the one
    row it needs, which is cheaper than to remember where each maximum was.
    """
    gain_NIJ = _gains(histogram_NB)
    best = [gain_NIJ[:, :, 0]]
    for _ in range(thresholds - 1):
        best.append((gain_NIJ + best[-1][:, None, :]).amax(dim=2))
    row_N = torch.arange(len(histogram_NB), device=histogram_NB.device)
    end_N = torch.full_like(row_N, histogram_NB.shape[1])
    lasts: list[Tensor] = []
    for before in reversed(best):
        end_N = (gain_NIJ[row_N, end_N] + before).argmax(dim=1)
        lasts.append(end_N - 1)
    return torch.stack(lasts[::-1], dim=1)


def _gains(histogram_NB: Tensor) -> Tensor:
    """Share of the between-class variance that one class of the bins j … i−1 adds: (N, BINS+1 for i, BINS+1 for j).

    (Σ count · bin)² / Σ count, 0 for a class of empty bins and −∞ where there is no bin. Bins are counted from the
    mean of the picture, which keeps float32 exact enough.
    """
    share_NB = histogram_NB / histogram_NB.sum(dim=1, keepdim=True)
    bins = torch.arange(histogram_NB.shape[1], dtype=torch.float64, device=histogram_NB.device)
    offset_NB = bins - (share_NB * bins).sum(dim=1, keepdim=True)
    weight = _from_zero(share_NB)
    moment = _from_zero(share_NB * offset_NB)
    weight_NIJ = weight[:, :, None] - weight[:, None, :]
    moment_NIJ = moment[:, :, None] - moment[:, None, :]
    gain_NIJ = moment_NIJ.square() / weight_NIJ.clamp(min=torch.finfo(torch.float64).eps)
    empty = torch.ones_like(gain_NIJ[0], dtype=torch.bool).triu()
    return gain_NIJ.masked_fill_(empty, -torch.inf).float()


def _from_zero(values_NB: Tensor) -> Tensor:
    """Sums of the first 0, 1, … values: (N, B + 1)."""
    return torch.nn.functional.pad(values_NB.cumsum(dim=1), (1, 0))
