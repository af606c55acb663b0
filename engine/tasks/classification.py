"""What a classifier got right and wrong, class by class, and where a binary one should be cut. NumPy; knows no network.

A figure that is undefined (precision of a class that is never answered) is NaN, never 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Answers:
    """What was asked and answered, per sample, or per part of one where a sample has several answers."""

    truth: Ints
    """Class of each sample, shape (N,)."""
    answer: Ints
    """Class that was answered, shape (N,)."""
    positive: Floats | None = None
    """P(class 1) of each sample of a binary classifier, shape (N,); none for others."""


@dataclass(frozen=True)
class ClassFigures:
    """How one class fared."""

    name: str
    samples: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Cut:
    """What a binary classifier reaches that answers class 1 from a probability on."""

    threshold: float
    precision: float
    recall: float
    f1: float


def confusion(answers: Answers, num_classes: int) -> Ints:
    """Samples by truth (rows) and answer (columns), shape (K, K)."""
    flat = answers.truth * num_classes + answers.answer
    return np.bincount(flat, minlength=num_classes**2).reshape(num_classes, num_classes)


def class_figures(table_KK: Ints, names: tuple[str, ...]) -> list[ClassFigures]:
    """Precision, recall and F1 of each class, from the confusion matrix."""
    found: list[ClassFigures] = []
    for k, name in enumerate(names):
        hits, asked, answered = int(table_KK[k, k]), int(table_KK[k].sum()), int(table_KK[:, k].sum())
        found.append(
            ClassFigures(name, asked, _ratio(hits, answered), _ratio(hits, asked), _ratio(2 * hits, asked + answered))
        )
    return found


def threshold_curve(truth_N: Ints, positive_N: Floats, most: int = 101) -> tuple[list[Cut], Cut | None]:
    """What each threshold reaches, and the one with the largest F1 of all there are.

    A cut stands at a probability that occurs; of those the curve has at most `most`, from the smallest to the largest.
    The best is None where there is no sample of class 1, or a probability is NaN.

    Args:
        truth_N: 0 or 1, shape (N,).
        positive_N: P(class 1), shape (N,).
        most: cuts in the curve.
    """
    positives = int((truth_N == 1).sum())
    if not positives or np.isnan(positive_N).any():
        return [], None
    order = np.argsort(-positive_N, kind="stable")
    scores, hits = positive_N[order], np.cumsum(truth_N[order] == 1)
    # Equal scores are on one side of any cut, so only the last of them counts.
    ends = np.flatnonzero(np.append(scores[1:] != scores[:-1], True))
    f1 = 2 * hits[ends] / (ends + 1 + positives)

    def cut(k: int) -> Cut:
        end = int(ends[k])
        return Cut(float(scores[end]), hits[end] / (end + 1), hits[end] / positives, float(f1[k]))

    chosen = np.unique(np.linspace(0, len(ends) - 1, min(most, len(ends))).round().astype(int))
    return [cut(k) for k in chosen[::-1].tolist()], cut(int(f1.argmax()))


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else math.nan
