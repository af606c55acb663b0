"""Hands a state over from the rank that leads, tensor by tensor, so that nobody else ever has it whole.

Knows dicts, lists and tensors; not what they mean.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from trainctl.engine.training.ranks.team import Team

Path = tuple[Any, ...]
"""Keys that lead to a value."""


@dataclass(frozen=True)
class _Sent:
    """In place of a tensor that is sent by itself."""

    shape: tuple[int, ...]
    dtype: torch.dtype


def handed_over(team: Team, state: dict[str, Any] | None, keep: Callable[[Path, Tensor], Any]) -> dict[str, Any] | None:
    """The state that the leading rank has; elsewhere what is kept of it.

    Args:
        team: the ranks; all call it.
        state: none on the others, or everywhere.
        keep: says elsewhere what takes the place of a tensor.
    """
    outline = team.lead(None if state is None else _outline(state))
    if outline is None:
        return None
    _send(team, outline, state, keep, ())
    return outline if state is None else state


def _outline(value: Any) -> Any:
    if isinstance(value, Tensor) and value.ndim > 0:
        return _Sent(tuple(value.shape), value.dtype)
    if not isinstance(value, (dict, list)):
        return value
    held = copy.copy(cast("dict[Any, Any] | list[Any]", value))  # with what torch notes on a network's state
    for key, one in _items(held):
        held[key] = _outline(one)
    return held


def _send(team: Team, outline: Any, state: Any, keep: Callable[[Path, Tensor], Any], path: Path) -> None:
    for key, one in _items(outline):
        own, there = None if state is None else state[key], (*path, key)
        if isinstance(one, _Sent):
            tensor = torch.empty(one.shape, dtype=one.dtype) if own is None else own
            team.follow_lead([tensor])
            outline[key] = keep(there, tensor) if own is None else own
        elif isinstance(one, (dict, list)):
            _send(team, one, own, keep, there)


def _items(held: Any) -> list[tuple[Any, Any]]:
    return list(held.items() if isinstance(held, dict) else enumerate(held))
