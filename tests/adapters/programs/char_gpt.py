"""A small GPT on characters: no loader, a rate set by the loop, accumulation, clipping, losses estimated now and then.

Reads Python's own help. `--fault`: lr, labels, no_zero_grad, frozen.
"""

from __future__ import annotations

import argparse
import math
from pydoc_data.topics import topics

import torch
from torch import Tensor, nn
from torch.nn import functional as F

BLOCK, WIDTH, HEADS, DEPTH, BATCH = 48, 48, 4, 2, 12


class Attention(nn.Module):
    """Causal, with several heads."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x_BTC: Tensor) -> Tensor:
        """Mix each place with those before it."""
        b, t, c = x_BTC.shape
        q, k, v = (part.view(b, t, HEADS, c // HEADS).transpose(1, 2) for part in self.qkv(x_BTC).chunk(3, -1))
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(mixed.transpose(1, 2).reshape(b, t, c))


class Layer(nn.Module):
    """Attention, then a network for each place."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2, self.attend = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH), Attention()
        self.mlp = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))

    def forward(self, x_BTC: Tensor) -> Tensor:
        """Both, each added to what was there."""
        x_BTC = x_BTC + self.attend(self.norm1(x_BTC))
        return x_BTC + self.mlp(self.norm2(x_BTC))


class GPT(nn.Module):
    """Characters in, logits of the next one out."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.tokens, self.places = nn.Embedding(vocabulary, WIDTH), nn.Embedding(BLOCK, WIDTH)
        self.layers = nn.Sequential(*(Layer() for _ in range(DEPTH)))
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, vocabulary, bias=False)
        for name, p in self.named_parameters():
            if p.dim() == 2:
                nn.init.normal_(
                    p, std=0.02 / math.sqrt(2 * DEPTH) if name.endswith(("out.weight", "2.weight")) else 0.02
                )

    def forward(self, x_BT: Tensor, y_BT: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and their loss."""
        hidden = self.tokens(x_BT) + self.places(torch.arange(x_BT.shape[1]))
        logits = self.head(self.norm(self.layers(hidden)))
        return logits, F.cross_entropy(logits.flatten(0, 1), y_BT.flatten())


def main() -> None:
    """Train."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--watch", action="store_true")
    parser.add_argument("--fault", default="")
    parser.add_argument("--steps", type=int, default=400)
    args = parser.parse_args()
    torch.manual_seed(1337)
    text = "".join(topics[name] for name in sorted(topics))[:200_000]
    characters = sorted(set(text))
    number = {character: place for place, character in enumerate(characters)}
    data = torch.tensor([number[character] for character in text])
    parts = {"train": data[: int(0.9 * len(data))], "val": data[int(0.9 * len(data)) :]}

    def batch(part: str) -> tuple[Tensor, Tensor]:
        starts = torch.randint(len(parts[part]) - BLOCK - 1, (BATCH,))
        x = torch.stack([parts[part][start : start + BLOCK] for start in starts])
        y = torch.stack([parts[part][start + 1 : start + 1 + BLOCK] for start in starts])
        if args.fault == "labels" and part == "train":
            y = y[torch.randperm(len(y))][:, torch.randperm(BLOCK)]
        return x, y

    model = GPT(len(characters))
    if args.fault == "frozen":
        for p in (*model.tokens.parameters(), *model.places.parameters(), *model.layers.parameters()):
            p.requires_grad = False
    trained = [p for p in model.parameters() if p.requires_grad]
    decayed = [p for p in trained if p.dim() >= 2], [p for p in trained if p.dim() < 2]
    groups = [{"params": decayed[0], "weight_decay": 0.1}, {"params": decayed[1], "weight_decay": 0.0}]
    peak = 3e-3 * (100 if args.fault == "lr" else 1)
    optimizer = torch.optim.AdamW(groups, lr=peak, betas=(0.9, 0.95))
    watch = None
    if args.watch:
        import trainctl

        watch = trainctl.watch(optimizer, total_steps=args.steps)

    @torch.no_grad()
    def estimate() -> dict[str, float]:
        model.eval()
        found = {part: sum(model(*batch(part))[1].item() for _ in range(8)) / 8 for part in parts}
        model.train()
        return found

    for step in range(args.steps):
        warm = min(1.0, (step + 1) / 20)
        for group in optimizer.param_groups:
            group["lr"] = peak * warm * (0.1 + 0.45 * (1 + math.cos(math.pi * step / args.steps)))
        if step % 50 == 0 or step == args.steps - 1:
            losses = estimate()
            print(f"step {step}: train loss {losses['train']:.4f}, val loss {losses['val']:.4f}", flush=True)  # noqa: T201
            if watch is not None:
                watch.validation({"loss": losses["val"]})
        for _ in range(2):
            _, loss = model(*batch("train"))
            (loss / 2).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if args.fault != "no_zero_grad":
            optimizer.zero_grad(set_to_none=True)


if __name__ == "__main__":
    main()
