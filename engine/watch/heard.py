"""What was heard since the last step of a thread: losses, norms from before clipping, the batches that were trained on.

Kept by thread, as several loops may run in one process. Tensors stay on their device; nothing is computed here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor
from torch.amp.grad_scaler import GradScaler
from torch.utils.data import DataLoader

LABEL_NAMES = ("label", "labels", "target", "targets", "y", "class", "classes")
"""Keys under which a batch that is a dictionary holds its classes."""

INTEGERS = (torch.int64, torch.int32, torch.uint8)
TakeLabels = Callable[[Any], Any]
Classes = np.ndarray[Any, np.dtype[np.int64]]
"""Shape (B,)."""


class Seen(NamedTuple):
    """A batch that a backward pass followed."""

    loader: DataLoader[Any] | None
    """Whose; None: it is not known."""
    turn: int
    """Number of the pass that it is of."""
    size: int
    """Samples."""
    labels: Classes | None
    """Classes of its samples, shape (B,); None: it holds none that are known."""
    wait_s: float
    """How long it was waited for."""


class Heard:
    """What happened in one thread since its last step.

    Attributes:
        losses: of its backward passes, scalars.
        graph: last function of the first loss's graph, which says what kind of loss it is; kept where it is asked for.
        batches: those that a backward pass followed.
        unclipped: norm from before clipping of the gradients of parameters whose optimiser is not known yet, by `id`.
        scaler: that had to do with it.
        scaled: a scaled loss and what it was.
    """

    __slots__ = ("batches", "graph", "losses", "scaled", "scaler", "unclipped")

    def __init__(self) -> None:
        self.losses: list[Tensor] = []
        self.graph: Any = None
        self.batches: list[Seen] = []
        self.unclipped: dict[int, Tensor] | None = None
        self.scaler: GradScaler | None = None
        self.scaled: tuple[Tensor, Tensor] | None = None


class Ears(threading.local):
    """What each thread has heard."""

    def __init__(self) -> None:
        self.heard = Heard()


class BatchReader:
    """Finds size and classes of the batches of a loader: by looking once, then where they were."""

    def __init__(self) -> None:
        self._kind: Any = None
        self._length = 0
        """Type and length of the batches that have been looked at."""
        self._size_at: Any = None
        self._labels_at: Any = None

    def read(self, batch: Any, given: TakeLabels | None) -> tuple[int, Classes | None]:
        """Number of samples of a batch, and their classes where they lie on the host.

        Args:
            batch: as a loader gave it: a tensor, a sequence or a mapping of them.
            given: takes the labels out of it; None: the integer tensor of shape (B,) that is alone in it, or that has a
                name that says so.
        """
        kind = type(batch)
        length = len(batch) if isinstance(batch, (tuple, list, dict)) else 0
        if kind is not self._kind or length != self._length:
            self._kind, self._length = kind, length
            self._size_at, self._labels_at = _places(batch)
        if self._size_at is None:
            return 0, None
        sized: Any = batch if self._size_at == "" else batch[self._size_at]
        size = int(sized.size(0))
        if given is not None:
            try:
                return size, _classes(torch.as_tensor(given(batch)))
            except Exception:  # a batch of another kind, e.g. of a validation: it has no labels then
                return size, None
        return size, None if self._labels_at is None else _classes(batch[self._labels_at])


def _places(batch: Any) -> tuple[Any, Any]:
    """Keys under which a batch has a tensor of all samples, and its classes; None: under none."""
    if isinstance(batch, Tensor):
        return ("" if batch.dim() else None), None
    entries: list[tuple[Any, Any]] = []
    if isinstance(batch, Mapping):
        entries = list(cast("Mapping[Any, Any]", batch).items())
    elif isinstance(batch, (list, tuple)):
        entries = list(enumerate(cast("Sequence[Any]", batch)))
    tensors = [(key, value) for key, value in entries if isinstance(value, Tensor) and value.dim()]
    if not tensors:
        return None, None
    size = tensors[0][1].shape[0]
    fitting = [key for key, value in tensors if value.dim() == 1 and value.shape[0] == size and value.dtype in INTEGERS]
    named = [key for key in fitting if str(key).lower() in LABEL_NAMES]
    return tensors[0][0], named[0] if named else fitting[0] if len(fitting) == 1 else None


def _classes(tensor: Tensor) -> Classes | None:
    """A copy, as the batch may be changed; None for what lies elsewhere or is no class."""
    if tensor.dim() != 1 or tensor.dtype not in INTEGERS or not tensor.is_cpu:
        return None
    return tensor.numpy().astype(np.int64)
