"""Cosines of the embeddings of one batch, for a task whose loss compares them. Reads results; judges nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from trainctl.engine.data.batch import Batch
from trainctl.engine.diagnosis.facts.network import ContrastFacts
from trainctl.engine.diagnosis.probes.debug import find_labels
from trainctl.engine.runs.term_kinds import TermKind, kinds_of
from trainctl.engine.tasks.task import StepOutput

EMBEDDINGS = ("embedding", "embeddings", "z")
"""Names of the column that holds them."""
ZERO = 1e-6
"""Embeddings shorter than this have no direction."""


def measure_contrast(batch: Batch, output: StepOutput, declared: Mapping[str, TermKind]) -> ContrastFacts | None:
    """Facts about the contrastive term of a batch; None where there is none. `declared`: kinds of terms."""
    kinds = kinds_of(tuple(output.terms), declared)
    term = next((name for name in output.terms if kinds.get(name) == "supcon"), None)
    if term is None:
        return None
    column = next((output.columns[name] for name in EMBEDDINGS if name in output.columns), None)
    size = len(next(iter(batch.values())))
    loss = float(output.terms[term].detach())
    mean, across, same, zero = math.nan, math.nan, math.nan, 0
    if column is not None and column.dim() == 2:
        mean, across, same, zero = _cosines(column.detach().float(), find_labels(batch))
    elif "mean_cosine" in output.scalars:
        mean = float(output.scalars["mean_cosine"])
    return ContrastFacts(
        term=term,
        source="batch",
        num_steps=1,
        batch_size=size,
        loss=loss,
        gap=loss - (math.log(size - 1) if size > 1 else 0.0),
        gap_std=math.nan,
        mean_cosine=mean,
        across_cosine=across,
        same_share=same,
        num_zero=zero,
    )


def _cosines(embeddings_BD: Tensor, labels_B: Tensor | None) -> tuple[float, float, float, int]:
    """Mean cosine of all pairs and of those across classes, share of pairs within a class, embeddings of length 0."""
    lengths_B = embeddings_BD.norm(dim=1)
    units_BD = embeddings_BD / lengths_B.clamp(min=ZERO)[:, None]
    cosines_BB = units_BD @ units_BD.T
    pairs_BB = ~torch.eye(len(units_BD), dtype=torch.bool, device=units_BD.device)
    across, same = math.nan, math.nan
    if labels_B is not None and len(labels_B) == len(units_BD):
        differ_BB = labels_B[:, None] != labels_B
        across = float(cosines_BB[differ_BB].mean())
        same = float((~differ_BB & pairs_BB).sum() / pairs_BB.sum()) if len(units_BD) > 1 else math.nan
    return float(cosines_BB[pairs_BB].mean()), across, same, int((lengths_B < ZERO).sum())
