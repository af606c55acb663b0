"""Whether a watched network is trained in evaluation mode, and since when: an attribute at each step, nothing else.

Knows no rule and no files.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]
from torch.nn.modules.dropout import _DropoutNd  # pyright: ignore[reportPrivateUsage]

STEPS = 20
"""In a row, until it is not the look of a moment."""
MOST_NAMES = 3


class Modes:
    """Follows the mode of one network over its steps.

    Args:
        model: the network.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = weakref.ref(model)
        self._in_a_row = 0
        self._was_training = self._is_told = False

    def stepped(self, step: int) -> Callable[[], dict[str, Any]] | None:
        """A step is done: what reads what is new, as plain data, and may wait for the device; None: nothing is new."""
        model = self._model()
        if model is None:
            return None
        if model.training:
            self._was_training, self._in_a_row = True, 0
            was_told, self._is_told = self._is_told, False
            return dict if was_told else None  # no longer so: nothing is left to tell
        self._in_a_row += 1
        if self._in_a_row != STEPS:
            return None
        self._is_told = True
        return partial(_told, self._model, step - STEPS + 1, was_training=self._was_training)


def _told(refer: Callable[[], nn.Module | None], since: int, *, was_training: bool) -> dict[str, Any]:
    model = refer()
    if model is None:
        return {}
    idle = [(name, module) for name, module in model.named_modules() if _is_modal(module) and not module.training]
    norms = [module for _, module in idle if isinstance(module, _BatchNorm)]
    return {
        "since": since,
        "was_training": was_training,
        "layers": len(idle),
        "norms": len(norms),
        "fresh": sum(_is_fresh(norm) for norm in norms),
        "names": [name or "the network" for name, _ in idle[:MOST_NAMES]],
    }


def _is_modal(module: nn.Module) -> bool:
    if isinstance(module, _BatchNorm):
        return module.track_running_stats
    return isinstance(module, _DropoutNd) and module.p > 0


def _is_fresh(norm: nn.Module) -> bool:
    """Whether a norm that is trained has the statistics of its beginning: mean 0, variance 1."""
    mean, var = norm.running_mean, norm.running_var
    if not (isinstance(mean, Tensor) and isinstance(var, Tensor)) or not _is_trained(list(norm.parameters())):
        return False
    return bool((mean == 0).all()) and bool((var == 1).all())


def _is_trained(params: Sequence[nn.Parameter]) -> bool:
    return not params or any(p.requires_grad for p in params)
