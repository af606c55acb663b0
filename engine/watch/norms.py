"""Gradient norms of parameters as a foreign loop has them: sparse, sharded, on several devices, still scaled.

Nothing here waits for the device. Knows parameters, no step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from trainctl.engine.optim import foreach
from trainctl.engine.training.record.gradients import GradientMeter


class WatchedMeter(GradientMeter):
    """As its base, for whatever parameters an optimiser holds.

    Args:
        groups: parameters by group name.
        model: gives those that no group names; None: there are no others.
    """

    def __init__(self, groups: Mapping[str, Sequence[nn.Parameter]], model: nn.Module | None) -> None:
        super().__init__(groups, nn.Module() if model is None else model)
        self.device = self.params[0].device if self.params else torch.device("cpu")
        self._devices = {p.device for p in self.params}
        self._is_plain: bool | None = None
        """Whether all gradients are dense and in one place, which they then stay; None: not all were there yet."""
        self.is_sharded = any(hasattr(p, "to_local") for p in self.params)

    def norms(self) -> list[Tensor]:
        """Gradient norm of each parameter tensor, scalars on `device`: 0 without a gradient, of a sharded one that of
        this process's part."""
        if self._is_plain is None and all(p.grad is not None for p in self.params):
            has_sparse = any(p.grad.is_sparse for p in self.params if p.grad is not None)
            self._is_plain = not self.is_sharded and len(self._devices) == 1 and not has_sparse
        if self._is_plain:
            grads = [grad for p in self.params if (grad := p.grad) is not None]
            found = foreach.norms(grads) if len(grads) == len(self.params) else super().norms()
            # Gradients have gradients themselves where the loop asks for them (`create_graph`).
            return [norm.detach() for norm in found] if found[0].requires_grad else found
        zero = torch.zeros((), device=self.device)
        return [zero if p.grad is None else self._norm(p.grad.detach()) for p in self.params]

    def _norm(self, grad: Tensor) -> Tensor:
        return norm_of(grad).to(self.device, non_blocking=True)

    def weights_before(self) -> list[Tensor]:
        """Copies of this process's part of the weights."""
        return [_local(p).detach().clone() for p in self.params]

    def update_ratio(self, before: list[Tensor]) -> Tensor:
        """|change of the weights| / |weights before|, a scalar on `device`."""
        if len(self._devices) == 1:
            weight = torch.stack(foreach.norms(before)).norm()
            change = foreach.differences([_local(p).detach() for p in self.params], before)
            return torch.stack(foreach.norms(change)).norm() / weight
        pairs = list(zip(self.params, before, strict=True))
        weights = torch.stack([old.norm().float().to(self.device) for _, old in pairs]).norm()
        changes = torch.stack([(p.detach() - old).norm().float().to(self.device) for p, old in pairs]).norm()
        return changes / weights


def norm_of(grad: Tensor) -> Tensor:
    """Norm of one gradient, a scalar where it lies; of a sharded one that of this process's part."""
    local = _local(grad)
    dense = local.coalesce().values() if local.is_sparse else local
    return foreach.norms([dense])[0].float()


def _local(tensor: Tensor) -> Tensor:
    return tensor.to_local() if hasattr(tensor, "to_local") else tensor  # pyright: ignore[reportCallIssue, reportAttributeAccessIssue]
