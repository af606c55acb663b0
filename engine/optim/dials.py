"""Numbers that Python changes from step to step, as scalars on the device, where a recorded step reads them.

Knows optimisers and their learning rates; not what the other numbers mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


class Dials:
    """Scalars on `device` by name, float32; setting one to the value it has costs nothing."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._values = dict[str, float]()
        self._tensors = dict[str, Tensor]()

    def set(self, name: str, value: float) -> None:
        """Turn a dial, making it if need be."""
        if self._values.get(name) == value:
            return
        self._values[name] = value
        if name in self._tensors:
            self._tensors[name].fill_(value)
        else:
            self._tensors[name] = torch.full((), value, device=self._device)

    def __getitem__(self, name: str) -> Tensor:
        """The scalar, always the same tensor."""
        return self._tensors[name]


def give_rates(optimizer: Optimizer, rates: Sequence[Tensor]) -> None:
    """Let the groups of an optimiser read their learning rates from the device, and count their steps there."""
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = rate
        if "capturable" in group:
            group["capturable"] = True
    for state in optimizer.state.values():
        if isinstance(state.get("step"), Tensor):
            state["step"] = state["step"].to(rates[0].device, torch.float32)


def plain_groups(optimizer_state: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """An optimiser's `state_dict` with numbers for rates, as a step that is not recorded would have left it.

    Args:
        optimizer_state: as torch gives it; left as it is.
        defaults: the optimiser's own.
    """
    if not any(isinstance(group["lr"], Tensor) for group in optimizer_state["param_groups"]):
        return optimizer_state
    groups = [
        {
            key: float(value) if key == "lr" else defaults[key] if key == "capturable" else value
            for key, value in group.items()
        }
        for group in optimizer_state["param_groups"]
    ]
    return {**optimizer_state, "param_groups": groups}
