"""This rank's part of each batch. A position in an epoch counts whole batches, so it means the same for any number of
ranks.

Knows indices, never a sample, and no process.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

from torch import Tensor

from trainctl.engine.ranks import Ranks


def share_of(batch: Tensor, ranks: Ranks) -> Tensor:
    """The samples of a batch that a rank takes: every `size`-th, so that classes that stand together are spread.

    Empty where the batch has fewer samples than there are ranks.
    """
    return batch[ranks.rank :: ranks.size]


class Shares(Sequence[Tensor]):
    """The parts of batches (index tensors, int64) that a rank takes, made as they are asked for.

    Who would get nothing of a batch takes its first sample: he must take the step along, with weight 0.

    Args:
        order: whole batches.
        ranks: whose parts.
    """

    def __init__(self, order: Sequence[Tensor], ranks: Ranks) -> None:
        self._order, self._ranks = order, ranks

    def __len__(self) -> int:
        return len(self._order)

    @overload
    def __getitem__(self, index: int) -> Tensor: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Tensor]: ...
    def __getitem__(self, index: int | slice) -> Tensor | Sequence[Tensor]:
        if isinstance(index, slice):
            return Shares(self._order[index], self._ranks)
        batch = self._order[index]
        part = share_of(batch, self._ranks)
        return part if len(part) else batch[:1]
