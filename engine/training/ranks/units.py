"""Which parts of a network are gathered as one where its weights lie in parts, and what cannot lie in parts at all.

Knows networks, options and the task contract; no process.
"""

from __future__ import annotations

from collections import defaultdict

from torch import nn

from trainctl.engine.config.schema import RunConfig
from trainctl.engine.errors import UserError
from trainctl.engine.tasks.task import Task

LEAST_SHARE = 1000
"""A unit has one in so many of the network's weights at least: what is smaller is gathered with what surrounds it."""
ELEMENTWISE = frozenset(
    ("adadelta", "adagrad", "adam", "adamax", "adamw", "asgd", "nadam", "radam", "rmsprop", "rprop", "sgd")
)
"""Optimisers that update each weight by itself. Others look at whole matrices, of which a rank has a part."""


def units_of(network: nn.Module) -> list[nn.Module]:
    """Modules that stand in an nn.ModuleList or nn.Sequential and have parameters of their own, inner ones first.

    Left to what surrounds it: a container, which nobody need call; a module without `forward`; one that shares a
    parameter with others; one that is very small.
    """
    places = defaultdict[int, list[str]](list)
    for name, p in network.named_parameters(remove_duplicate=False):
        places[id(p)].append(name)
    total = sum(p.numel() for p in network.parameters())
    standing = {
        id(child)
        for module in network.modules()
        if isinstance(module, (nn.ModuleList, nn.Sequential))
        for child in module.children()
    }
    units, taken = list[nn.Module](), set[int]()
    for name, module in reversed(list(network.named_modules())):
        if id(module) not in standing or isinstance(module, nn.Sequential):
            continue
        own = [p for p in module.parameters() if id(p) not in taken]
        is_apart = all(place.startswith(f"{name}.") for p in own for place in places[id(p)])
        is_called = type(module).forward is not nn.Module.forward
        if is_apart and is_called and own and sum(p.numel() for p in own) * LEAST_SHARE >= total:
            units.append(module)
            taken.update(map(id, own))
    return units


def refuse_unparted(config: RunConfig) -> None:
    """Refuse to write in parts what does not lie in parts.

    Raises:
        UserError: says what is lacking.
    """
    if config.ranks.checkpoint == "parts" and not config.ranks.shard:
        raise UserError(
            "ranks.checkpoint=parts: each process has a copy of all, of which there are no parts to write",
            "add ranks.shard=true, or take ranks.checkpoint=whole",
        )


def refuse_unsharded(network: nn.Module, task: Task, config: RunConfig) -> None:
    """Refuse what cannot be trained in parts.

    Raises:
        UserError: says what, and how to go on.
    """
    if config.precision.compile:
        raise UserError("ranks.shard: a compiled network cannot lie in parts", "set precision.compile=false")
    if config.optimizer.name not in ELEMENTWISE:
        raise UserError(
            f"ranks.shard: optimizer.name={config.optimizer.name} looks at whole matrices, of which a rank has a part",
            f"take one of {', '.join(sorted(ELEMENTWISE))}",
        )
    if type(task).end_epoch is not Task.end_epoch:
        raise UserError(
            f"ranks.shard: {type(task).__name__}.end_epoch changes the network, of which a rank has a part",
            "train it with ranks.shard=false",
        )
    named = list(network.named_parameters())
    single = next((name for name, p in named if p.ndim == 0), None)
    if single is not None:
        raise UserError(
            f"ranks.shard: {single} is a single number, which cannot lie in parts", "give it the shape (1,)"
        )
    kinds = {p.dtype: f"{name} ({str(p.dtype).removeprefix('torch.')})" for name, p in named if p.requires_grad}
    if len(kinds) > 1:
        raise UserError(
            f"ranks.shard: parameters of several types cannot lie in parts: {' and '.join(list(kinds.values())[:2])}",
            "give them one type",
        )
