"""Two codes of an utterance from which its features are made again: of all modalities at once, and attended."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class GlobalAutoencoder(nn.Module):
    """All features in one: Σd → hidden (tanh) → code (ReLU), and back."""

    def __init__(self, inputs: int, hidden: int, code: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(inputs, hidden), nn.Tanh(), nn.Linear(hidden, code), nn.ReLU())
        self.decoder = nn.Sequential(nn.Linear(code, hidden), nn.Tanh(), nn.Linear(hidden, inputs))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features (..., Σd) to code (..., code) and reconstruction (..., Σd)."""
        code = self.encoder(x)
        return code, self.decoder(code)


class ModalityAutoencoder(nn.Module):
    """Each modality to a token, attention over the tokens, one code; from it each modality again."""

    def __init__(self, dims: Sequence[int], hidden: int, code: int) -> None:
        super().__init__()
        self.dims = tuple(dims)
        self.inputs = nn.ModuleList(nn.Linear(dim, hidden) for dim in dims)
        self.score = nn.Linear(hidden, 1, bias=False)
        self.encoder = nn.Sequential(nn.Linear(hidden, code), nn.ReLU())
        self.decoder = nn.Sequential(nn.Linear(code, hidden), nn.Tanh())
        self.outputs = nn.ModuleList(nn.Linear(hidden, dim) for dim in dims)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features (..., Σd) to code (..., code) and reconstruction (..., Σd)."""
        parts = zip(self.inputs, x.split(self.dims, -1), strict=True)
        tokens = torch.stack([layer(part).tanh() for layer, part in parts], -2)
        attention = self.score(tokens).softmax(-2)
        code = self.encoder((attention * tokens).sum(-2))
        hidden = self.decoder(code)
        return code, torch.cat([layer(hidden) for layer in self.outputs], -1)
