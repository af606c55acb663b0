"""Named groups of parameters, each trained for loss terms of its own: a generator against a discriminator.

Knows modules and names; no optimiser, no loop.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from trainctl.engine.errors import UserError


@dataclass(frozen=True)
class OptimizerGroup:
    """Modules that minimise loss terms of their own, as if by an optimiser of their own."""

    modules: Sequence[str]
    """Dotted names of modules of the network; what lies below them belongs to the group too."""
    terms: Sequence[str]
    """Loss terms whose gradient reaches the group; no other's does."""
    every: int = 1
    """Steps between two updates of the group, e.g. 5 for a generator behind five steps of its critic."""
    lr: float | None = None
    """Peak learning rate; none: `optimizer.lr`. `optimizer.lrs.NAME` comes before both."""
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Further constants of the optimiser for this group, by torch's names: `{"betas": (0.0, 0.9)}`."""


@dataclass(frozen=True)
class NamedGroup:
    """A group with the parameters it trains, by their names in the network."""

    name: str
    group: OptimizerGroup
    params: Mapping[str, nn.Parameter]

    def is_due(self, step: int) -> bool:
        """Whether the group is updated at optimiser step `step`, counted from 1."""
        return step % self.group.every == 0


def name_groups(model: nn.Module, groups: Mapping[str, OptimizerGroup]) -> tuple[NamedGroup, ...]:
    """The groups with their trainable parameters; a group whose modules are frozen is left out.

    Raises:
        UserError: a name is no module of the network, a parameter belongs to no group or to two, a group has no
            terms, or no group is updated at every step.
    """
    if not groups:
        return ()
    found: Any = groups  # what a task of the user's returned
    values: list[Any] = [*found.values()] if isinstance(found, Mapping) else [found]
    if not all(isinstance(value, OptimizerGroup) for value in values):
        raise _refusal("they are no mapping of OptimizerGroup", 'return {"NAME": OptimizerGroup(modules, terms)}')
    if all(group.every > 1 for group in groups.values()):
        raise _refusal("no group is updated at every step", "set every=1 for the one that is updated most often")
    owner = dict[str, str]()
    for name, group in groups.items():
        require_modules(model, group.modules, f"optimizers: {name}")
        _check(name, group)
    named = {key: p for key, p in model.named_parameters() if p.requires_grad}
    for key in named:
        owners = [name for name, group in groups.items() if is_within(key, group.modules)]
        if len(owners) != 1:
            says = "belongs to no group" if not owners else f"belongs to {' and '.join(owners)}"
            raise _refusal(f"the parameter {key} {says}", "name each trainable module in one group, or freeze it")
        owner[key] = owners[0]
    parts = ((name, group, [key for key in named if owner[key] == name]) for name, group in groups.items())
    return tuple(NamedGroup(name, group, {key: named[key] for key in keys}) for name, group, keys in parts if keys)


def check_terms_of(groups: Sequence[NamedGroup], terms: Sequence[str]) -> None:
    """Whether each term that a group names exists, and each that exists is minimised by one.

    Raises:
        UserError: names the term.
    """
    for named in groups:
        for term in named.group.terms:
            if term not in terms:
                raise _refusal(f"{named.name}: no loss term {term!r}", f"this task has: {', '.join(terms)}")
    minimised = {term for named in groups for term in named.group.terms}
    for term in terms:
        if groups and term not in minimised:
            raise _refusal(
                f"no group minimises the loss term {term!r}", "name it in a group that is not frozen, or record it"
            )


def _check(name: str, group: OptimizerGroup) -> None:
    if not group.terms:
        raise _refusal(f"{name} has no loss terms", "name those it minimises, or freeze its modules")
    if group.every < 1:
        raise _refusal(f"{name}: every is {group.every}", "give a number of steps of at least 1")
    lr: Any = group.lr
    if lr is not None and not (isinstance(lr, (int, float)) and 0 < lr < math.inf):
        raise _refusal(f"{name}: lr is {lr!r}", "give a learning rate above 0")


def require_modules(model: nn.Module, names: Iterable[str], what: str) -> None:
    """Refuse a name that is no module of the network.

    Raises:
        UserError: begins with `what`, names the module and those at the top.
    """
    modules = dict(model.named_modules())
    for name in names:
        if name not in modules:
            known = ", ".join(child for child, _ in model.named_children())
            raise UserError(f"{what}: the network has no module {name!r}", f"top-level modules: {known}")


def is_within(name: str, modules: Sequence[str]) -> bool:
    """Whether a parameter belongs to one of the modules, or to a module below one; "" is the network itself."""
    return any(module == "" or name.startswith(f"{module}.") for module in modules)


def _refusal(what: str, advice: str) -> UserError:
    return UserError(f"optimizers: {what}", advice)
