"""What is measured of the gradients at every step, all on the device: norms, clipping, the guard, the update ratio.

Nothing here waits for the device. It must not know what is recorded or shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from trainctl.engine.optim import foreach

CLIP_EPS = 1e-6
"""Added to the norm before dividing, as `torch.nn.utils.clip_grad_norm_` does."""


class GradientMeter:
    """Norms of the gradients of the parameters that are trained.

    Args:
        groups: parameters by group name. Parameters without `requires_grad` are left out; a group without any
            other is named in `frozen`. A parameter in two groups counts for the first.
        model: gives the parameters that no group names (group `other`).
        clipped: parameters that are clipped by their own norm, for each optimiser; empty: all by that of all.
    """

    def __init__(
        self,
        groups: Mapping[str, Sequence[nn.Parameter]],
        model: nn.Module,
        clipped: Sequence[Sequence[nn.Parameter]] = (),
    ) -> None:
        self.params: list[nn.Parameter] = []
        self.group_of: list[int] = []
        self.groups: list[str] = []
        self.frozen: list[str] = []
        seen: set[int] = set()
        for name, params in [*groups.items(), ("other", list(model.parameters()))]:
            new = [p for p in params if id(p) not in seen]
            seen.update(id(p) for p in new)
            trainable = [p for p in new if p.requires_grad]
            if trainable:
                self.group_of += [len(self.groups)] * len(trainable)
                self.groups.append(name)
                self.params += trainable
            elif new:
                self.frozen.append(name)
        self._clipped = [self._places(part) for part in clipped]

    def _places(self, params: Sequence[nn.Parameter]) -> tuple[Tensor, list[nn.Parameter]]:
        """Where the norms of some parameters stand among all, int64, on the device; and the parameters."""
        wanted = {id(p) for p in params}
        places = [place for place, p in enumerate(self.params) if id(p) in wanted]
        return torch.tensor(places, device=self.params[0].device), [self.params[place] for place in places]

    def norms(self) -> list[Tensor]:
        """Gradient norm of each parameter tensor, scalars; a parameter without gradient has norm 0."""
        present = [p.grad for p in self.params if p.grad is not None]
        norms = foreach.norms(present)
        if len(norms) == len(self.params):
            return norms
        remaining = iter(norms)
        zero = torch.zeros((), device=self.params[0].device)
        return [zero if p.grad is None else next(remaining) for p in self.params]

    def clip(self, norms: Tensor, max_norm: float | Tensor) -> None:
        """Scale the gradients so that their norm, each optimiser's by itself, becomes at most `max_norm`.

        Args:
            norms: of each parameter tensor, shape (P,), as `norms` gave them.
            max_norm: above 0; a number, or a scalar on the device.
        """
        parts = [(norms[places], params) for places, params in self._clipped] or [(norms, self.params)]
        for own, params in parts:
            grads = [p.grad for p in params if p.grad is not None]
            if grads:
                foreach.scale_(grads, torch.clamp(max_norm / (own.norm() + CLIP_EPS), max=1.0))

    def clear(self) -> None:
        """Forget the gradients. torch's `zero_grad` does the same and takes twenty times as long around it."""
        for p in self.params:
            p.grad = None

    def weights_before(self) -> list[Tensor]:
        """Copies of the weights, to measure what the coming update changes."""
        return [p.detach().clone() for p in self.params]

    def update_ratio(self, before: list[Tensor]) -> Tensor:
        """|change of the weights| / |weights before|, a scalar on the device."""
        weight = torch.stack(foreach.norms(before)).norm()
        change = foreach.differences([p.detach() for p in self.params], before)
        return torch.stack(foreach.norms(change)).norm() / weight
