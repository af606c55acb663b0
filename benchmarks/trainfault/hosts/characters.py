"""The next character of program text, guessed by a small transformer."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.trainfault.host import Host
from trainctl.engine.data.batch import Batch, Split, Splits
from trainctl.engine.runs.term_kinds import TermKind
from trainctl.engine.tasks.task import Monitor

LENGTH = 32
CHARACTERS = "\n" + "".join(map(chr, range(32, 127)))
NUM_EXAM, NUM_VAL, NUM_TRAIN = 300, 200, 800


@cache
def windows(*, is_unique: bool = True) -> Tensor:
    """Pieces of a module of Python's own library that do not overlap, int64 (N, LENGTH + 1).

    Those that recur are left out, as whoever splits text should: a line may stand there a dozen times.
    """
    text = Path(argparse.__file__).read_text(encoding="utf-8")
    ids = torch.tensor([CHARACTERS.index(sign) for sign in text if sign in CHARACTERS])
    pieces = ids[: len(ids) // (LENGTH + 1) * (LENGTH + 1)].view(-1, LENGTH + 1)
    if is_unique:
        inputs = [tuple(piece[:-1]) for piece in pieces.tolist()]
        pieces = pieces[[row for row, piece in enumerate(inputs) if inputs.index(piece) == row]]
    return pieces[torch.randperm(len(pieces), generator=torch.Generator().manual_seed(0))]


class Characters(Host):
    """A transformer of one block."""

    name: ClassVar[str] = "characters"
    says: ClassVar[str] = "next character of program text, a transformer block, AdamW with warmup, cosine and clip"
    is_held_out: ClassVar[bool] = True
    monitor: ClassVar[Monitor] = Monitor("accuracy", "max")
    kinds: ClassVar[Mapping[str, TermKind]] = {"next": "cross_entropy"}
    traits: ClassVar[frozenset[str]] = frozenset(
        ["classes", "tokens", "adam", "relu", "dropout", "transformer", "clip", "scheduled"]
    )
    margin: ClassVar[float] = 0.02
    options: ClassVar[Mapping[str, Any]] = {
        "train.epochs": 6,
        "train.batch_size": 16,
        "optimizer.lr": 8e-3,
        "optimizer.weight_decay": 0.01,
        "schedule.name": "cosine_warmup",
        "schedule.warmup_epochs": 1,
        "schedule.interval": "step",
        "schedule.eta_min": 1e-5,
        "clip.grad_norm": 1.0,
    }

    def healthy_splits(self) -> Splits:
        """800 pieces to train, 200 to validate."""
        return self.pieces_of(windows())

    def pieces_of(self, ids: Tensor) -> Splits:
        """The same number of pieces of these."""
        rows = torch.randperm(len(ids) - NUM_EXAM, generator=torch.Generator().manual_seed(self.config.seed)) + NUM_EXAM
        return Splits(_pieces(ids[rows[NUM_VAL : NUM_VAL + NUM_TRAIN]]), _pieces(ids[rows[:NUM_VAL]]))

    def exam(self) -> Split:
        """300 further pieces."""
        return _pieces(windows()[:NUM_EXAM])

    def healthy_network(self, splits: Splits) -> nn.Module:
        """Width 48, two heads, one block."""
        return Transformer(len(CHARACTERS), 48, blocks=1)

    def forward(self, model: nn.Module, batch: Batch) -> Tensor:
        """Logits of each place, (B, C, T)."""
        return model(batch["x"]).transpose(1, 2)

    def terms(self, outputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy over all places."""
        return {"next": F.cross_entropy(outputs, batch["y"])}

    def columns(self, outputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Share of a piece's places with a right answer."""
        return {"hit": (outputs.argmax(1) == batch["y"]).float().mean(1)}

    def figures(self, columns: Mapping[str, Tensor]) -> dict[str, float]:
        """Share of right answers."""
        return {"accuracy": columns["hit"].mean().item()}


def _pieces(ids_NT: Tensor) -> Split:
    return Split({"x": ids_NT[:, :-1], "y": ids_NT[:, 1:]})


class Transformer(nn.Module):
    """Reads from left to right; each place knows those before it."""

    def __init__(self, num_tokens: int, width: int, blocks: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(num_tokens, width)
        self.places = nn.Parameter(0.02 * torch.randn(LENGTH, width))
        self.body = nn.ModuleList([Block(width) for _ in range(blocks)])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, num_tokens)

    def forward(self, ids_BT: Tensor) -> Tensor:
        hidden_BTE = self.tokens(ids_BT) + self.places[: ids_BT.shape[1]]
        for block in self.body:
            hidden_BTE = block(hidden_BTE)
        return self.head(self.norm(hidden_BTE))


class Block(nn.Module):
    """Attention and two dense layers, each normalised before it."""

    def __init__(self, width: int, heads: int = 2) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.mix = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.dense = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))
        self.dropout = nn.Dropout(0.05)

    def forward(self, hidden_BTE: Tensor) -> Tensor:
        parts = self.mix(self.norms[0](hidden_BTE)).chunk(3, dim=2)
        query, key, value = (part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in parts)
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True).transpose(1, 2).flatten(2)
        hidden_BTE = hidden_BTE + self.dropout(self.out(mixed))
        return hidden_BTE + self.dropout(self.dense(self.norms[1](hidden_BTE)))
