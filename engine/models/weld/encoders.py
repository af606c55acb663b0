"""Encoders of one modality: rows of features to tokens of one width. Knows no modality, no fusion, no task."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainctl.engine.models.tokens import TransformerLayer, mlp

CONV_KERNEL, CONV_STRIDE = 5, 4
LEAST_STD = 1e-6
"""A feature that varies less than this, relative to its size, is taken as constant."""


class Standardise(nn.Module):
    """Shifts and scales every feature to mean 0 and deviation 1 of what it was fitted to; at first the identity."""

    mean: Tensor
    scale: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))

    def fit(self, rows_NRF: Tensor) -> None:
        """Measure mean and deviation over samples and rows; a feature that never changes is only shifted."""
        if not rows_NRF.numel():
            return
        std_F, mean_F = torch.std_mean(rows_NRF.float(), (0, 1), correction=0)
        self.mean.copy_(mean_F)
        self.scale.copy_(torch.where(std_F > LEAST_STD * (1 + mean_F.abs()), 1 / std_F, 1.0))

    def forward(self, rows_NRF: Tensor) -> Tensor:
        """Same shape."""
        return (rows_NRF - self.mean) * self.scale


class RowProjection(nn.Module):
    """Groups `patch` neighbouring rows and projects them to the token width."""

    def __init__(self, features: int, width: int, patch: int) -> None:
        super().__init__()
        self.patch = patch
        self.linear = nn.Linear(patch * features, width)

    def forward(self, rows_NRF: Tensor) -> Tensor:
        """(N, R, F) to (N, ceil(R / patch), width); rows that are wanting are zeros."""
        num, rows, features = rows_NRF.shape
        wanting = -rows % self.patch
        if wanting:
            rows_NRF = F.pad(rows_NRF, (0, 0, 0, wanting))
        return self.linear(rows_NRF.reshape(num, -1, self.patch * features))


class MlpEncoder(nn.Module):
    """Each row by itself: projection, then a residual MLP of twice the width with GELU."""

    def __init__(self, shape: tuple[int, int], width: int, *, patch: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        self.project = RowProjection(shape[1], width, patch)
        self.mlp = nn.Sequential(nn.GELU(), nn.Dropout(dropout), mlp(width, 2 * width))
        self.norm = nn.LayerNorm(width)

    def forward(self, rows_NRF: Tensor) -> Tensor:
        """(N, R, F) to tokens (N, T, width)."""
        tokens_NTW = self.project(rows_NRF)
        return self.norm(tokens_NTW + self.mlp(tokens_NTW))


class TransformerEncoder(nn.Module):
    """Projection with learned positions, then pre-norm transformer layers over the rows."""

    def __init__(
        self, shape: tuple[int, int], width: int, layers: int, *, patch: int = 1, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.project = RowProjection(shape[1], width, patch)
        self.position = nn.Parameter(torch.randn(-(-shape[0] // patch), width) * 0.02)
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.Sequential(*(TransformerLayer(width) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)

    def forward(self, rows_NRF: Tensor) -> Tensor:
        """(N, R, F) to tokens (N, T, width)."""
        return self.norm(self.layers(self.dropout(self.project(rows_NRF) + self.position)))


class ConvEncoder(nn.Module):
    """Two convolutions along the rows, the first with stride 4 where there are rows enough."""

    def __init__(self, shape: tuple[int, int], width: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        stride = CONV_STRIDE if shape[0] >= 2 * CONV_STRIDE else 1
        self.first = nn.Conv1d(shape[1], width, CONV_KERNEL, stride, CONV_KERNEL // 2)
        self.second = nn.Conv1d(width, width, CONV_KERNEL, stride, CONV_KERNEL // 2)
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(width)

    def forward(self, rows_NRF: Tensor) -> Tensor:
        """(N, R, F) to tokens (N, T, width)."""
        hidden_NWT = F.gelu(self.first(rows_NRF.transpose(1, 2)))
        return self.norm(F.gelu(self.second(self.dropout(hidden_NWT))).transpose(1, 2))


def build_encoder(
    name: str, shape: tuple[int, int], width: int, *, layers: int, patch: int = 1, dropout: float = 0.0
) -> nn.Module:
    """The encoder called `mlp`, `transformer` or `conv` for rows × features; `patch` is not for `conv`."""
    if name == "mlp":
        return MlpEncoder(shape, width, patch=patch, dropout=dropout)
    if name == "transformer":
        return TransformerEncoder(shape, width, layers, patch=patch, dropout=dropout)
    assert name == "conv", name
    return ConvEncoder(shape, width, dropout=dropout)
