"""How classes meet in the batches that were drawn or recorded: plain functions of `SamplerFacts`. No torch."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainctl.engine.diagnosis.facts.data import LabelFacts, SamplerFacts

Counts = np.ndarray[Any, np.dtype[np.int64]]

NUM_NEIGHBOURS = 25
"""Batches at the beginning that follow one another; of a long epoch those after them are spread up to its end."""
LEAST_BATCH = 4
"""Samples in a batch with room for two classes and a pair of each."""
EVEN_SHARE = 0.8
"""Share of the batches that must be even; the last ones of an epoch take what is left."""
ALIKE, ALIKE_SHARE = 1.5, 0.1
"""How many times the classes that any two batches share neighbours may share, and how much of a batch besides."""


def class_counts(sampler: SamplerFacts) -> Counts | None:
    """Class counts of the batches that could hold more than one class; None: no labels, or one class named."""
    return None if sampler.counts is None else _of_several(sampler.counts)


def split_counts(labels: LabelFacts | None, counts: Counts) -> tuple[int, ...]:
    """Class counts of the split; where they are unknown, of all batches together."""
    if labels is not None and sum(labels.train.counts):
        return labels.train.counts
    return tuple(int(count) for count in counts.sum(0))


def drawn_in_an_epoch(sampler: SamplerFacts) -> Counts | None:
    """The same of batches from all of an epoch alike: where it is long, without those of its beginning."""
    if sampler.counts is None:
        return None
    is_part = sampler.source == "sampler" and (sampler.batches_per_epoch or 0) > len(sampler.counts)
    return _of_several(sampler.counts[NUM_NEIGHBOURS:] if is_part else sampler.counts)


def _of_several(counts: Counts) -> Counts | None:
    return counts[counts.sum(1) > 1] if counts.shape[1] > 1 else None


def source_words(sampler: SamplerFacts) -> str:
    """Which batches were looked at."""
    count = len(sampler.sizes)
    if sampler.source == "records":
        return f"recorded batches of {count} steps"
    num_batches = sampler.batches_per_epoch or 0
    if num_batches <= count:
        return f"first {count} batches"
    return f"first {NUM_NEIGHBOURS} of {num_batches:,} batches, {count - NUM_NEIGHBOURS} spread over the epoch"


def drawn_by_design(counts: Counts) -> bool:
    """Whether the batches are made of a few classes with equally many samples each, two or more, changing every time.

    So a sampler of pairs draws (m of each of B/m classes, m < B). Rows in order of their class give uneven batches, or
    neighbours that share their classes more than any two batches do.
    """
    present = counts > 0
    num_classes = present.sum(1)
    least = np.where(present, counts, counts.max(initial=0)).min(1)
    is_even = (num_classes >= 2) & (least >= 2) & (counts.max(1) - least <= 1)
    if len(counts) < 2 or is_even.mean() < EVEN_SHARE:
        return False
    drawn = present.sum(0, dtype=np.float64)
    num_batches = len(counts)
    any_two = float((drawn * (drawn - 1)).sum()) / (num_batches * (num_batches - 1))
    begun = present[:NUM_NEIGHBOURS]
    neighbours = float((begun[1:] & begun[:-1]).sum(1).mean())
    return neighbours <= ALIKE * any_two + ALIKE_SHARE * float(num_classes.mean())


def uses_up_small_classes(counts: Counts, of_split: tuple[int, ...]) -> bool:
    """Whether the classes meet in some batches, and in all others the largest class is left alone.

    So a stratified sampler draws that repeats nothing, where one class has far more samples than the rest.
    """
    is_single = (counts > 0).sum(1) == 1
    left_alone = np.flatnonzero(counts[is_single].sum(0))
    return int((~is_single).sum()) > 1 and left_alone.tolist() == [int(np.argmax(of_split))]
