"""Draws batches from the task's sampler, indices and labels only: no sample is loaded, no network is needed."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from trainctl.engine.data.batch import Split, Splits
from trainctl.engine.data.samplers.sampler import Sampler
from trainctl.engine.diagnosis.facts.batches import NUM_NEIGHBOURS
from trainctl.engine.diagnosis.facts.data import SamplerFacts
from trainctl.engine.tasks.task import Task

NUM_BATCHES, MAX_EPOCHS = NUM_NEIGHBOURS + 50, 75
"""Batches to look at, and the most epochs it takes to collect them."""
NUM_REPEATS = 6
"""Epochs that must have the same batches before that is no accident: of few samples two epochs may be alike."""


def measure_sampler(task: Task, splits: Splits) -> SamplerFacts:
    """Batches that training will see: the first 25 and 50 spread over the first epoch; the first 75 of short epochs.

    What comes late in an epoch counts too: there the small classes may be used up.

    Raises:
        UserError: the sampler cannot form a batch.
    """
    sampler = task.sampler(splits.train)
    epochs = [sampler.batches(0), sampler.batches(1)]
    first = list(itertools.islice(_batches(sampler, epochs), NUM_BATCHES))
    batches = first if len(sampler) <= NUM_BATCHES else _spread(epochs[0], first)
    labels, classes = splits.train.labels, splits.classes
    counts = None
    if labels is not None and classes:
        counts = np.stack([_count(labels[indices], len(classes)) for indices in batches])
    repeats = _repeats(sampler, epochs) if len(sampler) > 1 else None
    return SamplerFacts(
        source="sampler",
        sizes=tuple(len(indices) for indices in batches),
        counts=counts,
        batches_per_epoch=len(sampler),
        last_size=len(epochs[0][-1]) if len(epochs[0]) else None,
        repeats=repeats,
        mean_places=_mean_places(labels, first[: len(sampler)]),
        classes=tuple(classes),
        drawn=_drawn(epochs[0], len(splits.train)) if repeats else 1.0,
        mean_targets=_mean_targets(splits.train, first[: len(sampler)]),
    )


def _drawn(epoch: Sequence[Tensor], num_samples: int) -> float:
    """Share of the samples that an epoch draws."""
    return len(torch.cat([indices.cpu() for indices in epoch]).unique()) / num_samples if len(epoch) else 0.0


def _mean_targets(split: Split, batches: Sequence[Tensor]) -> dict[str, tuple[float, ...]]:
    """Of each tensor with one number a sample its mean over each batch."""
    numbers = {
        name: tensor for name, tensor in split.tensors.items() if tensor.dim() == 1 and tensor.is_floating_point()
    }
    return {
        name: tuple(float(values[indices.to(values.device)].double().mean()) for indices in batches)
        for name, values in numbers.items()
    }


def _batches(sampler: Sampler, first: Sequence[Sequence[Tensor]]) -> itertools.chain[Tensor]:
    later = (sampler.batches(epoch) for epoch in range(len(first), MAX_EPOCHS))
    return itertools.chain.from_iterable(itertools.chain(first, later))


def _spread(epoch: Sequence[Tensor], first: list[Tensor]) -> list[Tensor]:
    """As many batches as in `first`: its beginning, and others evenly spaced from there to the epoch's end."""
    later = np.linspace(NUM_NEIGHBOURS, len(epoch) - 1, len(first) - NUM_NEIGHBOURS).round().astype(int)
    return first[:NUM_NEIGHBOURS] + [epoch[int(place)] for place in later]


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


def _repeats(sampler: Sampler, first: Sequence[Sequence[Tensor]]) -> bool:
    """Whether the first epochs hold the same samples in batch after batch."""
    later = (sampler.batches(epoch) for epoch in range(len(first), NUM_REPEATS))
    return all(_are_the_same(first[0], other) for other in itertools.chain(first[1:], later))


def _are_the_same(first: Sequence[Tensor], second: Sequence[Tensor]) -> bool:
    return len(first) == len(second) and all(
        len(a) == len(b) and torch.equal(a.sort().values, b.sort().values) for a, b in zip(first, second, strict=True)
    )
