"""Builds the optimiser of a run: any of `torch.optim`, parameter groups, the fastest kernel. Knows no schedule."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import nn
from torch.optim import Optimizer

from trainctl.engine.config.schema import OptimizerConfig
from trainctl.engine.errors import UserError, first_line
from trainctl.engine.optim.groups import NamedGroup, is_within, require_modules
from trainctl.engine.optim.lean import step_of

FUSED_DEVICES = ("cpu", "cuda", "mps", "xpu")
ADAPTED = ("betas", "eps", "momentum", "nesterov")
"""Constants that have options of their own. An optimiser that is not named in `USED` gets them where they are set."""
USED = {"adam": ("betas", "eps"), "adamw": ("betas", "eps"), "sgd": ("momentum", "nesterov")}
"""Which of them the configuration's own defaults are meant for; the others keep torch's."""

NamedParameters = list[tuple[str, nn.Parameter]]


@dataclass(frozen=True)
class ParamGroup:
    """Parameters that share their constants: one of torch's parameter groups, before torch has it."""

    params: NamedParameters
    weight_decay: float
    peak: float
    """Peak learning rate."""
    name: str = ""
    """Of the group that the task named (`OptimizerGroup`); empty: it names none."""
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Further constants, by torch's names."""


def freeze(model: nn.Module, names: Iterable[str]) -> None:
    """Stop training the parameters of the modules called `names`.

    Raises:
        UserError: a name is no module of the network.
    """
    names = list(names)
    require_modules(model, names, "freeze")
    for name in names:
        model.get_submodule(name).requires_grad_(requires_grad=False)


def param_groups(
    model: nn.Module, config: OptimizerConfig, groups: Sequence[NamedGroup] = ()
) -> tuple[ParamGroup, ...]:
    """The trainable parameters of `model`, in the order in which an optimiser counts them.

    Args:
        model: the network, frozen as configured.
        config: of the optimiser.
        groups: those the task names; none: all parameters minimise all terms.

    Raises:
        UserError: nothing is trainable, or the configuration names a group that does not exist.
    """
    for name in config.lrs:
        if name not in [named.name for named in groups]:
            known = ", ".join(named.name for named in groups) or "no named groups"
            raise UserError(f"optimizer.lrs: no group {name!r}", f"this task has: {known}")
    found: list[ParamGroup] = []
    if not groups:
        named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        found = [ParamGroup(members, decay, config.lr) for members, decay in _by_decay(named, config)]
    for part in groups:
        peak = config.lrs.get(part.name, part.group.lr or config.lr)
        found += [
            ParamGroup(members, decay, peak, part.name, part.group.options)
            for members, decay in _by_decay(list(part.params.items()), config)
        ]
    if not any(group.params for group in found):
        raise UserError("no parameter of the network is trainable", "freeze fewer modules")
    return tuple(found)


def build_optimizer(groups: Sequence[ParamGroup], config: OptimizerConfig, device: torch.device) -> Optimizer:
    """An optimiser over the groups, with the fastest kernel the device has.

    Raises:
        UserError: torch has no such optimiser, or it refuses the constants.
    """
    kind = optimizer_type(config.name)
    make = cast("Callable[..., Optimizer]", kind)
    if config.nesterov and config.momentum == 0:
        raise UserError("optimizer.nesterov needs momentum", "set optimizer.momentum above 0")
    arguments = {**_constants(kind, config), **config.arguments, **_kernel(kind, config.implementation, device)}
    parts = [{"params": [p for _, p in g.params], "weight_decay": g.weight_decay, **g.options} for g in groups]
    if "weight_decay" not in _accepted(kind):
        if config.weight_decay:
            raise UserError(f"optimizer.weight_decay: {kind.__name__} has none", "set optimizer.weight_decay=0")
        for part in parts:
            del part["weight_decay"]
    for group in groups:
        strange = sorted(group.options.keys() - _accepted(kind))
        if strange:  # torch takes any, and looks at none that it does not know
            raise UserError(f"optimizers: {group.name}: {kind.__name__} has no {strange[0]}", "leave it out of options")
    try:
        for options in [group.options for group in groups if group.options] or [{}] * bool(config.arguments):
            _try_out(make, {"lr": config.lr, **arguments, **options}, device)
        return make(parts, **{"lr": config.lr, **arguments})
    except (TypeError, ValueError, RuntimeError, AssertionError) as err:  # in torch's words, which name the constant
        raise UserError(
            f"optimizer: {kind.__name__} refuses its constants: {first_line(err)}", "change optimizer.*"
        ) from err


def _try_out(make: Callable[..., Optimizer], arguments: dict[str, Any], device: torch.device) -> None:
    """A step with a weight of no use: the constructors take much of what then cannot step."""
    weight = nn.Parameter(torch.ones(2, 2, device=device))
    weight.grad = torch.ones_like(weight)
    step_of(make([weight], **arguments))()


def optimizer_type(name: str) -> type[Optimizer]:
    """The class of `torch.optim` that a configuration calls so, in lower case.

    Raises:
        UserError: this version of torch has none.
    """
    for found in vars(torch.optim).values():
        if isinstance(found, type) and issubclass(found, Optimizer) and found.__name__.lower() == name:
            return found
    raise UserError(f"optimizer.name: torch {torch.__version__} has no {name}", "choose another, or a newer torch")


def names_in_state(
    named: Iterable[tuple[str, nn.Parameter]],
    config: OptimizerConfig,
    frozen: Sequence[str],
    groups: Sequence[Sequence[str]] = (),
) -> list[str]:
    """Names of the parameters in the order in which the state of an optimiser counts them.

    Args:
        named: parameters of the network that its task does not freeze itself.
        config: of the optimiser.
        frozen: modules that were frozen when it was built.
        groups: modules of each group that the task names, in its order.
    """
    trained = [(name, p) for name, p in named if not is_within(name, frozen)]
    parts = [[(name, p) for name, p in trained if is_within(name, modules)] for modules in groups] or [trained]
    return [name for part in parts for members, _ in _by_decay(part, config) for name, _ in members]


def _by_decay(named: NamedParameters, config: OptimizerConfig) -> list[tuple[NamedParameters, float]]:
    """Parameters that share a weight decay, and that decay."""
    decay = config.weight_decay
    if config.decay_all or decay == 0:
        return [(named, decay)]
    matrices = [(name, p) for name, p in named if p.ndim > 1]
    vectors = [(name, p) for name, p in named if p.ndim <= 1]
    return [(members, decay) for members, decay in ((matrices, decay), (vectors, 0.0)) if members]


def _constants(kind: type[Optimizer], config: OptimizerConfig) -> dict[str, Any]:
    """The constants with options of their own, as far as they are meant for this optimiser.

    Raises:
        UserError: one is set that the optimiser does not have.
    """
    name, accepted = kind.__name__.lower(), _accepted(kind)
    if name in USED:
        return {key: getattr(config, key) for key in USED[name]}
    chosen = {key: getattr(config, key) for key in ADAPTED if getattr(config, key) != _default(key)}
    for key in chosen:
        if key not in accepted:
            has = ", ".join(sorted(accepted - {"params", "lr"}))
            raise UserError(f"optimizer.{key}: {kind.__name__} has none", f"it has: {has} (optimizer.arguments)")
    return chosen


def _default(option: str) -> Any:
    return OptimizerConfig.model_fields[option].default


def _accepted(kind: type[Optimizer]) -> set[str]:
    return set(inspect.signature(kind).parameters)


def _kernel(kind: type[Optimizer], implementation: str, device: torch.device) -> dict[str, bool]:
    accepted = _accepted(kind)
    if implementation == "auto":
        has_fused = "fused" in accepted and device.type in FUSED_DEVICES
        # Where neither is, torch's own choice stands.
        implementation = "fused" if has_fused else "foreach"
        if "foreach" not in accepted and not has_fused:
            return {}
    if implementation == "fused":
        if "fused" not in accepted:
            raise UserError(f"optimizer.implementation: {kind.__name__} has no fused kernel", "set it to auto")
        return {"fused": True}
    if "foreach" in accepted:
        return {"foreach": implementation == "foreach"}
    return {}
