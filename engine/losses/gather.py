"""Joins the batches of all ranks so that a loss over pairs sees them as one, gradients included.

Knows torch.distributed only; where nothing is distributed it is the identity.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist

from trainctl.engine.ranks import present_ranks


def gather_with_grad(local_BD: Tensor) -> Tensor:
    """Rows of all ranks, in the order of the ranks: (B, D) to (world · B, D). Every rank must bring equally many.

    Every rank is expected to compute the same loss from the result, and the gradients of the parameters to be
    averaged over the ranks afterwards, as DistributedDataParallel does: the outcome is the gradient of that one loss.
    """
    gathered: Tensor = _Gather.apply(local_BD)  # pyright: ignore[reportAssignmentType, reportUnknownVariableType]
    return gathered


def gather(local_B: Tensor) -> Tensor:
    """`gather_with_grad` for what has no gradient, e.g. labels."""
    parts = [torch.empty_like(local_B) for _ in range(present_ranks().size)]
    dist.all_gather(parts, local_B.contiguous())
    return torch.cat(parts)


class _Gather(torch.autograd.Function):
    """All ranks hold the same loss, so they hold the same gradient of the joined rows: no second exchange is needed.

    The gradient of the sum of all ranks' losses is the world size times the own rows' part; averaging over ranks
    takes the world size out again.
    """

    @staticmethod
    def forward(ctx: Any, local_BD: Tensor) -> Tensor:
        ctx.size = len(local_BD)
        return gather(local_BD)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        ranks = present_ranks()
        start = ranks.rank * ctx.size
        return gradients[0][start : start + ctx.size] * ranks.size
