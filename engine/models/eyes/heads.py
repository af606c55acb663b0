"""Classifier heads of the eye classifier: from a feature map (N, C, H, W) to one logit per image.

Knows the channels and the size of the map it is given, nothing of backbones, images or losses.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainctl.engine.models.tokens import MixerLayer, TransformerLayer

AUTO = {"baseline": "avg", "inverted_se": "avgmax_mlp", "convnext": "transformer"}
"""Which head `auto` means for each backbone."""
TOKEN_HEADS = ("transformer", "mlp_mixer")
"""Heads that pool the map to a grid of tokens."""


def resolve_head(head: str, arch: str) -> str:
    """The head's own name, for `auto` the one that belongs to the backbone."""
    return AUTO[arch] if head == "auto" else head


class AvgHead(nn.Module):
    """Mean over positions, BatchNorm, dropout, linear."""

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(channels)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(channels, 1)

    def forward(self, map_NCHW: Tensor) -> Tensor:
        """(N, C, H, W) to logits (N,)."""
        return self.classifier(self.dropout(self.norm(map_NCHW.mean((2, 3))))).squeeze(1)


class AvgMaxMlpHead(nn.Module):
    """Mean and maximum over positions, BatchNorm, dropout, linear to max(16, C), ReLU, dropout, linear."""

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__()
        hidden = max(16, channels)
        self.norm = nn.BatchNorm1d(2 * channels)
        self.dropout = nn.Dropout(dropout)
        self.hidden = nn.Linear(2 * channels, hidden)
        self.classifier = nn.Linear(hidden, 1)

    def forward(self, map_NCHW: Tensor) -> Tensor:
        """(N, C, H, W) to logits (N,)."""
        pooled_NC = torch.cat([map_NCHW.mean((2, 3)), map_NCHW.amax((2, 3))], dim=1)
        hidden_NC = F.relu(self.hidden(self.dropout(self.norm(pooled_NC))))
        return self.classifier(self.dropout(hidden_NC)).squeeze(1)


class TokenGrid(nn.Module):
    """Average-pools a map to a fixed grid of tokens that divides it exactly.

    Args:
        map_size: height and width of the map.
        grid: rows and columns of the grid.
    """

    def __init__(self, map_size: tuple[int, int], grid: tuple[int, int]) -> None:
        super().__init__()
        if map_size[0] % grid[0] or map_size[1] % grid[1]:
            raise ValueError(f"grid {grid} does not divide map {map_size}")
        self.grid = grid
        self.cell = (map_size[0] // grid[0], map_size[1] // grid[1])

    def forward(self, map_NCHW: Tensor) -> Tensor:
        """(N, C, H, W) to tokens (N, T, C), row by row."""
        (rows, columns), (height, width) = self.grid, self.cell
        channels = map_NCHW.shape[1]
        cells = map_NCHW.reshape(-1, channels, rows, height, columns, width)
        return cells.mean((3, 5)).flatten(2).transpose(1, 2)


class TokenHead(nn.Module):
    """Token grid, transformer or mixer layers, mean over tokens, LayerNorm, dropout, linear."""

    def __init__(self, pool: TokenGrid, layers: nn.Sequential, channels: int, dropout: float) -> None:
        super().__init__()
        self.pool = pool
        self.layers = layers
        self.norm = nn.LayerNorm(channels)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(channels, 1)

    def forward(self, map_NCHW: Tensor) -> Tensor:
        """(N, C, H, W) to logits (N,)."""
        tokens_NTC = self.layers(self.pool(map_NCHW))
        return self.classifier(self.dropout(self.norm(tokens_NTC.mean(1)))).squeeze(1)


def build_head(
    name: str,
    channels: int,
    map_size: tuple[int, int],
    *,
    dropout: float,
    token_grid: tuple[int, int],
    token_layers: int,
) -> nn.Module:
    """The head called `name` (not `auto`) for a map of `channels` and `map_size`."""
    if name == "avg":
        return AvgHead(channels, dropout)
    if name == "avgmax_mlp":
        return AvgMaxMlpHead(channels, dropout)
    if name not in TOKEN_HEADS:
        raise ValueError(f"no head called {name!r}")
    tokens = token_grid[0] * token_grid[1]
    layers = nn.Sequential(
        *(
            TransformerLayer(channels) if name == "transformer" else MixerLayer(channels, tokens)
            for _ in range(token_layers)
        )
    )
    return TokenHead(TokenGrid(map_size, token_grid), layers, channels, dropout)
