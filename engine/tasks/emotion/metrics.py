"""Weighted F1, accuracy and the F1 of each emotion, over the utterances of dialogues. Knows no network."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def f1_scores(truth_N: Tensor, answer_N: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
    """F1 and number of utterances of each class, float64 (C,); 0 where a class is neither there nor answered."""
    flat = torch.bincount(truth_N * num_classes + answer_N, minlength=num_classes**2).double()
    table_CC = flat.view(num_classes, num_classes)
    hits, there, said = table_CC.diagonal(), table_CC.sum(1), table_CC.sum(0)
    both = there + said
    return torch.where(both > 0, 2 * hits / both.clamp(min=1), 0.0), there


def emotion_metrics(truth_N: Tensor, answer_N: Tensor, classes: Sequence[str]) -> dict[str, float]:
    """`weighted_f1` (each class by its share of the truth), `accuracy`, `f1.<class>`."""
    scores, counts = f1_scores(truth_N, answer_N, len(classes))
    weighted = float((scores * counts).sum() / counts.sum().clamp(min=1))
    found = {"weighted_f1": weighted, "accuracy": float((truth_N == answer_N).double().mean())}
    return found | {f"f1.{name}": float(score) for name, score in zip(classes, scores.tolist(), strict=True)}
