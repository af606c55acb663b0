"""What a recorded function has taken from Python for good: numbers, switches, and the places of tensors in memory.

A launch repeats the kernels of the recording, not the Python around them. So whatever Python decides must be the same
at each launch; this tells whether it is.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Collection, Hashable, Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

PLAIN = (bool, int, float, complex, str, bytes, type(None))
CONTAINERS = (list, dict, set, deque)


def attributes(holders: Iterable[object], without: Collection[str] = ()) -> dict[str, Hashable]:
    """Plain values among the attributes of `holders`, and of the modules in networks, by where they are.

    Of lists, dicts and sets the length: what is only kept in them is not said by it, but that something is.
    """
    found = dict[str, Hashable]()
    for holder in holders:
        parts = holder.named_modules() if isinstance(holder, nn.Module) else [("", holder)]
        for path, part in parts:
            where = f"{type(holder).__name__}.{path}".removesuffix(".")
            for name, value in vars(part).items():
                if name in without:
                    continue
                if _is_plain(value):
                    found[f"{where}.{name}"] = value if value == value else "nan"  # NaN differs from itself
                elif isinstance(value, CONTAINERS):
                    found[f"{where}.{name}"] = len(value)
    return found


def changed_between(before: dict[str, Hashable], after: dict[str, Hashable]) -> str:
    """The first attribute that has another value; empty: none has."""
    same = (name for name in (*before, *after) if before.get(name, _MISSING) != after.get(name, _MISSING))
    return next(same, "")


def places(holders: Iterable[object], optimizer: Optimizer) -> tuple[tuple[int, torch.Size, bool], ...]:
    """Where the tensors lie that a step reads and writes, with shape and whether they are trained."""
    return tuple((t.data_ptr(), t.shape, t.requires_grad) for t in _tensors(holders, optimizer))


def host_draws() -> tuple[Any, ...]:
    """Where the generators of Python and NumPy stand."""
    state: dict[str, Any] = np.random.get_state(legacy=False)
    inner = {name: np.asarray(value).tobytes() for name, value in state["state"].items()}
    return random.getstate(), inner, state["has_gauss"], state["gauss"]


def _is_plain(value: object) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_plain, value))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    return isinstance(value, PLAIN)


def _tensors(holders: Iterable[object], optimizer: Optimizer) -> Iterator[Tensor]:
    for holder in holders:
        if isinstance(holder, nn.Module):
            yield from holder.parameters()
            yield from holder.buffers()
            for module in holder.modules():
                yield from (value for value in vars(module).values() if isinstance(value, Tensor))
        else:
            yield from (value for value in vars(holder).values() if isinstance(value, Tensor))
    for group in optimizer.param_groups:
        for param in group["params"]:
            # Looked up by `get`: asking for the state of a parameter that has none would make one, and save it.
            state: dict[str, Any] = optimizer.state.get(param, {})
            yield from (value for value in state.values() if isinstance(value, Tensor))


_MISSING = object()
