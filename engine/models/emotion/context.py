"""What surrounds an utterance: attention within a window, and a memory that gates carry along the dialogue."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainctl.engine.models.emotion.gates import Gate, Gated
from trainctl.engine.models.emotion.options import GateName
from trainctl.engine.models.tokens import mlp


def window_mask(valid_BL: Tensor, window: int) -> Tensor:
    """Which utterance may look at which: (B, L, L), true where it may.

    Those of the dialogue that are at most `window` places away. Each may look at itself, also where it is padding, so
    that no softmax is over nothing.
    """
    places = torch.arange(valid_BL.shape[1], device=valid_BL.device)
    distance_LL = (places[:, None] - places).abs()
    return ((distance_LL <= window) & valid_BL[:, None, :]) | (distance_LL == 0)


class WindowedLayer(nn.Module):
    """A pre-norm Transformer layer whose attention is masked."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.heads = next(heads for heads in range(8, 0, -1) if width % heads == 0)
        self.dropout = dropout
        self.norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = mlp(width, 2 * width)
        self.drop = nn.Dropout(dropout)

    def forward(self, x_BLW: Tensor, mask_BLL: Tensor) -> Tensor:
        """Utterances (B, L, W) after looking at those that the mask (B, L, L) allows."""
        query, key, value = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in self.query_key_value(self.norm(x_BLW)).chunk(3, -1)
        )
        rate = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask_BLL[:, None], dropout_p=rate)
        x_BLW = x_BLW + self.drop(self.out(mixed.transpose(1, 2).flatten(2)))
        return x_BLW + self.drop(self.mlp(self.mlp_norm(x_BLW)))


class GatedMemory(nn.Module):
    """m_t = f_t · m_{t−1} + i_t · z_t along each dialogue, with gates that depend on the utterance."""

    def __init__(self, width: int, form: GateName) -> None:
        super().__init__()
        self.forget = Gate("forget", width, width, form)
        self.input = Gate("input", width, width, form)

    def forward(self, x_BLW: Tensor) -> tuple[Tensor, list[Gated]]:
        """Utterances (B, L, W) to the memory at each of them, (B, L, W), and the gates."""
        forget, take = self.forget(x_BLW), self.input(x_BLW)
        kept, taken = forget.value.unbind(1), (take.value * x_BLW).unbind(1)
        memory = torch.zeros_like(taken[0])
        states: list[Tensor] = []
        for keep, new in zip(kept, taken, strict=True):
            memory = torch.addcmul(new, keep, memory)
            states.append(memory)
        return torch.stack(states, 1), [forget, take]
