"""What was heard since the last step of a thread: losses, norms from before clipping, the batches that were trained on.

Kept by thread, as several loops may run in one process. Tensors stay on their device; nothing is computed here.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.amp.grad_scaler import GradScaler
from torch.utils.data import DataLoader

LABEL_NAMES = ("label", "labels", "target", "targets", "y", "class", "classes")
"""Keys under which a batch that is a dictionary holds its classes."""
MOST_CLASSES = 100_000
"""An integer beyond this is an index, not a class."""

Labels = Callable[[Any], Any]


@dataclass
class Seen:
    """A batch that was fetched."""

    loader: DataLoader[Any] | None
    size: int
    labels: np.ndarray[Any, np.dtype[np.int64]] | None
    """Classes of its samples, shape (B,); None: it holds none that are known."""


@dataclass
class Heard:
    """What happened in one thread since its last step."""

    losses: list[Tensor] = field(default_factory=list[Tensor])
    graph: Any = None
    """Last function of the first loss's graph, which says what kind of loss it is."""
    batches: list[Seen] = field(default_factory=list[Seen])
    """Those that a backward pass followed."""
    wait_s: float = 0.0
    scaler: GradScaler | None = None
    scaled: tuple[Tensor, Tensor] | None = None
    """A scaled loss and what it was."""
    newest: Seen | None = None
    """Fetched, and not trained on yet."""


class Ears(threading.local):
    """What each thread has heard."""

    def __init__(self) -> None:
        self.heard = Heard()


def labels_of(batch: Any, given: Labels | None) -> tuple[int, np.ndarray[Any, np.dtype[np.int64]] | None]:
    """Number of samples of a batch, and their classes where they lie on the host.

    Args:
        batch: as a loader gave it: a tensor, a sequence or a mapping of them.
        given: takes the labels out of it; None: the integer tensor of shape (B,) that is alone in it, or that has a
            name that says so.
    """
    tensors = _tensors(batch)
    size = next((len(tensor) for _, tensor in tensors if tensor.dim()), 0)
    if given is not None:
        try:
            found = given(batch)
        except Exception:  # a batch of another kind, e.g. of a validation: it has no labels then
            return size, None
        return size, _classes(torch.as_tensor(found))
    fitting = [(name, tensor) for name, tensor in tensors if _may_be_labels(tensor, size)]
    named = [tensor for name, tensor in fitting if name in LABEL_NAMES]
    chosen = named or [tensor for _, tensor in fitting]
    return size, _classes(chosen[0]) if len(chosen) == 1 or named else None


def _tensors(batch: Any) -> list[tuple[str, Tensor]]:
    if isinstance(batch, Tensor):
        return [("", batch)]
    if isinstance(batch, Mapping):
        items = cast("Mapping[Any, Any]", batch).items()
        return [(str(name).lower(), value) for name, value in items if isinstance(value, Tensor)]
    if isinstance(batch, (list, tuple)):
        return [("", value) for value in cast("Sequence[Any]", batch) if isinstance(value, Tensor)]
    return []


def _may_be_labels(tensor: Tensor, size: int) -> bool:
    return tensor.dim() == 1 and len(tensor) == size and tensor.dtype in (torch.int64, torch.int32, torch.uint8)


def _classes(tensor: Tensor) -> np.ndarray[Any, np.dtype[np.int64]] | None:
    """A copy, as the batch may be changed; None for what lies elsewhere or is no class."""
    if tensor.device.type != "cpu" or tensor.dim() != 1 or tensor.is_floating_point() or not len(tensor):
        return None
    values = tensor.numpy().astype(np.int64)
    return values if values.min() >= 0 and values.max() < MOST_CLASSES else None


class Loaders:
    """Which loader an iterator belongs to, and how often each was begun."""

    def __init__(self) -> None:
        self._of: weakref.WeakKeyDictionary[Any, weakref.ref[DataLoader[Any]]] = weakref.WeakKeyDictionary()
        self._begun: weakref.WeakKeyDictionary[DataLoader[Any], int] = weakref.WeakKeyDictionary()

    def begun(self, loader: DataLoader[Any], iterator: object) -> None:
        """A pass over a loader begins."""
        self._of[iterator] = weakref.ref(loader)
        self._begun[loader] = self._begun.get(loader, 0) + 1

    def of(self, iterator: object) -> DataLoader[Any] | None:
        """The loader of an iterator."""
        found = self._of.get(iterator)
        return None if found is None else found()

    def passes(self, loader: DataLoader[Any]) -> int:
        """How often it was begun."""
        return self._begun.get(loader, 0)
