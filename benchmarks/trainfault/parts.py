"""Small operations that several cases share: on splits, outputs and networks. Knows no case."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from trainctl.engine.data.batch import Batch, Split


def swapped(split: Split, **tensors: Tensor) -> Split:
    """The split with other tensors; classes of samples follow `y`."""
    fields = {name: tensor for name, tensor in {**split.tensors, **tensors}.items() if name != "labels"}
    return Split(fields, labels=None if split.labels is None else fields["y"])


def rows_of(split: Split, rows: Tensor) -> Split:
    """These samples of the split, in this order."""
    return swapped(split, **{name: tensor[rows] for name, tensor in split.tensors.items()})


def over(outputs: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """The outputs with the first of them changed: logits, answer, embedding or pixels."""
    return change(outputs) if isinstance(outputs, Tensor) else (change(outputs[0]), *outputs[1:])


def matrices(model: nn.Module) -> Iterator[nn.Parameter]:
    """Weights of dense layers, convolutions and tables."""
    return (parameter for parameter in model.parameters() if parameter.dim() > 1)


def replaced(model: nn.Module, old: type[nn.Module], new: Callable[[nn.Module], nn.Module]) -> nn.Module:
    """The network with every module of a type replaced, in place."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, old):
                setattr(parent, name, new(child))
    return model


def first(model: nn.Module) -> nn.Module:
    """The part that sees the input first, without the last layer: what a pretrained network would be."""
    return next(child for name, child in model.named_children() if name not in ("head", "tokens"))


def with_inputs(batch: Batch, change: Callable[[Tensor], Tensor]) -> Batch:
    """The batch with another input."""
    return {**batch, "x": change(batch["x"])}


def share(count: int, part: float, generator: torch.Generator) -> Tensor:
    """A random part of so many rows, at least one."""
    return torch.randperm(count, generator=generator)[: max(1, round(count * part))]
