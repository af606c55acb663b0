"""Whether a watched loop is the loop it was: each kind of loop with and without `trainctl.watch`, from the same seed.

`python -m benchmarks.watched_bits [--steps N] [--only KIND]` prints a table: whether the weights are the same to the
last bit, how many steps are recorded, and how far the recorded gradient norms are from the loop's own before clipping.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import trainctl
from benchmarks.mlp import blobs
from benchmarks.report import say
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.store import StepReader

SCALE = 1024.0
MAX_NORM = 0.5
ACCUMULATED = 4


@dataclass(frozen=True)
class Kind:
    """What a loop does beside the plain one's: named as people name it."""

    accumulation: int = 1
    clip: bool = False
    bf16: bool = False
    scaler: bool = False
    schedule: bool = False
    compiled: bool = False
    logged: bool = False


KINDS = {
    "plain": Kind(),
    "accumulation": Kind(accumulation=ACCUMULATED),
    "clip": Kind(clip=True),
    "scheduler": Kind(schedule=True),
    "bf16": Kind(bf16=True),
    "scaler": Kind(scaler=True),
    "scaler, clip": Kind(scaler=True, clip=True, accumulation=2),
    "logged terms": Kind(logged=True),
    "compiled": Kind(compiled=True),
}


@dataclass(frozen=True)
class Found:
    """What came of one kind of loop."""

    name: str
    is_same: bool
    steps: int
    recorded: int
    off: float
    """Largest relative distance of a recorded gradient norm from the loop's own."""

    @property
    def is_sound(self) -> bool:
        """Whether nothing was changed and nothing is missing."""
        return self.is_same and self.recorded == self.steps and self.off < 1e-4


def _own_norm(model: nn.Module, scale: float) -> float:
    """Norm of all gradients as a loop computes it, in double precision."""
    squares = [p.grad.double().pow(2).sum() for p in model.parameters() if p.grad is not None]
    return float(torch.stack(squares).sum().sqrt()) / scale


def _train(kind: Kind, steps: int, watch: Callable[[Any], Any], norms: list[float]) -> list[Tensor]:
    """A loop with dropout, so that random numbers matter; its weights."""
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 10))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    scaler = torch.amp.GradScaler("cpu", enabled=kind.scaler, init_scale=SCALE, growth_interval=10**6)
    plan = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps) if kind.schedule else None
    net: Any = torch.compile(model, backend="aot_eager") if kind.compiled else model
    loader = DataLoader(TensorDataset(*blobs(4096)), batch_size=32, shuffle=True, drop_last=True)
    watched = watch(optimizer)
    for number, (x, y) in enumerate((batch for _ in count() for batch in loader), 1):
        with torch.autocast("cpu", torch.bfloat16, enabled=kind.bf16):
            ce = nn.functional.cross_entropy(net(x), y)
        reg = next(model.parameters()).pow(2).mean()
        loss = (ce + 1e-3 * reg if kind.logged else ce) / kind.accumulation
        if kind.logged and watched is not None:
            watched.log(ce=ce, reg=reg)
        scaler.scale(loss).backward()
        if number % kind.accumulation:
            continue
        if kind.clip:
            scaler.unscale_(optimizer)
        norms.append(_own_norm(model, SCALE if kind.scaler and not kind.clip else 1.0))
        if kind.clip:
            nn.utils.clip_grad_norm_(model.parameters(), MAX_NORM)
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
        if plan is not None:
            plan.step()
        if len(norms) == steps:
            break
    return [p.detach().clone() for p in model.parameters()]


def compare(name: str, steps: int, root: Path) -> Found:
    """Train a kind of loop twice.

    Args:
        name: of `KINDS`.
        steps: optimiser steps.
        root: folder of runs.
    """
    kind, norms = KINDS[name], list[float]()
    torch.compiler.reset()
    alone = _train(kind, steps, lambda _: None, [])
    torch.compiler.reset()
    watches: list[Any] = []

    def begin(optimizer: Any) -> Any:
        watches.append(trainctl.watch(optimizer, runs_dir=root))
        return watches[0]

    beside = _train(kind, steps, begin, norms)
    watches[0].close()
    records = StepReader(RunPaths(watches[0].path)).all()
    own = np.array(norms[: len(records)])
    off = float(np.max(np.abs(records["grad_norm"] / own - 1))) if len(own) else float("inf")
    is_same = all(torch.equal(a, b) for a, b in zip(alone, beside, strict=True))
    return Found(name, is_same, steps, len(records), off)


def main(argv: Sequence[str] | None = None) -> None:
    """Print the table; ends with 1 where a line of it is not as it should be."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--steps", type=int, default=1000)
    options.add_argument("--only", choices=tuple(KINDS), action="append")
    args = options.parse_args(argv)
    torch.set_num_threads(1)
    say(f"{'loop':14} {'weights':>9} {'steps':>7} {'recorded':>9}  largest distance of a gradient norm")
    sound: list[bool] = []
    for name in args.only or KINDS:
        with tempfile.TemporaryDirectory(prefix="trainctl-bits-", ignore_cleanup_errors=True) as folder:
            found = compare(name, args.steps, Path(folder))
        sound.append(found.is_sound)
        same = "the same" if found.is_same else "CHANGED"
        say(f"{name:14} {same:>9} {found.steps:7} {found.recorded:9}  {found.off:.1e}")
    if not all(sound):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
