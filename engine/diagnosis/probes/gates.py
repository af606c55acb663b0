"""Gates and other clamped values of an untrained network: how many stand at an end, and where no gradient passes.

Knows them by the scalars a task records of them, by the gate of `models.emotion`, and by torch's clamping modules.
Judges nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from trainctl.engine.diagnosis.facts.gates import CLOSED, OPEN, GateFacts
from trainctl.engine.models.emotion.gates import EDGE, Gate, Gated
from trainctl.engine.tasks.task import StepOutput

CLAMPED_FORMS = frozenset({"hardtanh", "hardsigmoid"})
"""Forms of a `Gate` whose ends are flat."""


@dataclass
class Seen:
    """What passed through the modules while they were watched."""

    gates: dict[str, tuple[Gated, bool]] = field(default_factory=dict[str, tuple[Gated, bool]])
    """By name: the newest values of a gate, and whether it is clamped."""
    modules: dict[str, tuple[float, float, bool]] = field(default_factory=dict[str, tuple[float, float, bool]])
    """Shares of the values at the lower and the upper end of a module's range, and whether it is clamped."""


@contextlib.contextmanager
def watched(model: nn.Module) -> Generator[Seen]:
    """Keeps what gates and clamping modules give, until the block ends."""
    seen = Seen()

    def watch(name: str) -> Any:
        def look(module: nn.Module, args: object, output: object) -> None:
            del args
            if isinstance(module, Gate) and isinstance(output, Gated):
                seen.gates[output.name] = output, module.form in CLAMPED_FORMS
            elif isinstance(output, Tensor) and output.is_floating_point() and output.numel():
                seen.modules[name] = _shares(module, output.detach())

        return look

    handles = [
        module.register_forward_hook(watch(name)) for name, module in model.named_modules() if _is_watched(module)
    ]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def measure_gates(seen: Seen, output: StepOutput) -> tuple[GateFacts, ...] | None:
    """Facts about each gate and clamping module; None where there are none.

    Args:
        seen: while the step was made.
        output: of that step; its graph stays. Shares that the task records leave out padding, and count.
    """
    recorded = {name: float(value) for name, value in output.scalars.items()}
    names = [name.removeprefix(CLOSED) for name in recorded if name.startswith(CLOSED)]
    found = [
        GateFacts(
            name=name,
            source="batch",
            closed=recorded[CLOSED + name],
            open=recorded.get(OPEN + name, 0.0),
            is_clamped=seen.gates[name][1] if name in seen.gates else None,
            without_gradient=_without_gradient(seen.gates[name][0], output.terms) if name in seen.gates else {},
        )
        for name in names
    ]
    found += [
        GateFacts(name, "batch", closed, opened, is_clamped)
        for name, (closed, opened, is_clamped) in seen.modules.items()
    ]
    return tuple(found) or None


def _is_watched(module: nn.Module) -> bool:
    # ReLU6 is a Hardtanh to torch, but a rectifier to its users: half of its values are meant to be 0.
    is_rectifier = isinstance(module, nn.ReLU6)
    return isinstance(module, (Gate, nn.Hardtanh, nn.Hardsigmoid, nn.Sigmoid, nn.Tanh)) and not is_rectifier


def _shares(module: nn.Module, values: Tensor) -> tuple[float, float, bool]:
    low, high = (module.min_val, module.max_val) if isinstance(module, nn.Hardtanh) else (0.0, 1.0)
    low = -1.0 if isinstance(module, nn.Tanh) else low
    margin = EDGE * (high - low)
    at_low, at_high = (values <= low + margin).float().mean(), (values >= high - margin).float().mean()
    return float(at_low), float(at_high), isinstance(module, (nn.Hardtanh, nn.Hardsigmoid))


def _without_gradient(gate: Gated, terms: Mapping[str, Tensor]) -> dict[str, float]:
    """Share of a gate's values to which each term passes no gradient, of the places that it reaches at all.

    Padding is no place of a term: none of its features has a gradient. Terms that do not read the gate are left out.
    """
    found: dict[str, float] = {}
    for name, term in terms.items():
        if not (term.requires_grad and gate.raw.requires_grad):
            continue
        gradient = torch.autograd.grad(
            term.sum(), [gate.raw], retain_graph=True, allow_unused=True, materialize_grads=True
        )[0]
        is_there = (gradient != 0).any(-1)
        if bool(is_there.any()):
            found[name] = float((gradient[is_there] == 0).float().mean())
    return found
