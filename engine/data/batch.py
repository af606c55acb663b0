"""What data is made of: batches, splits and both splits of a data set. Knows no source, no task and no loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from trainctl.engine.data.reading import MapDataset, Samples

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
    """One split of a data set: held whole in memory and gathered by index, or a Dataset that is read sample by sample.

    `tensors` share their first dimension N and live on the CPU until the trainer places them, or where they were made
    (`engine.data.placement`); `labels` and `parts` live on the CPU. With a `dataset`, which may be larger than memory,
    there are no tensors; the same samplers choose its samples, and worker processes read them.
    """

    tensors: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])
    labels: Tensor | None = None
    """Class of each sample, int64, shape (N,); none where the task has no classes."""
    names: Sequence[str] = ()
    """Where each sample came from (file path or row), for messages; empty or N entries."""
    groups: Sequence[str] = ()
    """Person, photo or recording of each sample; empty or N entries."""
    dataset: MapDataset | None = None
    """A map-style `torch.utils.data.Dataset`, in place of `tensors`."""
    fields: Sequence[str] = ()
    """With a dataset whose samples are tuples: the names of their entries, as a batch has them."""
    parts: Tensor | None = None
    """Where a sample holds several things of a class each (utterances of a dialogue): the class of each thing, int64,
    of any number; for those who count classes."""

    def __post_init__(self) -> None:
        """Labels given once are both: what the recorder counts, and `labels` in every batch."""
        if self.dataset is not None:
            if self.labels is None:
                object.__setattr__(self, "labels", _targets_of(self.dataset))
            return
        stored = self.tensors.get("labels")
        if self.labels is None and stored is not None and stored.dim() == 1 and stored.dtype == torch.int64:
            object.__setattr__(self, "labels", stored.cpu())
        elif self.labels is not None and self.tensors and not _holds(self.tensors, self.labels):
            object.__setattr__(self, "tensors", {**self.tensors, "labels": self.labels})

    @property
    def counted(self) -> Tensor | None:
        """What classes are counted by: the labels of the samples, or of their parts."""
        return self.parts if self.labels is None else self.labels

    def __len__(self) -> int:
        return len(next(iter(self.tensors.values()))) if self.dataset is None else len(self.dataset)

    def at(self, rows: Tensor) -> Batch:
        """The samples with these indices (int64, CPU), as stored, on the CPU."""
        if self.dataset is not None:
            return Samples(self.dataset, self.fields).batch(rows)
        return {name: tensor[rows.to(tensor.device)].cpu() for name, tensor in self.tensors.items()}

    def few(self, most: int) -> Batch:
        """At most `most` samples, evenly spaced, as stored, on the CPU."""
        return self.at(torch.tensor(self.few_rows(most)))

    def few_rows(self, most: int) -> list[int]:
        """Indices of at most `most` samples, evenly spaced."""
        return list(range(0, len(self), max(1, -(-len(self) // most))))


def _targets_of(dataset: MapDataset) -> Tensor | None:
    """The classes that a Dataset itself names, as those of torchvision do: integers, one a sample, in `targets`."""
    targets = getattr(dataset, "targets", None)
    try:
        found = None if targets is None else torch.as_tensor(targets)
        is_label = found is not None and found.shape == (len(dataset),) and not found.is_floating_point()
    except (TypeError, ValueError, RuntimeError):  # its length may be none, too; whoever checks the split says so
        return None
    return found.long() if found is not None and is_label else None


def _holds(tensors: Mapping[str, Tensor], labels: Tensor) -> bool:
    """Whether the labels are among the tensors already, under whatever name."""
    return "labels" in tensors or any(
        tensor.shape == labels.shape and tensor.dtype == labels.dtype and torch.equal(tensor.cpu(), labels.cpu())
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
    of_split: tuple[str, ...] = ()
    """Those of the notes that speak of the split alone; they mean nothing where all is taken together."""
    leak: Leak | None = None
    """Near-duplicates on both sides of the split; none: not looked for."""
    test: Callable[[], Split] | None = None
    """Reads the samples of the data's own test split that neither train nor validate; none: there are none."""
    regroup: Mapping[str, str] = field(default_factory=dict[str, str])
    """Options by dotted path with which no group is on both sides; empty: the loader has none."""
    more_val: Mapping[str, Split] = field(default_factory=dict[str, Split])
    """Further validation sets by name: measured with `val`, their metrics are called NAME/METRIC."""

    def metric_of(self, name: str) -> str:
        """A metric without the name of the further validation set that it is measured on."""
        first, slash, rest = name.partition("/")
        return rest if slash and first in self.more_val else name
