"""Four encoders, cross-attention fusion by learned tokens, and the embedding (training optimisation summary, §2).

Knows the options of the network and the shapes of the modalities; nothing of data, losses or training.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainctl.engine.data.weld.options import MODALITIES
from trainctl.engine.models.tokens import mlp
from trainctl.engine.models.weld.encoders import Standardise, build_encoder

if TYPE_CHECKING:
    from trainctl.engine.data.weld.options import WeldData
    from trainctl.engine.models.weld.options import WeldModel


class CrossAttention(nn.Module):
    """Pre-norm attention of queries to tokens that may be hidden, then a feed-forward of twice the width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = next(heads for heads in range(8, 0, -1) if width % heads == 0)
        self.query_norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = mlp(width, 2 * width)

    def forward(self, queries_NQW: Tensor, tokens_NTW: Tensor, bias_NT: Tensor) -> Tensor:
        """Queries (N, Q, W) after looking at tokens (N, T, W), whose attention logits are raised by `bias` (N, T)."""
        query_NHQD = self._split(self.query(self.query_norm(queries_NQW)))
        key_NHTD, value_NHTD = (self._split(part) for part in self.key_value(tokens_NTW).chunk(2, -1))
        mask_N11T = bias_NT[:, None, None, :].to(query_NHQD.dtype)
        mixed_NHQD = F.scaled_dot_product_attention(query_NHQD, key_NHTD, value_NHTD, attn_mask=mask_N11T)
        queries_NQW = queries_NQW + self.out(mixed_NHQD.transpose(1, 2).flatten(2))
        return queries_NQW + self.mlp(self.mlp_norm(queries_NQW))

    def _split(self, tokens_NTW: Tensor) -> Tensor:
        """(N, T, W) to (N, heads, T, W / heads)."""
        return tokens_NTW.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class Fusion(nn.Module):
    """Learned fusion tokens collect from the tokens of all modalities that are present."""

    def __init__(self, width: int, num_tokens: int, layers: int) -> None:
        super().__init__()
        self.tokens = nn.Parameter(torch.randn(num_tokens, width) * 0.02)
        self.modality = nn.Parameter(torch.randn(len(MODALITIES), width) * 0.02)
        self.layers = nn.ModuleList(CrossAttention(width) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: list[Tensor], present_N4: Tensor) -> Tensor:
        """Tokens (N, T_m, W) of each modality, and which are there (N, 4), to (N, num_tokens · W)."""
        marked_NTW = torch.cat([part + mark for part, mark in zip(tokens, self.modality, strict=True)], 1)
        # Each modality starts with the same share of the attention, not the one with most tokens with nearly all.
        bias_NT = torch.cat([_bias(present_N4[:, m], part.shape[1]) for m, part in enumerate(tokens)], 1)
        queries_NQW = self.tokens.expand(len(marked_NTW), -1, -1)
        for layer in self.layers:
            queries_NQW = layer(queries_NQW, marked_NTW, bias_NT)
        return self.norm(queries_NQW).flatten(1)


def _bias(present_N: Tensor, tokens: int) -> Tensor:
    """−ln T for each of T tokens of a modality that is there, −∞ where it is missing, (N, T)."""
    zeros_N1 = torch.zeros(len(present_N), 1, device=present_N.device)
    return torch.where(present_N[:, None], zeros_N1 - math.log(tokens), -torch.inf).expand(-1, tokens)


class WeldNet(nn.Module):
    """Modalities to one embedding.

    The parts are named for `freeze` and for the gradient norms: `video`, `image`, `audio`, `sensor`, `fusion`,
    `project`, and `classifier` where there is one.
    """

    def __init__(self, model: WeldModel, data: WeldData, num_classes: int | None = None) -> None:
        super().__init__()
        for name in MODALITIES:
            shape = getattr(data, name)
            encoder = build_encoder(
                getattr(model, f"{name}_encoder"),
                shape,
                model.width,
                layers=model.layers,
                patch=model.sensor_patch if name == "sensor" else 1,
                dropout=model.dropout,
            )
            self.add_module(name, nn.Sequential(Standardise(shape[1]), encoder))
        self.fusion = Fusion(model.width, model.fusion_tokens, model.fusion_layers)
        linear = nn.Linear(model.fusion_tokens * model.width, model.embedding)
        self.project = nn.Sequential(linear, nn.LayerNorm(model.embedding)) if model.layer_norm else linear
        self.classifier = None if num_classes is None else nn.Linear(model.embedding, num_classes)
        self.l2_normalize = model.l2_normalize

    @torch.no_grad()
    def fit_scales(self, tensors: Mapping[str, Tensor]) -> None:
        """Take mean and deviation of every feature from a training split; they are kept with the weights."""
        for column, name in enumerate(MODALITIES):
            scale = self.get_submodule(f"{name}.0")
            assert isinstance(scale, Standardise)
            scale.fit(tensors[name][tensors["present"][:, column]])

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """`video`, `image`, `audio`, `sensor` (N, rows, features) and `present` (N, 4), to embeddings (N, E)."""
        embeddings_NE = self.features(batch)
        return F.normalize(embeddings_NE, dim=1) if self.l2_normalize else embeddings_NE

    def features(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Embeddings before they are scaled to length 1, (N, E)."""
        tokens = [self.get_submodule(name)(batch[name]) for name in MODALITIES]
        return self.project(self.fusion(tokens, batch["present"]))
