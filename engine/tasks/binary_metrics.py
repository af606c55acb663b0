"""Metrics of a binary classifier from the probability and the label of each sample.

NumPy in float64, vectorised; knows no task and no network. A metric that is undefined is NaN, never 0.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from trainctl.engine.tasks.mean_ranks import mean_ranks

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

NAMES = ("accuracy", "precision", "recall", "f1", "auroc", "positive_rate")
THRESHOLD = 0.5
"""A sample counts as positive from this probability on."""


def binary_metrics(probs_N: Floats, positive_N: Bools) -> dict[str, float]:
    """Accuracy, precision, recall and F1 at 0.5, AUROC, and the share predicted positive.

    Undefined, hence NaN: precision without a positive prediction, recall without a positive sample, F1 with
    neither, AUROC with one class, and everything where there are no samples or a probability is NaN. F1 with
    positive samples and no positive prediction is 0: all of them were missed.

    Args:
        probs_N: P(positive), shape (N,).
        positive_N: whether the sample is positive, shape (N,).
    """
    if len(probs_N) == 0 or np.isnan(probs_N).any():
        return dict.fromkeys(NAMES, math.nan)
    predicted_N = probs_N >= THRESHOLD
    hits = int((predicted_N & positive_N).sum())
    predicted, positives = int(predicted_N.sum()), int(positive_N.sum())
    return {
        "accuracy": float((predicted_N == positive_N).mean()),
        "precision": _ratio(hits, predicted),
        "recall": _ratio(hits, positives),
        "f1": _ratio(2 * hits, predicted + positives),
        "auroc": auroc(probs_N, positive_N),
        "positive_rate": predicted / len(probs_N),
    }


def best_constant(positive_N: Bools) -> dict[str, float]:
    """The best accuracy, F1 and AUROC of one answer for all samples; what is undefined for every answer is left out.

    Precision and recall are not judged: a constant reaches 1 in one of them at the price of the other.

    Args:
        positive_N: whether the sample is positive, shape (N,).
    """
    answers = [binary_metrics(np.full(len(positive_N), prob), positive_N) for prob in (0.0, 1.0)]
    best = {name: max(answer[name] for answer in answers) for name in ("accuracy", "f1", "auroc")}
    return {name: value for name, value in best.items() if not math.isnan(value)}


def auroc(scores_N: Floats, positive_N: Bools) -> float:
    """Probability that a random positive scores above a random negative, ties counting half; NaN with one class.

    From the rank sum of the positives (Mann & Whitney 1947), equal scores sharing their average rank.
    """
    positives = int(positive_N.sum())
    negatives = len(positive_N) - positives
    if not positives or not negatives:
        return math.nan
    rank_sum = float(mean_ranks(scores_N)[positive_N].sum())
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else math.nan
