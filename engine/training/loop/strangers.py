"""Looks out for optimisers that a task drives by itself: what they change is neither recorded nor kept.

Knows torch's hook and the network's parameters; no task and no file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Self
from weakref import WeakSet

from torch import nn
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_pre_hook
from torch.utils.hooks import RemovableHandle

from trainctl.engine.errors import UserError

ADVICE = "give each part of the network its terms in Task.optimizers, and let `step` only return them (docs/tasks.md)"


class Strangers:
    """Within it, no other optimiser updates the network.

    Args:
        own: the run's optimiser.
        model: the network.
        warn: told in words of an optimiser over weights that are not the network's.
    """

    def __init__(self, own: Optimizer, model: nn.Module, warn: Callable[[str], object]) -> None:
        self._own, self._warn = own, warn
        self._names = {id(p): name for name, p in model.named_parameters()}
        self._seen = WeakSet[Optimizer]()
        self._has_warned = False
        self._hook: RemovableHandle | None = None

    def __enter__(self) -> Self:
        self._hook = register_optimizer_step_pre_hook(self._look)
        return self

    def __exit__(self, *error: object) -> None:
        if self._hook is not None:
            self._hook.remove()

    def _look(self, optimizer: Optimizer, *_: object) -> None:
        """Before any optimiser of the process takes a step.

        Raises:
            UserError: it is not the run's, and updates the network.
        """
        if optimizer is self._own or optimizer in self._seen:
            return
        self._seen.add(optimizer)
        params = [p for group in optimizer.param_groups for p in group["params"]]
        shared = [self._names[id(p)] for p in params if id(p) in self._names]
        kind = type(optimizer).__name__
        if shared:
            more = f" and {len(shared) - 1} more" if len(shared) > 1 else ""
            raise UserError(
                f"the task steps an optimiser of its own ({kind} over {shared[0]}{more}): it would update weights "
                "that the run's optimiser trains too, and lose its moments on a resume",
                ADVICE,
            )
        if not self._has_warned and any(isinstance(p, nn.Parameter) for p in params):
            self._has_warned = True
            self._warn(
                f"the task steps an optimiser of its own ({kind}) over weights outside the network: no checkpoint "
                f"holds them, no record tells of them; {ADVICE}"
            )
