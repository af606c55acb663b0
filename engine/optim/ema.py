"""Exponential moving average of a network's weights (Polyak & Juditsky 1992), with the ramp that lets it start.

A constant decay of .999 still holds 63 % of the random initialisation after 460 steps; min(d, (1+t)/(10+t))
forgets it. BatchNorm's statistics are averaged or copied too: weights and statistics belong together.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from trainctl.engine.config.schema import EmaConfig
from trainctl.engine.optim import foreach


class Ema:
    """The averaged copy of `model`.

    Args:
        model: the network being trained; the copy starts equal to it.
        config: decay, ramp, and what to do with buffers. `config.decay` must be set.
    """

    def __init__(self, model: nn.Module, config: EmaConfig) -> None:
        assert config.decay is not None
        self.decay, self.ramp = config.decay, config.ramp
        self.num_updates = 0
        self.module = copy.deepcopy(model).requires_grad_(requires_grad=False).eval()
        self._averaged, self._copied = _pair_tensors(self.module, model, copy_buffers=config.buffers == "copy")

    def average(self, model: nn.Module, part_of: Callable[[nn.Parameter], Tensor]) -> None:
        """From here on average parts of the parameters, where neither network has them whole.

        Args:
            model: the network being trained.
            part_of: what is here of a parameter of either.
        """
        shadow, live = (list(map(part_of, network.parameters())) for network in (self.module, model))
        count = len(shadow)
        self._averaged = (shadow + self._averaged[0][count:], live + self._averaged[1][count:])

    def decay_at(self, t: int) -> float:
        """Decay of update `t` (0-based)."""
        return min(self.decay, (1 + t) / (10 + t)) if self.ramp else self.decay

    def update(self) -> None:
        """Move the average towards the network. One fused operation, no synchronisation."""
        self.move(self.next_weight())
        self.num_updates += 1

    def next_weight(self) -> float:
        """Share of the network in the coming update."""
        return 1 - self.decay_at(self.num_updates)

    @torch.no_grad()
    def move(self, weight: float | Tensor) -> None:
        """Take over a share of the network, given as a number or as a scalar on the device. Counts nothing."""
        shadow, live = self._averaged
        if isinstance(weight, Tensor):
            foreach.move_(shadow, live, weight)
        else:
            foreach.lerp_(shadow, live, weight)
        foreach.copy_(*self._copied)

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain data for a checkpoint."""
        return {"module": self.module.state_dict(), "num_updates": self.num_updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken."""
        self.module.load_state_dict(state["module"])
        self.num_updates = int(state["num_updates"])


TensorPairs = tuple[list[Tensor], list[Tensor]]


def _pair_tensors(shadow: nn.Module, live: nn.Module, *, copy_buffers: bool) -> tuple[TensorPairs, TensorPairs]:
    """(averaged pairs, copied pairs) of the two networks' tensors. Integers cannot be averaged."""
    averaged: TensorPairs = (list(shadow.parameters()), list(live.parameters()))
    copied: TensorPairs = ([], [])
    for old, new in zip(shadow.buffers(), live.buffers(), strict=True):
        target = copied if copy_buffers or not old.is_floating_point() else averaged
        target[0].append(old)
        target[1].append(new)
    return averaged, copied
