"""What tells the causes of a contrastive loss that does not fall from each other: bounds, and each cause's acquittal.

Shared by the rules on data, sampler and loss. Pure functions of facts; no torch.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from trainctl.engine.diagnosis.facts.data import LabelFacts, SamplerFacts
from trainctl.engine.diagnosis.facts.network import ContrastFacts
from trainctl.engine.diagnosis.facts.plan import PlanFacts

COLLAPSED = 0.95
"""Mean cosine above which embeddings count as collapsed."""
FEW_POSITIVES, TOO_FEW_POSITIVES = 0.9, 0.5
"""Share of anchors with a positive below which it is a warning, and an error."""

Counts = np.ndarray[Any, np.dtype[np.int64]]


def compares_pairs(contrast: ContrastFacts | None, plan: PlanFacts | None, sampler: SamplerFacts | None) -> bool:
    """Whether the loss compares the pairs of a batch.

    The terms say so, of a batch through the network or in the records of a run. Where no network was needed a
    temperature among the options of the loss speaks for it.
    """
    is_run = sampler is not None and sampler.source == "records"
    return contrast is not None or (not is_run and plan is not None and plan.temperature is not None)


def anchors_with_positive(counts: Counts) -> float:
    """Share of the samples that meet another of their class in their batch; `counts` of shape (batches, classes)."""
    total = int(counts.sum())
    return float(counts[counts > 1].sum() / total) if total else math.nan


def same_class_share(counts: Counts) -> float:
    """Share of the pairs within batches that are of one class; NaN without a pair."""
    sizes = counts.sum(1)
    pairs = int((sizes * (sizes - 1)).sum())
    return float((counts * (counts - 1)).sum() / pairs) if pairs else math.nan


def least_across(mean_cosine: float, same_share: float) -> float:
    """The least mean cosine across classes that goes with the mean over all pairs; NaN for one class.

    Were all cosines within the classes 1, those across would make up the rest: (m − s)/(1 − s).
    """
    return (mean_cosine - same_share) / (1 - same_share) if same_share < 1 else math.nan


def collapsed_value(size: int) -> str:
    """The formula and figure of equal embeddings in batches of `size`."""
    return f"ln({size}−1) = {math.log(size - 1):.4f}" if size > 1 else "0"


def not_the_sampler(labels: LabelFacts | None, sampler: SamplerFacts | None) -> list[str]:
    """Words where the split holds one class, so that no sampler could mix."""
    present = sum(1 for count in labels.train.counts if count) if labels else 0
    if present != 1 or sampler is None or sampler.source != "sampler":
        return []
    repeated = "; it draws anew each epoch" if sampler.repeats is False else ""
    return [f"sampler (no order of one class can mix{repeated})"]


def not_the_split(labels: LabelFacts | None) -> list[str]:
    """Words where the training split holds several classes."""
    counts = [count for count in labels.train.counts if count] if labels else []
    if len(counts) < 2:
        return []
    return [f"D103 split ({len(counts)} classes, {min(counts):,} to {max(counts):,} samples each)"]


def not_the_positives(sampler: SamplerFacts | None) -> list[str]:
    """Words where nearly all anchors have a positive."""
    if sampler is None or sampler.counts is None or not len(sampler.counts):
        return []
    share = anchors_with_positive(sampler.counts)
    return [f"K402 positives ({share:.0%} of the anchors have one)"] if share >= FEW_POSITIVES else []


def not_single_class(sampler: SamplerFacts | None) -> list[str]:
    """Words where no batch is of one class."""
    if sampler is None or sampler.counts is None or not len(sampler.counts):
        return []
    distinct = (sampler.counts > 0).sum(1)
    if distinct.min() < 2:
        return []
    return [f"D101 sampler ({distinct.mean():.1f} classes a batch, none of one class)"]


def not_collapsed(contrast: ContrastFacts | None) -> list[str]:
    """Words where the embeddings differ."""
    if contrast is None or not contrast.mean_cosine <= COLLAPSED or contrast.num_zero:
        return []
    return [f"K403 collapse (mean cosine {contrast.mean_cosine:.2f}{_when(contrast)})"]


def _when(contrast: ContrastFacts) -> str:
    return "" if contrast.source == "records" else ", untrained"
