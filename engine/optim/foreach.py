"""torch's operations over lists of tensors, one kernel for many. Their names are private; only this file says them."""

# pyright: reportPrivateUsage=false, reportPrivateImportUsage=false
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def norms(tensors: Sequence[Tensor]) -> list[Tensor]:
    """L2 norm of each tensor, scalars."""
    return list(torch._foreach_norm(list(tensors)))


def lerp_(targets: list[Tensor], ends: list[Tensor], weight: float) -> None:
    """targets += weight * (ends - targets), in place."""
    torch._foreach_lerp_(targets, ends, weight)


def move_(targets: list[Tensor], ends: list[Tensor], weight: Tensor) -> None:
    """As `lerp_`, with a weight that lies on the device; three kernels, rounded once more."""
    steps = torch._foreach_sub(ends, targets)
    torch._foreach_mul_(steps, weight)
    torch._foreach_add_(targets, steps)


def copy_(targets: list[Tensor], sources: list[Tensor]) -> None:
    """Copy each tensor into its target."""
    if targets:
        torch._foreach_copy_(targets, sources)


def scale_(tensors: list[Tensor], factor: Tensor | float) -> None:
    """Multiply each tensor in place."""
    torch._foreach_mul_(tensors, factor)


def differences(a: list[Tensor], b: list[Tensor]) -> list[Tensor]:
    """a - b, tensor by tensor."""
    return list(torch._foreach_sub(a, b))
