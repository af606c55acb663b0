"""Copies of a task and of its network that share nothing with the originals but the data. Knows no probe."""

from __future__ import annotations

import copy
import io
import pickle
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from trainctl.engine.data.batch import Split, Splits
from trainctl.engine.tasks.task import Task

SHARED = (torch.Tensor, np.ndarray, Split, Splits, torch.utils.data.Dataset)
"""Attributes of a task that are its data, not its state: read, never changed, and too large to copy."""
OWN_WAYS = ("__getstate__", "__deepcopy__", "__reduce__", "__reduce_ex__")
KNOWN = frozenset({"torch", "numpy", "pydantic", "builtins", "collections", "functools", "pathlib", "enum", "_io"})
"""Packages whose classes may have them."""


def private(task: Task, memo: dict[int, Any] | None = None) -> Task:
    """The task with a state of its own; its data are shared, and so is what cannot be copied. `memo`: as deepcopy has
    it, of what was copied already, and of what is copied here."""
    twin = copy.copy(task)
    memo = {} if memo is None else memo
    memo[id(task)] = twin
    for name, value in vars(task).items():
        vars(twin)[name] = value if _is_shared(value) else _copied(value, memo)
    return twin


def private_pair(task: Task, model: nn.Module) -> tuple[Task, nn.Module] | None:
    """Copies of a task and of a network that it built; what each holds of the other it holds of the copy.

    None: it cannot be told that they work apart from the originals, and like them. So it is where there is a function
    made on the spot, a hook or a lambda: it is not copied, and would go on to speak of the originals. So it is where a
    class says itself what of it is kept. pickle stumbles over the first, and is told of the second.
    """
    state = {name: value for name, value in vars(task).items() if not _is_shared(value)}
    memo: dict[int, Any] = {}
    try:
        _Walk(io.BytesIO()).dump((state, model))
        # The task first: a network that holds it must not copy its data.
        return private(task, memo), copy.deepcopy(model, memo)
    except Exception:  # whatever the user's classes raise
        return None


class _Walk(pickle.Pickler):
    """Passes through everything that would be copied, and leaves out what is large."""

    def persistent_id(self, obj: Any) -> str | None:
        """Data, and tensors of whatever kind."""
        return "data" if isinstance(obj, SHARED) else None

    def reducer_override(self, obj: Any) -> Any:
        """Refuse what has a reduction of its own."""
        kind = cast("type[object]", type(obj))
        owners = (base for name in OWN_WAYS for base in kind.__mro__ if name in vars(base))
        if not all(base.__module__.partition(".")[0] in KNOWN for base in owners):
            raise pickle.PicklingError(kind.__name__)
        return NotImplemented


def _is_shared(value: object) -> bool:
    if isinstance(value, dict):
        entries = list(cast("dict[object, object]", value).values())
        return bool(entries) and all(_is_shared(entry) for entry in entries)
    return isinstance(value, SHARED) and not isinstance(value, nn.Parameter)


def _copied(value: Any, memo: dict[int, Any]) -> Any:
    try:
        return copy.deepcopy(value, memo)
    except Exception:  # a lock, a file, a generator: the task's code is the user's
        return value
