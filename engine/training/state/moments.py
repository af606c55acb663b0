"""Takes an optimiser's state over into another one, parameter by parameter. Knows no files and no runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from trainctl.engine.config.schema import RunConfig
from trainctl.engine.optim.groups import is_within
from trainctl.engine.optim.optimizers import names_in_state


def load_moments(
    model: nn.Module,
    optimizer: Optimizer,
    saved: dict[str, Any],
    before: RunConfig,
    now: RunConfig,
    groups: Sequence[Sequence[str]] = (),
) -> str:
    """Give each parameter the state that it had in another run of the same network.

    The constants (learning rate, decay, betas) stay those of `optimizer`: torch's own `load_state_dict` would bring
    back the old ones. Parameters are matched by name, because freezing and `decay_all` change their numbers.

    Args:
        model: the network.
        optimizer: built for it under `now`, without state.
        saved: `state_dict` of the other run's optimiser.
        before: configuration of the other run.
        now: configuration of this one.
        groups: modules of each group that the task names, in its order.

    Returns:
        What was left behind, in words; empty if nothing was.
    """
    old, new = before.optimizer.name, now.optimizer.name
    if old != new:
        return f"the optimiser starts without moments: the parent's is {old}, this one {new}"
    # A parameter that is frozen neither here nor there by its task: frozen now only because it is configured so.
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad or is_within(name, now.freeze)]
    numbers = [number for group in saved["param_groups"] for number in group["params"]]
    names_before = names_in_state(named, before.optimizer, before.freeze, groups)
    names_now = names_in_state(named, now.optimizer, now.freeze, groups)
    by_name = {name: saved["state"].get(number) for name, number in zip(names_before, numbers, strict=False)}
    if len(numbers) != len(names_before) or not _fits(by_name, dict(named)):
        return "the optimiser starts without moments: the parent's belong to other parameters"
    fresh = optimizer.state_dict()
    state = {k: by_name[name] for k, name in enumerate(names_now) if by_name.get(name)}
    optimizer.load_state_dict({"state": state, "param_groups": fresh["param_groups"]})
    num_new = sum(name not in by_name for name in names_now)
    return f"{num_new} of {len(names_now)} parameters start without moments: frozen in the parent" if num_new else ""


def _fits(by_name: dict[str, Any], params: dict[str, nn.Parameter]) -> bool:
    """Whether every moment has the shape of its parameter; scalars (a step count) always do."""
    return all(
        value.shape == params[name].shape
        for name, state in by_name.items()
        for value in (state or {}).values()
        if isinstance(value, torch.Tensor) and value.ndim > 0
    )
