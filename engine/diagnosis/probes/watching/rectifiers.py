"""Units that are at the lower bound of a rectifier for every sample of a batch. Judges nothing, and waits for no device
until it is asked for facts."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from trainctl.engine.diagnosis.facts.watched.layers import RectifierFacts
from trainctl.engine.diagnosis.probes.watching.watch import Call, Look

LOWER = {"clamp": "min", "clip": "min", "clamp_min": "min", "clamp_min_": "min", "hardtanh": "min_val"}
"""Functions that are rectifiers where their lower bound is 0, and what that is called."""
RECTIFIERS = ("relu", "relu_", "relu6", *LOWER)


class Rectifiers:
    """Collects the share of units of each rectifier that never pass anything."""

    def __init__(self) -> None:
        self._silent: dict[str, Sequence[Tensor]] = {}
        """Which units are dead, along each dimension that units may lie along."""
        self._calls: dict[str, int] = {}

    @property
    def looks(self) -> dict[str, Look]:
        """For `Watch`."""
        return dict.fromkeys(RECTIFIERS, self._look)

    def facts(self) -> tuple[RectifierFacts, ...]:
        """Of each rectifier; of one that is called several times each call by itself."""
        return tuple(_facts(name, silent) for name, silent in self._silent.items())

    def _look(self, call: Call) -> None:
        output = call.output
        if call.module is None or not isinstance(output, Tensor) or not output.is_floating_point():
            return  # outside the network it is part of a loss
        if output.dim() < 2 or not output.numel() or not output.requires_grad:
            return
        if call.name in LOWER and call.argument(1, LOWER[call.name]) != 0:
            return
        number = self._calls[call.module] = self._calls.get(call.module, 0) + 1
        name = call.place if number == 1 else f"{call.place} (call {number})"
        self._silent[name] = [_silent(output.detach(), dim) for dim in ({1, 2} if output.dim() == 3 else {1})]


def _silent(output: Tensor, dim: int) -> Tensor:
    """Whether each unit along `dim` is 0 for every sample and place."""
    return (output <= 0).transpose(0, dim).flatten(1).all(1)


def _facts(name: str, silent: Sequence[Tensor]) -> RectifierFacts:
    share, units = min((float(one.double().mean()), len(one)) for one in silent)
    return RectifierFacts(name, units, share)
