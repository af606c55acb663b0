"""Tasks that behave as users' tasks sometimes do: slow, talkative, wrong."""

# ruff: noqa: T201

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from blobs import Blobs
from torch import Tensor, nn

from trainctl.engine.tasks.task import Batch, Split, Splits, StepOutput

LONG_S = 60.0


class SlowLoad(Blobs):
    """Takes its time before the first step."""

    def load(self) -> Splits:
        """Says so, and waits."""
        print("loading", flush=True)
        time.sleep(LONG_S)
        return super().load()


class SlowValidation(Blobs):
    """Takes its time at the end of the first epoch."""

    def metrics(self, columns: Mapping[str, Tensor]) -> dict[str, float]:
        """Waits."""
        time.sleep(LONG_S)
        return super().metrics(columns)


class SlowStep(Blobs):
    """Takes its time in the second epoch."""

    def step(self, model: nn.Module, batch: Batch) -> StepOutput:
        """Waits, from the 60th step on."""
        SlowStep.steps += model.training
        if SlowStep.steps > 60:
            print("a long step", flush=True)
            time.sleep(LONG_S)
        return super().step(model, batch)

    steps = 0


class StuckSamples(Blobs):
    """Reads sample by sample, and the last third of an epoch never comes."""

    def load(self) -> Splits:
        """The same samples, one by one."""
        whole = super().load()
        train, val = (Split(dataset=OneByOne(part)) for part in (whole.train, whole.val))
        return Splits(train, val, classes=whole.classes)


class OneByOne:
    """A split as a Dataset; `drawn` counts in each process for itself."""

    def __init__(self, split: Split) -> None:
        self.split, self.drawn, self.targets = split, 0, split.tensors["y"]

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """One sample, or none for ever."""
        self.drawn += 1
        if self.drawn > 2 * len(self) // 3:
            time.sleep(10 * LONG_S)
        return {name: tensor[index] for name, tensor in self.split.tensors.items()}


class Failing(Blobs):
    """Divides by zero in the first validation."""

    def metrics(self, columns: Mapping[str, Tensor]) -> dict[str, float]:
        """Fails."""
        return {"accuracy": 1 / 0}


class Leaving(Blobs):
    """Ends the process from within."""

    def metrics(self, columns: Mapping[str, Tensor]) -> dict[str, float]:
        """Leaves."""
        sys.exit("enough")


class Talkative(Blobs):
    """Prints at every step."""

    def step(self, model: nn.Module, batch: Batch) -> StepOutput:
        """Prints."""
        print("a line on standard output")
        print("a line on standard error", file=sys.stderr)
        return super().step(model, batch)


class StuckDisk(Blobs):
    """From the first validation on the disk takes nothing but checkpoints: writes never end, unless it is WELL."""

    def metrics(self, columns: Mapping[str, Tensor]) -> dict[str, float]:
        """Lets the disk go away."""
        if os.write is WRITE and "WELL" not in os.environ:
            os.write = _write_or_hang  # type: ignore[assignment]
        return super().metrics(columns)


class SlowDisk(Blobs):
    """Every write but a checkpoint's takes .3 s."""

    def load(self) -> Splits:
        """Makes the disk slow."""
        os.write = _write_slowly  # type: ignore[assignment]
        return super().load()


class FailsLater(Blobs):
    """Fails in the middle of the second epoch."""

    def step(self, model: nn.Module, batch: Batch) -> StepOutput:
        """Counts, and fails."""
        FailsLater.steps += model.training
        if FailsLater.steps == 55:
            raise RuntimeError("a mistake of the task")
        return super().step(model, batch)

    steps = 0


WRITE = os.write


def _is_of_checkpoint(descriptor: int) -> bool:
    path = str(Path(f"/proc/self/fd/{descriptor}").readlink())
    return "runs/" not in path or ".pth" in path


def _write_or_hang(descriptor: int, data: bytes) -> int:
    while not _is_of_checkpoint(descriptor):
        time.sleep(LONG_S)
    return WRITE(descriptor, data)


def _write_slowly(descriptor: int, data: bytes) -> int:
    if not _is_of_checkpoint(descriptor):
        time.sleep(0.3)
    return WRITE(descriptor, data)
