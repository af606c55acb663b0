"""Draws batches from the task's sampler, indices and labels only: no sample is loaded, no network is needed."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from trainctl.engine.data.batch import Splits
from trainctl.engine.data.samplers.sampler import Sampler
from trainctl.engine.diagnosis.facts.data import SamplerFacts
from trainctl.engine.tasks.task import Task

NUM_BATCHES, MAX_EPOCHS = 50, 50
"""Batches to look at, and the most epochs it takes to collect them."""


def measure_sampler(task: Task, splits: Splits) -> SamplerFacts:
    """The first batches that training will see (50, or those of 50 epochs).

    Raises:
        UserError: the sampler cannot form a batch.
    """
    sampler = task.sampler(splits.train)
    epochs = [sampler.batches(0), sampler.batches(1)]
    batches = list(itertools.islice(_batches(sampler, epochs), NUM_BATCHES))
    labels, classes = splits.train.labels, splits.classes
    counts = None
    if labels is not None and classes:
        counts = np.stack([_count(labels[indices], len(classes)) for indices in batches])
    return SamplerFacts(
        source="sampler",
        sizes=tuple(len(indices) for indices in batches),
        counts=counts,
        batches_per_epoch=len(sampler),
        last_size=len(epochs[0][-1]) if len(epochs[0]) else None,
        repeats=_repeats(*epochs) if len(sampler) > 1 else None,
        mean_places=_mean_places(labels, batches[: len(sampler)]),
        classes=tuple(classes),
    )


def _batches(sampler: Sampler, first: Sequence[Sequence[Tensor]]) -> itertools.chain[Tensor]:
    later = (sampler.batches(epoch) for epoch in range(len(first), MAX_EPOCHS))
    return itertools.chain.from_iterable(itertools.chain(first, later))


def _count(labels: Tensor, num_classes: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Samples of each class; labels outside the classes are another rule's business."""
    valid = labels[(labels >= 0) & (labels < num_classes)].long().cpu()
    return torch.bincount(valid, minlength=num_classes).numpy().astype(np.int64)


def _mean_places(labels: Tensor | None, batches: Sequence[Tensor]) -> tuple[float, ...]:
    """Mean over the samples of each batch of their place among the samples of their class, 0 … 1.

    Without labels among all samples. So classes that stand one after the other in the data, and batches that differ in
    their classes, are no order.
    """
    if labels is None:
        highest = max((int(indices.max()) for indices in batches if len(indices)), default=0)
        labels = torch.zeros(highest + 1, dtype=torch.int64)
    _, class_N, counts = torch.unique(labels.cpu(), return_inverse=True, return_counts=True)
    order = class_N.argsort(stable=True)
    rank_N = torch.empty(len(order), dtype=torch.float64)
    rank_N[order] = (torch.arange(len(order)) - (counts.cumsum(0) - counts).repeat_interleave(counts)).double()
    place_N = (rank_N + 0.5) / counts[class_N]
    return tuple(float(place_N[indices.cpu()].mean()) for indices in batches)


def _repeats(first: Sequence[Tensor], second: Sequence[Tensor]) -> bool:
    """Whether both epochs hold the same samples in batch after batch."""
    return len(first) == len(second) and all(
        len(a) == len(b) and torch.equal(a.sort().values, b.sort().values) for a, b in zip(first, second, strict=True)
    )
