"""What syncing a checkpoint and reading it back cost: the same file written with and without, in turn.

`python -m benchmarks.durability` prints milliseconds and their ratio for files of several sizes, and the share of a run
that a checkpoint takes in all: once a minute (the default within an epoch), and as often as it may be at the ends of
epochs (every five seconds, or a hundred times as long as it took).
"""

from __future__ import annotations

import argparse
import io
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from trainctl.engine.runs.atomic import write_atomic
from trainctl.engine.training.loop.save_times import LEAST_RATIO
from trainctl.engine.training.state.checkpoint import load_checkpoint, save_checkpoint

SIZES_MB = (2, 40, 400)
EVERY_S, EPOCH_EVERY_S = 60.0, 5.0
ABOUT = {"task": "", "classes": [], "step": 0, "epoch": 0, "weights": "raw"}


def state_of(megabytes: int) -> dict[str, object]:
    """What a checkpoint holds, of about so many megabytes."""
    rest = dict.fromkeys(("optimizer", "ema", "weights", "progress", "rng"))
    return {"model": {"w": torch.randn(megabytes * 250_000)}, **rest}


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=7)
    rounds = options.parse_args().rounds
    print("checkpoint   as before   synced, read back   ratio   of a run: every 60 s   at ends of epochs, every")
    with tempfile.TemporaryDirectory(dir=".") as folder:
        for megabytes in SIZES_MB:
            plain, durable = _measure(Path(folder) / "latest_model.pth", state_of(megabytes), rounds)
            every_s = max(EPOCH_EVERY_S, LEAST_RATIO * durable)
            shares = f"{durable / EVERY_S:23.3%} {durable / every_s:18.3%}, {every_s:.0f} s"
            print(f"{megabytes:7} MB {1e3 * plain:9.1f} ms {1e3 * durable:16.1f} ms {durable / plain:8.2f} {shares}")


def _measure(path: Path, state: dict[str, object], rounds: int) -> tuple[float, float]:
    """Median seconds without and with, taken in turn."""

    def plain() -> None:
        buffer = io.BytesIO()
        torch.save({"format": "trainctl checkpoint", "schema": 1, "about": ABOUT, "state": state}, buffer)
        write_atomic(path, buffer.getvalue())

    ways: tuple[Callable[[], object], ...] = (plain, lambda: save_checkpoint(path, state, ABOUT))
    taken: list[list[float]] = [[], []]
    for _ in range(rounds):
        for way, seconds in zip(ways, taken, strict=True):
            began = time.perf_counter()
            way()
            seconds.append(time.perf_counter() - began)
    load_checkpoint(path)
    return statistics.median(taken[0]), statistics.median(taken[1])


if __name__ == "__main__":
    main()
