"""What data is made of: batches, splits and both splits of a data set. Knows no source, no task and no loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from trainctl.engine.data.leak_check import Leak

Batch = dict[str, Tensor]
"""Tensors of one batch, batch dimension first, on the device of the run."""


def with_float_images(batch: Batch) -> Batch:
    """The batch with its `images` from uint8 to float32 in [0, 1], in one pass over memory; floats stay as they are."""
    images_BCHW = batch["images"]
    return {**batch, "images": images_BCHW / 255} if images_BCHW.dtype == torch.uint8 else batch


@dataclass(frozen=True)
class Split:
    """One split of a data set, held whole in memory and gathered by index.

    `tensors` share their first dimension N and live on the CPU until the trainer places them.
    """

    tensors: Mapping[str, Tensor]
    labels: Tensor | None = None
    """Class of each sample, int64, shape (N,); none where the task has no classes."""
    names: Sequence[str] = ()
    """Where each sample came from (file path or row), for messages; empty or N entries."""
    groups: Sequence[str] = ()
    """Person, photo or recording of each sample; empty or N entries."""

    def __post_init__(self) -> None:
        """Labels given once are both: what the recorder counts, and `labels` in every batch."""
        stored = self.tensors.get("labels")
        if self.labels is None and stored is not None and stored.dim() == 1 and stored.dtype == torch.int64:
            object.__setattr__(self, "labels", stored)
        elif self.labels is not None and self.tensors and not _holds(self.tensors, self.labels):
            object.__setattr__(self, "tensors", {**self.tensors, "labels": self.labels})

    def __len__(self) -> int:
        return len(next(iter(self.tensors.values())))


def _holds(tensors: Mapping[str, Tensor], labels: Tensor) -> bool:
    """Whether the labels are among the tensors already, under whatever name."""
    return "labels" in tensors or any(
        tensor.shape == labels.shape and tensor.dtype == labels.dtype and torch.equal(tensor, labels)
        for tensor in tensors.values()
    )


@dataclass(frozen=True)
class Splits:
    """Training and validation data, and the names of the classes (empty for regression)."""

    train: Split
    val: Split
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """What the loader wants the user to know: files skipped, split chosen, leak check."""
    leak: Leak | None = None
    """Near-duplicates on both sides of the split; none: not looked for."""
    test: Callable[[], Split] | None = None
    """Reads the samples of the data's own test split that neither train nor validate; none: there are none."""
    regroup: Mapping[str, str] = field(default_factory=dict[str, str])
    """Options by dotted path with which no group is on both sides; empty: the loader has none."""
