"""Joins the parts of a batch that the ranks have, so that a loss over the batch as a whole sees it whole.

Knows torch.distributed only; where nothing is distributed, and outside of training steps, it is the identity.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist

from trainctl.engine.ranks import present_ranks

_WHOLE: ContextVar[int | None] = ContextVar("samples of the whole batch", default=None)


_ON_WAIT: ContextVar[Callable[[], object] | None] = ContextVar("what is told of a wait", default=None)


@contextmanager
def sharing(num_samples: int, on_wait: Callable[[], object] | None = None) -> Generator[None]:
    """Within, the ranks have parts of one batch: sample k of it is on rank k % size, its number k // size there.

    Args:
        num_samples: of the whole batch. Where there are fewer than ranks, those without one bring one that is cut off.
        on_wait: called before this rank waits for others.
    """
    tokens = _WHOLE.set(num_samples), _ON_WAIT.set(on_wait)
    try:
        yield
    finally:
        _WHOLE.reset(tokens[0])
        _ON_WAIT.reset(tokens[1])


def is_shared() -> bool:
    """Whether the present batch is a part of one that several ranks have."""
    return _WHOLE.get() is not None and not present_ranks().is_alone


def joined(local_B: Tensor) -> Tensor:
    """What belongs to this rank's samples, (B, …), to what belongs to the whole batch, in its order; with gradients.

    For losses over a batch as a whole: over pairs, over means of it. Every rank must call it as often, and computes the
    same loss from the result; the gradients of the parameters are averaged over the ranks afterwards, as
    DistributedDataParallel does. The outcome is the gradient of that one loss. Alone, in validation and wherever else
    ranks do not share a batch it is the identity.
    """
    whole = _WHOLE.get()
    if whole is None or present_ranks().is_alone:
        return local_B
    if local_B.requires_grad:
        result: Tensor = _Join.apply(local_B, whole)  # pyright: ignore[reportAssignmentType, reportUnknownVariableType]
        return result
    return _join(local_B, whole)


def _join(local_B: Tensor, whole: int) -> Tensor:
    size = present_ranks().size
    most = -(-whole // size)
    wire = local_B.detach().contiguous()
    if wire.dtype is torch.bool:
        wire = wire.to(torch.uint8)
    if len(wire) < most:
        wire = torch.cat([wire, wire.new_zeros(most - len(wire), *wire.shape[1:])])
    parts, on_wait = [torch.empty_like(wire) for _ in range(size)], _ON_WAIT.get()
    if on_wait is not None:
        on_wait()
    dist.all_gather(parts, wire)
    # Rank 0 has samples 0, size, 2 size …; what fills up the shorter parts comes last.
    return torch.stack(parts, 1).flatten(0, 1)[:whole].to(local_B.dtype)


class _Join(torch.autograd.Function):
    """All ranks hold the same loss, so they hold the same gradient of the joined rows: no second exchange is needed.

    The gradient of the sum of all ranks' losses is the world size times the own rows' part; averaging over ranks
    takes the world size out again.
    """

    @staticmethod
    def forward(ctx: Any, local_BD: Tensor, whole: int) -> Tensor:
        ctx.shape = local_BD.shape
        return _join(local_BD, whole)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        ranks = present_ranks()
        own = gradients[0][ranks.rank :: ranks.size] * ranks.size
        if len(own) < ctx.shape[0]:  # one that was only brought so that there is one
            own = torch.cat([own, own.new_zeros(ctx.shape[0] - len(own), *ctx.shape[1:])])
        return own, None
