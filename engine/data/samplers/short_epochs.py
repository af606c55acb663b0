"""Whether an epoch has few optimiser steps, or leaves out much of the data, and the batch size that would change it.

Pure arithmetic over counts: knows no sampler, no data and no torch, so that a run and a rule say the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

FEW_STEPS = 20
"""Optimiser steps in an epoch. With fewer, plans in epochs (warmup, plateau, validation) move in coarse steps."""
LEFT_OUT_SHARE = 0.05
"""Share of the samples from which it is worth saying that they are left out of an epoch."""
LEAST_ADVISED = 32
"""Samples in the smallest batch that is advised: with fewer, BatchNorm and losses over pairs are the poorer."""


@dataclass(frozen=True)
class ShortEpoch:
    """An epoch of few steps, or one that leaves out much."""

    num_samples: int
    batch_size: int
    steps: int
    """Optimiser steps in an epoch."""
    left_out: int
    """Samples of the incomplete last batch, where it is left out."""
    advised: int | None
    """A batch of at most half the size, with about `FEW_STEPS`; None: there is none that helps."""
    advised_steps: int

    def words(self, *, are_others: bool = False) -> str:
        """In one line, with the figures; `are_others`: each epoch leaves out other samples."""
        unit = "step" if self.steps == 1 else "steps"
        text = f"an epoch has {self.steps} {unit}: {self.num_samples:,} samples in batches of {self.batch_size:,}"
        if self.left_out:
            often = ", others in each epoch" if are_others else ""
            text += f"; {self.left_out:,} of them ({self.left_out / self.num_samples:.0%}) are left out{often}"
        return text

    @property
    def advice(self) -> str:
        """What to change; empty where nothing helps."""
        return "" if self.advised is None else f"a batch of {self.advised:,} gives {self.advised_steps}"


def short_epoch(
    num_samples: int, num_batches: int, batch_size: int, accumulation: int, *, drop_last: bool
) -> ShortEpoch | None:
    """What is worth saying of the length of an epoch; None: nothing is.

    Args:
        num_samples: in training.
        num_batches: in an epoch.
        batch_size: samples of a whole batch.
        accumulation: batches of an optimiser step.
        drop_last: whether the incomplete last batch is left out.
    """
    whole, rest = divmod(num_samples, batch_size)
    if not num_batches or num_batches != whole + (1 if rest and not drop_last else 0):
        return None  # an epoch that is no single pass over the data has a length that somebody chose
    left_out = rest if drop_last and rest >= LEFT_OUT_SHARE * num_samples else 0

    def steps_of(size: int) -> int:
        batches = num_samples // size if drop_last else math.ceil(num_samples / size)
        return math.ceil(batches / accumulation)

    steps = steps_of(batch_size)
    powers = [size for size in (2**power for power in range(31)) if LEAST_ADVISED <= size <= batch_size // 2]
    nearest = min(powers, key=lambda size: abs(math.log(steps_of(size) / FEW_STEPS)), default=None)
    advised = nearest if nearest is not None and steps < FEW_STEPS and steps_of(nearest) > steps else None
    if advised is None and not left_out:
        return None
    return ShortEpoch(num_samples, batch_size, steps, left_out, advised, steps_of(advised or batch_size))
