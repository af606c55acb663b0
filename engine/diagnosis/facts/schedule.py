"""Facts about the learning rate as it is planned, and about what hears of the validations. Plain data, no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class ScheduleFacts:
    """The plan of the rate, drawn over the whole run; what a plateau will do is not in it."""

    name: str
    peak: float
    """`optimizer.lr`."""
    steps: Floats
    """Optimiser steps, from 0, at which the rate was asked."""
    rates: Floats
    """Learning rate at each."""
    num_steps: int
    """Of the whole run."""
    steps_per_epoch: int
    epochs: int
    is_cut_short: bool
    """Whether `train.max_steps` ends the run before the plan does."""
    warmup_steps: int
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Of a scheduler of torch."""
    moves_by: str = "epoch"
    """What the plan moves by: `epoch` or `step`."""
    momentum: float = 0.0
    """Of an optimiser that adds up gradients; 0: it divides by their size, or has none."""
    is_adaptive: bool = False
    """Whether the optimiser divides the gradient by its size."""

    @property
    def highest(self) -> float:
        """Largest rate of the run."""
        return float(self.rates.max()) if len(self.rates) else 0.0

    @property
    def total(self) -> float:
        """Sum of the rates of all steps."""
        return float(self.rates.mean()) * self.num_steps if len(self.rates) else 0.0

    @property
    def adds_up(self) -> float:
        """What the steps of a constant gradient come to, in terms of steps without momentum."""
        return 1 / max(1 - self.momentum, 1 / max(self.num_steps, 1))

    def share_after(self, level: float) -> float:
        """Share of the run behind the last step whose rate is above `level`."""
        above = np.flatnonzero(self.rates > level)
        return 1.0 if not len(above) else 1 - (float(self.steps[above[-1]]) + 1) / max(self.num_steps, 1)
