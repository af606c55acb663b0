"""Which samples form a batch: a pure function of (seed, epoch), so a resume needs only a position.

Knows indices and labels, never the data itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from trainctl.engine.errors import UserError


class Sampler(Protocol):
    """What the loop asks of a sampler."""

    def __len__(self) -> int:
        """Batches in an epoch."""
        ...

    def batches(self, epoch: int) -> Sequence[Tensor]:
        """Index tensors (int64, CPU) of epoch `epoch` (0-based); the same epoch gives the same batches."""
        ...


class RandomSampler:
    """Every sample once an epoch, in a fresh random order.

    Args:
        num_samples: size of the split.
        batch_size: samples per batch.
        seed: with the epoch it determines the order.
        drop_last: leave out an incomplete last batch.

    Raises:
        UserError: when an epoch would hold no batch.
    """

    def __init__(self, num_samples: int, batch_size: int, seed: int, *, drop_last: bool = True) -> None:
        self.num_samples, self.batch_size, self.seed, self.drop_last = (
            num_samples,
            batch_size,
            seed,
            drop_last,
        )
        if len(self) == 0:
            raise UserError(
                f"the training split has {num_samples} samples, fewer than one batch of {batch_size}",
                f"set train.batch_size to at most {num_samples} or train.drop_last=false",
            )

    def __len__(self) -> int:
        whole, rest = divmod(self.num_samples, self.batch_size)
        return whole + (0 if self.drop_last or rest == 0 else 1)

    def batches(self, epoch: int) -> Sequence[Tensor]:
        """Index tensors of the epoch's batches."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        order = torch.randperm(self.num_samples, generator=generator)
        return order.split(self.batch_size)[: len(self)]
