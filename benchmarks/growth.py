"""How the memory of a training grows with its steps: a tiny network, hundreds of thousands of steps, one run directory.

`python -m benchmarks.growth` trains the whole engine twice, each time in a process of its own: in one long epoch and
in many short ones, and prints resident memory at every tenth part and the slope in bytes a step once it has warmed up.
`--trace` names the lines of code whose objects have grown most, and takes three times as long.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, overload

import numpy as np
import torch
from torch import Tensor, nn

from trainctl.engine.config.presets import About
from trainctl.engine.config.resolve import Resolved
from trainctl.engine.config.schema import RunConfig
from trainctl.engine.data.batch import Batch, Split, Splits
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.tasks.task import Monitor, StepOutput, Task
from trainctl.engine.training.session import Order, train

BATCH_SIZE, FEATURES, NUM_CLASSES, NUM_SAMPLES = 4, 4, 3, 64
EPOCHS = (1, 3000)
POINTS = 30
"""Measurements in a run."""
WARM = 10
"""Measurements before its slope is taken."""


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--steps", type=int, default=300_000)
    options.add_argument("--epochs", type=int, help="only this one training, in this process")
    options.add_argument("--trace", action="store_true")
    args = options.parse_args()
    if args.epochs:
        _measure(args.steps, args.epochs, is_traced=args.trace)
        return
    trace = ["--trace"] if args.trace else []
    for epochs in EPOCHS:
        words = ["--steps", str(args.steps), "--epochs", str(epochs), *trace]
        subprocess.run([sys.executable, "-m", "benchmarks.growth", *words], check=True)


class _Endless(Sequence[Tensor]):
    """The same few samples again and again, so that an epoch of any length has no order to be kept in memory."""

    def __init__(self, places: range) -> None:
        self._places = places

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> Tensor: ...
    @overload
    def __getitem__(self, index: slice) -> _Endless: ...
    def __getitem__(self, index: int | slice) -> Tensor | _Endless:
        if isinstance(index, slice):
            return _Endless(self._places[index])
        return torch.arange(self._places[index], self._places[index] + BATCH_SIZE) % NUM_SAMPLES


class _Sampler:
    def __init__(self, length: int) -> None:
        self._length = length

    def __len__(self) -> int:
        return self._length

    def batches(self, epoch: int) -> Sequence[Tensor]:
        del epoch
        return _Endless(range(self._length))


class _Tiny(Task):
    """Random numbers and a linear network; notes how much memory the process has."""

    monitor: ClassVar[Monitor] = Monitor("loss", "min")
    steps_per_epoch: ClassVar[int]
    every: ClassVar[int]
    seen: ClassVar[int] = 0
    resident: ClassVar[list[tuple[int, int]]] = []

    def load(self) -> Splits:
        """A few samples of nothing."""
        x, y = torch.randn(NUM_SAMPLES, FEATURES), torch.arange(NUM_SAMPLES) % NUM_CLASSES
        split = Split({"x": x, "y": y}, labels=y)
        return Splits(split, split, ("a", "b", "c"))

    def sampler(self, split: Split) -> _Sampler:
        """Epochs of any length."""
        del split
        return _Sampler(self.steps_per_epoch)

    def build_model(self, splits: Splits) -> nn.Module:
        """Fifteen parameters."""
        del splits
        return nn.Linear(FEATURES, NUM_CLASSES)

    def step(self, model: nn.Module, batch: Batch) -> StepOutput:
        """One term."""
        if model.training:
            cls = type(self)
            cls.seen += 1
            if cls.seen % self.every == 0:
                self.resident.append((cls.seen, resident_bytes()))
        return StepOutput({"ce": nn.functional.cross_entropy(model(batch["x"]), batch["y"])})


def resident_bytes() -> int:
    """Memory of this process."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _measure(steps: int, epochs: int, *, is_traced: bool) -> None:
    _Tiny.steps_per_epoch, _Tiny.every = steps // epochs, steps // POINTS
    sections: dict[str, Any] = {
        "task": "tiny",
        "train": {"epochs": epochs, "batch_size": BATCH_SIZE},
        "runtime": {"device": "cpu", "threads": 1},
    }
    resolved = Resolved(RunConfig.model_validate(sections), {}, "benchmark", About(), "small")
    if is_traced:
        tracemalloc.start()
    with tempfile.TemporaryDirectory(dir=".") as folder:
        paths = RunPaths(Path(folder))
        train(Order(resolved, _Tiny, None, lambda: paths, argv=["benchmark"]))
    points = np.array(_Tiny.resident, np.float64)
    print(f"{steps:,} steps in {epochs:,} epochs")
    for step, size in points[:: POINTS // 10]:
        print(f"{step:10,.0f} steps {size / 1e6:8.1f} MB")
    slope, _ = np.polyfit(points[WARM:, 0], points[WARM:, 1], 1)
    print(
        f"slope over the last {len(points) - WARM} of {len(points)} measurements: {slope:.2f} bytes a step", flush=True
    )
    if is_traced:
        for line in tracemalloc.take_snapshot().statistics("lineno")[:12]:
            print(f"  {line}")


if __name__ == "__main__":
    main()
