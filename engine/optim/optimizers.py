"""Builds the optimiser of a run: parameter groups, the fastest kernel the device has. Knows no schedule."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from trainctl.engine.config.schema import OptimizerConfig
from trainctl.engine.errors import UserError

FUSED_DEVICES = ("cpu", "cuda", "mps", "xpu")


def freeze(model: nn.Module, names: Iterable[str]) -> None:
    """Stop training the parameters of the modules called `names`.

    Raises:
        UserError: a name is no module of the network.
    """
    modules = dict(model.named_modules())
    for name in names:
        if name not in modules:
            known = ", ".join(child for child, _ in model.named_children())
            raise UserError(f"freeze: the network has no module {name!r}", f"top-level modules: {known}")
        modules[name].requires_grad_(requires_grad=False)


def build_optimizer(model: nn.Module, config: OptimizerConfig, device: torch.device) -> Optimizer:
    """An optimiser over the trainable parameters of `model`.

    Raises:
        UserError: nothing is trainable, or the constants contradict each other.
    """
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    if not named:
        raise UserError("no parameter of the network is trainable", "freeze fewer modules")
    groups = [{"params": [p for _, p in members], "weight_decay": decay} for members, decay in _groups(named, config)]
    kernel = _kernel(config.implementation, device)
    if config.name == "sgd":
        if config.nesterov and config.momentum == 0:
            raise UserError("optimizer.nesterov needs momentum", "set optimizer.momentum above 0")
        return SGD(groups, lr=config.lr, momentum=config.momentum, nesterov=config.nesterov, **kernel)
    kind = AdamW if config.name == "adamw" else Adam
    return kind(groups, lr=config.lr, betas=config.betas, eps=config.eps, **kernel)


def names_in_state(
    named: Iterable[tuple[str, nn.Parameter]], config: OptimizerConfig, frozen: Sequence[str]
) -> list[str]:
    """Names of the parameters in the order in which the state of an optimiser counts them.

    Args:
        named: parameters of the network that its task does not freeze itself.
        config: of the optimiser.
        frozen: modules that were frozen when it was built.
    """
    trained = [(name, p) for name, p in named if not is_within(name, frozen)]
    return [name for members, _ in _groups(trained, config) for name, _ in members]


def is_within(name: str, modules: Sequence[str]) -> bool:
    """Whether a parameter belongs to one of the modules, or to a module below one."""
    return any(name.startswith(f"{module}.") for module in modules)


NamedParameters = list[tuple[str, nn.Parameter]]


def _groups(named: NamedParameters, config: OptimizerConfig) -> list[tuple[NamedParameters, float]]:
    """Parameters that share a weight decay, and that decay."""
    decay = config.weight_decay
    if config.decay_all or decay == 0:
        return [(named, decay)]
    matrices = [(name, p) for name, p in named if p.ndim > 1]
    vectors = [(name, p) for name, p in named if p.ndim <= 1]
    return [(members, decay) for members, decay in ((matrices, decay), (vectors, 0.0)) if members]


def _kernel(implementation: str, device: torch.device) -> dict[str, bool]:
    if implementation == "auto":
        implementation = "fused" if device.type in FUSED_DEVICES else "foreach"
    if implementation == "fused":
        return {"fused": True}
    return {"foreach": implementation == "foreach"}
