"""Layers over tokens (N, T, C): self-attention, a transformer layer, a mixer layer. Know no head and no task."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class SelfAttention(nn.Module):
    """Multi-head self-attention (Vaswani et al. 2017); heads: the largest of 8…1 that divides the channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.heads = next(heads for heads in range(8, 0, -1) if channels % heads == 0)
        self.channels = channels
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)

    def forward(self, tokens_NTC: Tensor) -> Tensor:
        """(N, T, C) to the same shape."""
        tokens = tokens_NTC.shape[1]
        shape = (-1, tokens, 3, self.heads, self.channels // self.heads)
        query, key, value = self.qkv(tokens_NTC).reshape(shape).permute(2, 0, 3, 1, 4).unbind(0)
        mixed_NHTD = F.scaled_dot_product_attention(query, key, value)
        return self.out(mixed_NHTD.transpose(1, 2).reshape(-1, tokens, self.channels))


class TransformerLayer(nn.Module):
    """Pre-norm self-attention and feed-forward of width max(128, 2C) with GELU (Xiong et al. 2020)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(channels)
        self.attention = SelfAttention(channels)
        self.mlp_norm = nn.LayerNorm(channels)
        self.mlp = mlp(channels, max(128, 2 * channels))

    def forward(self, tokens_NTC: Tensor) -> Tensor:
        """(N, T, C) to the same shape."""
        tokens_NTC = tokens_NTC + self.attention(self.attention_norm(tokens_NTC))
        return tokens_NTC + self.mlp(self.mlp_norm(tokens_NTC))


class MixerLayer(nn.Module):
    """Mixes tokens (T→2T→T), then channels (C→2C→C), each pre-norm with GELU (Tolstikhin et al. 2021)."""

    def __init__(self, channels: int, tokens: int) -> None:
        super().__init__()
        self.token_norm = nn.LayerNorm(channels)
        self.token_mlp = mlp(tokens, 2 * tokens)
        self.channel_norm = nn.LayerNorm(channels)
        self.channel_mlp = mlp(channels, 2 * channels)

    def forward(self, tokens_NTC: Tensor) -> Tensor:
        """(N, T, C) to the same shape."""
        mixed_NCT = self.token_mlp(self.token_norm(tokens_NTC).transpose(1, 2))
        tokens_NTC = tokens_NTC + mixed_NCT.transpose(1, 2)
        return tokens_NTC + self.channel_mlp(self.channel_norm(tokens_NTC))


def mlp(width: int, hidden: int) -> nn.Sequential:
    """Linear, GELU, linear over the last dimension."""
    return nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))
