"""Builds the optimiser of a run: parameter groups, the fastest kernel the device has. Knows no schedule."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

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
    groups = _groups([p for _, p in named], config)
    kernel = _kernel(config.implementation, device)
    if config.name == "sgd":
        if config.nesterov and config.momentum == 0:
            raise UserError("optimizer.nesterov needs momentum", "set optimizer.momentum above 0")
        return SGD(groups, lr=config.lr, momentum=config.momentum, nesterov=config.nesterov, **kernel)
    kind = AdamW if config.name == "adamw" else Adam
    return kind(groups, lr=config.lr, betas=config.betas, eps=config.eps, **kernel)


def _groups(params: list[nn.Parameter], config: OptimizerConfig) -> list[dict[str, Any]]:
    decay = config.weight_decay
    if config.decay_all or decay == 0:
        return [{"params": params, "weight_decay": decay}]
    matrices = [p for p in params if p.ndim > 1]
    vectors = [p for p in params if p.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": decay}, {"params": vectors, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def _kernel(implementation: str, device: torch.device) -> dict[str, bool]:
    if implementation == "auto":
        implementation = "fused" if device.type in FUSED_DEVICES else "foreach"
    if implementation == "fused":
        return {"fused": True}
    return {"foreach": implementation == "foreach"}
