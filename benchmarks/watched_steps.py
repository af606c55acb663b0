"""What a single step takes in one plain loop, in turn with nothing, measured with nothing kept, and watched.

`python -m benchmarks.watched_steps [--kind mlp|conv] [--rounds N] [--steps N]`. One process, so no loop has another
place in memory or another neighbour; quantiles of single steps, so that a step in which the machine did something else
counts once. What is done at the end of a run is not in it; what its threads take from the loop meanwhile is.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

import trainctl
from benchmarks.mlp import NUM_CLASSES
from benchmarks.report import headline, machine, say
from benchmarks.watch_loops import RECORD, data, made
from trainctl.engine.training.record.gradients import GradientMeter

SETTLED = 80
"""Steps after which a watch has decided its columns and measures the update ratio as rarely as it will."""
QUANTILES = (0.0, 0.1, 0.25, 0.5)
KINDS = ("plain", "measured", "watched")


class _Loop:
    """The loop of `watch_loops`, some steps at a time."""

    def __init__(self, kind: str) -> None:
        self.model, self.optimizer = made(kind)
        self._loader: DataLoader[tuple[Tensor, ...]] = data(kind)
        groups = {name: list(child.parameters()) for name, child in self.model.named_children()}
        self._meter = GradientMeter(groups, self.model)
        self._row = torch.zeros(len(self._meter.params) + 1)

    def train(self, steps: int, *, is_measured: bool = False) -> list[float]:
        """Take steps; the seconds of each."""
        found, batches = list[float](), iter(self._loader)
        for step in range(1, steps + 1):
            began = time.perf_counter()
            try:
                x, y = next(batches)
            except StopIteration:
                batches = iter(self._loader)
                x, y = next(batches)
            loss = nn.functional.cross_entropy(self.model(x), y)
            loss.backward()
            has_ratio = is_measured and step % RECORD.update_ratio_every == 0
            before = self._meter.weights_before() if has_ratio else []
            if is_measured:
                values = [loss.detach(), *self._meter.norms()]
                torch.stack(values, out=self._row)  # pyright: ignore[reportCallIssue, reportArgumentType]
                np.bincount(y.numpy(), minlength=NUM_CLASSES)
            self.optimizer.step()
            if has_ratio:
                self._meter.update_ratio(before)
            self.optimizer.zero_grad()
            found.append(time.perf_counter() - began)
        return found


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--kind", choices=("mlp", "conv"), default="mlp")
    options.add_argument("--rounds", type=int, default=8)
    options.add_argument("--steps", type=int, default=250)
    args = options.parse_args(argv)
    torch.set_num_threads(1)
    headline(f"watched steps: {args.kind}", machine("cpu"))
    loop = _Loop(args.kind)
    loop.train(min(args.steps, 100))
    found: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for _ in range(args.rounds):
        found["plain"] += loop.train(args.steps)
        found["measured"] += loop.train(args.steps, is_measured=True)
        with tempfile.TemporaryDirectory(prefix="trainctl-bench-", ignore_cleanup_errors=True) as folder:
            watch = trainctl.watch(loop.optimizer, runs_dir=Path(folder))
            loop.train(SETTLED)
            found["watched"] += loop.train(args.steps)
            watch.close()
    table = {kind: np.quantile(seconds, QUANTILES) * 1e6 for kind, seconds in found.items()}
    say(f"{'us/step':10}" + "".join(f"{name:>10}" for name in ("least", "tenth", "quarter", "median")))
    for kind, quantiles in table.items():
        say(f"{kind:10}" + "".join(f"{value:10.0f}" for value in quantiles))
    for other in KINDS[:2]:
        over = 100 * (table["watched"] / table[other] - 1)
        say(f"watched over {other}: " + ", ".join(f"{value:+.1f} %" for value in over))


if __name__ == "__main__":
    main()
