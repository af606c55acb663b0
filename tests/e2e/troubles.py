"""Tasks that behave as users' tasks sometimes do: slow, talkative, wrong."""

# ruff: noqa: T201

from __future__ import annotations

import sys
import time
from collections.abc import Mapping

from blobs import Blobs
from torch import Tensor, nn

from trainctl.engine.tasks.task import Batch, Splits, StepOutput

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
