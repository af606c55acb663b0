"""How long the stratified sampler takes for the first batch of a million labels, and for all of them.

Usage: python -m benchmarks.sampler [--samples 1000000] [--batch-size 32]
"""

from __future__ import annotations

import argparse
import time

import torch

from trainctl.engine.data.samplers.classes import StratifiedSampler

NUM_CLASSES = (2, 12, 100, 1000)
ROUNDS = 3


def main() -> None:
    """Measure and print; the best of a few rounds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--batch-size", type=int, default=32)
    options = parser.parse_args()
    print(f"{'classes':>8}  {'first batch':>11}  {'all batches':>11}")
    for num_classes in NUM_CLASSES:
        labels = torch.randint(0, num_classes, (options.samples,), generator=torch.Generator().manual_seed(0))
        first, whole = map(min, zip(*(once(labels, options.batch_size) for _ in range(ROUNDS)), strict=True))
        print(f"{num_classes:8}  {first:9.3f} s  {whole:9.3f} s")


def once(labels: torch.Tensor, batch_size: int) -> tuple[float, float]:
    """Seconds to the first batch and to the last, the making of the sampler included."""
    started = time.perf_counter()
    batches = StratifiedSampler(labels, batch_size, 0).batches(0)
    _ = batches[0]
    first = time.perf_counter() - started
    _ = batches[-1]
    return first, time.perf_counter() - started


if __name__ == "__main__":
    main()
