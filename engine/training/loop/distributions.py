"""Distributions of the tensors that a task, or a watched loop, wants recorded. Waits for the device; writes nothing."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from trainctl.engine.runs.validated.histogram import MOST_NAMES, MOST_VALUES, Histogram, histogram_of


def histograms_of(values: Mapping[str, Any]) -> dict[str, Histogram]:
    """The distribution of each, of more than `MOST_NAMES` the first.

    Raises:
        TypeError: one is nothing that has values, which is a mistake of the task.
    """
    return {str(name): histogram_of(_few(name, value)) for name, value in list(values.items())[:MOST_NAMES]}


def taken(values: Mapping[str, Any]) -> dict[str, Any]:
    """Copies of what is looked at of each, made without waiting for the device."""
    return {
        name: _spaced(value.detach()).clone() if isinstance(value, Tensor) else copy.copy(value)
        for name, value in list(values.items())[:MOST_NAMES]
    }


def _spaced(values: Tensor) -> Tensor:
    """At most `MOST_VALUES` of any number of values, evenly spaced."""
    flat = values.reshape(-1)
    return flat[:: -(-len(flat) // MOST_VALUES) or 1]


def _few(name: object, values: Any) -> Any:
    """At most `MOST_VALUES` numbers of anything, evenly spaced, as a NumPy array.

    Raises:
        TypeError: it has none.
    """
    try:
        tensor = values if isinstance(values, Tensor) else torch.as_tensor(values)
        return _spaced(tensor.detach()).to("cpu", torch.float64).numpy()
    except (TypeError, ValueError, RuntimeError) as err:
        raise TypeError(f"histograms: {name!r} is a {type(values).__name__}, not a tensor of numbers") from err
