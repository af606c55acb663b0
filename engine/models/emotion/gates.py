"""Gates between 0 and 1, and what there is to know of them: where they are closed, open, and without a gradient."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainctl.engine.models.emotion.options import GateName

FORMS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "hardtanh": lambda x: F.hardtanh(x, 0.0, 1.0),
    "sigmoid": torch.sigmoid,
    "hardsigmoid": F.hardsigmoid,
}
EDGE = 1e-3
"""How near to 0 or 1 a gate counts as closed or open."""


@dataclass(frozen=True)
class Gated:
    """A gate's values and what they were made of, any shape, the last dimension its features."""

    name: str
    raw: Tensor
    """Before the form: where the gate is clamped, only this has a gradient."""
    value: Tensor
    """In [0, 1]."""


class Gate(nn.Module):
    """A learned gate. Its input is normalised, so that all start alike whatever feeds them.

    At the start the pre-activation has a standard deviation of 1/√3 (torch's default weights on inputs of unit
    variance). So half of the values of a `hardtanh` gate are 0 and 4.2 % are 1, and have no gradient.
    """

    def __init__(self, name: str, inputs: int, features: int, form: GateName) -> None:
        super().__init__()
        self.name, self.form = name, form
        self.norm = nn.LayerNorm(inputs)
        self.linear = nn.Linear(inputs, features)

    def forward(self, x: Tensor) -> Gated:
        """Inputs (..., inputs) to values (..., features)."""
        raw = self.linear(self.norm(x))
        return Gated(self.name, raw, FORMS[self.form](raw))


def shares(gate: Gated, valid_BL: Tensor) -> tuple[Tensor, Tensor]:
    """Shares of a gate's values (B, L, features) that are 0 and that are 1, over the utterances that are there."""
    weight = valid_BL.sum().clamp(min=1) * gate.value.shape[-1]
    closed = ((gate.value <= EDGE) & valid_BL[..., None]).sum() / weight
    opened = ((gate.value >= 1 - EDGE) & valid_BL[..., None]).sum() / weight
    return closed, opened
