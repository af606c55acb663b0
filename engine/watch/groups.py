"""Which network an optimiser trains and how its parameters are grouped and named. Looks, and keeps nothing alive."""

from __future__ import annotations

import gc
from collections.abc import Iterable

from torch import nn
from torch.optim import Optimizer

MOST_GROUPS = 24
"""Of gradient norms; a network with more parts is grouped by its optimiser's."""


def find_model(optimizer: Optimizer) -> nn.Module | None:
    """The network around the optimiser's parameters: the largest module that holds the first of them.

    Wrappers (`DistributedDataParallel`, a compiled module) are looked into for the network itself.
    """
    first = next(iter(trained(optimizer)), None)
    if first is None:
        return None
    # By type: some objects of torch answer `isinstance` with a warning.
    modules = [found for found in gc.get_objects() if issubclass(type(found), nn.Module)]
    holders = [module for module in modules if _holds(module, first)]
    return inner(max(holders, key=_size, default=None))


def _holds(module: nn.Module, parameter: nn.Parameter) -> bool:
    """Whether a module has a parameter. Others may be half made, in another thread, or answer with any error."""
    try:
        return any(p is parameter for p in module.parameters())
    except Exception:
        return False


def unoptimised(optimizer: Optimizer, model: nn.Module) -> tuple[int, int]:
    """Parameter tensors of the network that want a gradient and that no optimiser holds; and all that want one."""
    optimizers = [found for found in gc.get_objects() if issubclass(type(found), Optimizer)]
    held = {id(p) for one in (optimizer, *optimizers) for p in trained(one)}
    wanting = [p for p in model.parameters() if p.requires_grad]
    return sum(1 for p in wanting if id(p) not in held), len(wanting)


def inner(model: nn.Module | None) -> nn.Module | None:
    """The network within wrappers that add nothing to its parameters."""
    while model is not None:
        wrapped = getattr(model, "_orig_mod", None) or getattr(model, "module", None)
        if not isinstance(wrapped, nn.Module) or _size(wrapped) != _size(model):
            return model
        model = wrapped
    return None


def _size(module: nn.Module) -> tuple[int, int]:
    """Parameters, then modules: of two with the same parameters the outer one is larger."""
    return sum(1 for _ in module.parameters()), sum(1 for _ in module.modules())


def trained(optimizer: Optimizer) -> Iterable[nn.Parameter]:
    """Its parameters, in order; none of one that is half made."""
    for group in getattr(optimizer, "param_groups", ()):
        yield from group["params"]


def grouped(optimizer: Optimizer, model: nn.Module | None) -> tuple[dict[str, list[nn.Parameter]], tuple[str, ...]]:
    """The optimiser's parameters by the network's part that holds them; without a network by its own groups.

    Returns:
        Parameters by group, and the parts of the network of which it trains none.
    """
    mine = {id(p) for p in trained(optimizer) if p.requires_grad}
    found: dict[str, list[nn.Parameter]] = {}
    frozen: list[str] = []
    children = {} if model is None else {name: list(child.parameters()) for name, child in _parts(model)}
    children = {name: params for name, params in children.items() if params}
    if 1 < len(children) <= MOST_GROUPS:
        found = {name: [p for p in params if id(p) in mine] for name, params in children.items()}
        frozen = [name for name, params in found.items() if not params]
        found = {name: params for name, params in found.items() if params}
    known = {id(p) for params in found.values() for p in params}
    for number, group in enumerate(optimizer.param_groups):
        rest = [p for p in group["params"] if id(p) in mine - known]
        if rest:
            name = str(group.get("name", f"group{number}" if len(optimizer.param_groups) > 1 else "parameters"))
            found[_free(name, found)] = rest
    return found, tuple(frozen)


def _free(name: str, taken: Iterable[str]) -> str:
    return name if name not in taken else f"{name}_"


def _parts(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """The named parts of a network: its children, of a lone child that one's."""
    children = [(name, child) for name, child in model.named_children()]
    while len(children) == 1:
        name, only = children[0]
        below = [(f"{name}.{part}", child) for part, child in only.named_children()]
        if not below:
            break
        children = below
    return children
