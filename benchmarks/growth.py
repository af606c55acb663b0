"""How the memory of a training grows with its steps: a tiny network, hundreds of thousands of steps, one run directory.

`python -m benchmarks.growth` trains the whole engine twice, each time in a process of its own: in one long epoch and
in many short ones; then a plain loop that is watched, the same way. It prints resident memory at every tenth part, the
slope in bytes a step once it has warmed up, and how large the run's files are for each step. `--loop` chooses one of
the two, `--epochs` one training in this process. `--trace` names the lines of code whose objects have grown most, and
takes three times as long.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, overload

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

import trainctl
from trainctl.engine.config.presets import About
from trainctl.engine.config.resolve import Resolved
from trainctl.engine.config.schema import RunConfig
from trainctl.engine.data.batch import Batch, Split, Splits
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.store import StepReader
from trainctl.engine.tasks.task import Monitor, StepOutput, Task
from trainctl.engine.training.session import Order, train

BATCH_SIZE, FEATURES, NUM_CLASSES, NUM_SAMPLES = 4, 4, 3, 64
EPOCHS = (1, 3000)
POINTS = 30
"""Measurements in a run."""
WARM = 10
"""Measurements before its slope is taken."""
EARLY = (10_000, 100_000)
"""Steps of further measurements."""


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--steps", type=int, default=300_000)
    options.add_argument("--loop", choices=("task", "watched"))
    options.add_argument("--epochs", type=int, help="only this one training, in this process")
    options.add_argument("--trace", action="store_true")
    args = options.parse_args()
    if args.epochs:
        _measure(args.steps, args.epochs, is_watched=args.loop == "watched", is_traced=args.trace)
        return
    trace = ["--trace"] if args.trace else []
    for loop in ("task", "watched") if args.loop is None else (args.loop,):
        for epochs in EPOCHS:
            words = ["--steps", str(args.steps), "--epochs", str(epochs), "--loop", loop, *trace]
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


class Marks:
    """Resident memory at so many points of a run, and at a few early ones.

    Args:
        steps: of the whole run.
    """

    def __init__(self, steps: int) -> None:
        self._every = max(steps // POINTS, 1)
        self.resident: list[tuple[int, int]] = []
        self.early: list[tuple[int, int]] = []

    def note(self, step: int) -> None:
        """A step is taken."""
        if step % self._every == 0:
            self.resident.append((step, resident_bytes()))
        if step in EARLY:
            self.early.append((step, resident_bytes()))


class _Batches(IterableDataset[tuple[Tensor, Tensor]]):
    """The same few batches again and again, ready made."""

    def __init__(self, count: int) -> None:
        x, y = torch.randn(NUM_SAMPLES, FEATURES), torch.arange(NUM_SAMPLES) % NUM_CLASSES
        self._ready = list(zip(x.split(BATCH_SIZE), y.split(BATCH_SIZE), strict=True))
        self._count = count

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for number in range(self._count):
            yield self._ready[number % len(self._ready)]


def _watched(steps: int, epochs: int, marks: Marks, folder: Path) -> RunPaths:
    """A plain loop over the same, watched; where its run is."""
    model = nn.Linear(FEATURES, NUM_CLASSES)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    loader = DataLoader(_Batches(steps // epochs), batch_size=None)
    watch = trainctl.watch(optimizer, runs_dir=folder)
    step = 0
    for _ in range(epochs):
        for x, y in loader:
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
            optimizer.zero_grad()
            step += 1
            marks.note(step)
    watch.close()
    assert watch.path is not None
    return RunPaths(watch.path)


class _Tiny(Task):
    """Random numbers and a linear network; notes how much memory the process has."""

    monitor: ClassVar[Monitor] = Monitor("loss", "min")
    steps_per_epoch: ClassVar[int]
    marks: ClassVar[Marks]
    seen: ClassVar[int] = 0

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
            self.marks.note(cls.seen)
        return StepOutput({"ce": nn.functional.cross_entropy(model(batch["x"]), batch["y"])})


def resident_bytes() -> int:
    """Memory of this process."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _trained(steps: int, epochs: int, marks: Marks, folder: Path) -> RunPaths:
    """The engine's own training; where its run is."""
    _Tiny.steps_per_epoch, _Tiny.marks = steps // epochs, marks
    sections: dict[str, Any] = {
        "task": "tiny",
        "train": {"epochs": epochs, "batch_size": BATCH_SIZE},
        "runtime": {"device": "cpu", "threads": 1},
    }
    resolved = Resolved(RunConfig.model_validate(sections), {}, "benchmark", About(), "small")
    paths = RunPaths(folder)
    train(Order(resolved, _Tiny, None, lambda: paths, argv=["benchmark"]))
    return paths


def _measure(steps: int, epochs: int, *, is_watched: bool, is_traced: bool) -> None:
    marks = Marks(steps)
    torch.set_num_threads(1)
    if is_traced:
        tracemalloc.start()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=".") as folder:
        paths = (_watched if is_watched else _trained)(steps, epochs, marks, Path(folder))
        seconds = time.perf_counter() - began
        sizes = {path.name: path.stat().st_size for path in sorted(paths.root.iterdir()) if path.is_file()}
        count = len(StepReader(paths).stored())
    points = np.array(marks.resident, np.float64)
    kind = "watched loop" if is_watched else "task"
    print(f"{kind}: {steps:,} steps in {epochs:,} epochs, {count:,} recorded, {seconds / steps * 1e6:.0f} us a step")
    places = [*range(0, len(points), POINTS // 10), len(points) - 1]
    for step, size in sorted({*marks.early, *(marks.resident[place] for place in places)}):
        print(f"{step:10,.0f} steps {size / 1e6:8.1f} MB")
    slope, _ = np.polyfit(points[WARM:, 0], points[WARM:, 1], 1)
    print(f"slope over the last {len(points) - WARM} of {len(points)} measurements: {slope:.2f} bytes a step")
    growing = {name: size for name, size in sizes.items() if size > steps}
    print(f"bytes a step: {', '.join(f'{name} {size / steps:.2f}' for name, size in growing.items())}", flush=True)
    if is_traced:
        for line in tracemalloc.take_snapshot().statistics("lineno")[:12]:
            print(f"  {line}")


if __name__ == "__main__":
    main()
