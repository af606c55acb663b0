"""How well an embedding tells classes apart, each sample judged by all others of the same split (leave one out).

Knows embeddings and labels; no task and no network. What is undefined is NaN, never 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from trainctl.engine.losses import supcon_bounds
from trainctl.engine.losses.supcon import supcon

NEIGHBOURS = 5
CHUNK = 2048
"""Rows of the similarity matrix held at once."""


def knn_classes(embeddings_NE: Tensor, labels_N: Tensor, k: int = NEIGHBOURS) -> Tensor:
    """Class that most of the k nearest other samples have, by cosine, (N,).

    Among classes with equally many, the one whose neighbours are nearer in sum.
    """
    units_NE = F.normalize(embeddings_NE.float(), dim=1)
    num, classes = len(units_NE), int(labels_N.max()) + 1
    k = min(k, num - 1)
    answers: list[Tensor] = []
    for start in range(0, num, CHUNK):
        cosines_MN = units_NE[start : start + CHUNK] @ units_NE.T
        rows_M = torch.arange(len(cosines_MN), device=cosines_MN.device)
        cosines_MN[rows_M, rows_M + start] = -torch.inf
        near_MK, which_MK = cosines_MN.topk(k, dim=1)
        # A vote weighs 1, and a little more the nearer it is: k cosines can never outweigh one vote.
        votes_MK = 1 + (near_MK + 1) / (4 * k)
        votes_MC = votes_MK.new_zeros(len(cosines_MN), classes).scatter_add_(1, labels_N[which_MK], votes_MK)
        answers.append(votes_MC.argmax(1))
    return torch.cat(answers)


def centroids(embeddings_NE: Tensor, labels_N: Tensor) -> Tensor:
    """Mean direction of each class up to the highest label, length 1, (C, E); zeros for a class without samples."""
    units_NE = F.normalize(embeddings_NE.float(), dim=1)
    return F.normalize(F.one_hot(labels_N).to(units_NE.dtype).T @ units_NE, dim=1)


def centroid_classes(embeddings_NE: Tensor, labels_N: Tensor) -> Tensor:
    """Class with the nearest mean direction, by cosine, (N,); a sample's own class has the mean of its others."""
    units_NE = F.normalize(embeddings_NE.float(), dim=1)
    one_hot_NC = F.one_hot(labels_N).to(units_NE.dtype)
    sums_CE = one_hot_NC.T @ units_NE
    scores_NC = units_NE @ F.normalize(sums_CE, dim=1).T
    scores_NC[:, one_hot_NC.sum(0) == 0] = -torch.inf
    own_NE = F.normalize(sums_CE[labels_N] - units_NE, dim=1)
    scores_NC.scatter_(1, labels_N[:, None], (own_NE * units_NE).sum(1, keepdim=True))
    return scores_NC.argmax(1)


def accuracy_and_f1(answers_N: Tensor, labels_N: Tensor) -> tuple[float, float]:
    """Share of right answers, and F1 averaged over the classes that occur (macro-F1).

    Samples that are alone in their class are left out: nothing else in the split could show their class.
    """
    answers, labels = answers_N.cpu().numpy(), labels_N.cpu().numpy()
    judged = np.bincount(labels)[labels] > 1
    answers, labels = answers[judged], labels[judged]
    if not len(labels):
        return math.nan, math.nan
    size = int(max(answers.max(), labels.max())) + 1
    hits = np.bincount(labels[answers == labels], minlength=size)
    said, true = np.bincount(answers, minlength=size), np.bincount(labels, minlength=size)
    occurs = true > 0
    return float(hits.sum() / len(labels)), float((2 * hits / np.maximum(said + true, 1))[occurs].mean())


def supcon_metrics(
    embeddings_NE: Tensor, labels_N: Tensor, batches: Sequence[Tensor], temperature: float
) -> tuple[float, float]:
    """Mean contrastive loss of the batches (index tensors), and the same as (L − floor)/(collapse − floor).

    Both sides of the ratio are means over the batches. NaN where no batch can teach anything, as with one class.
    """
    losses = [supcon(embeddings_NE[rows], labels_N[rows], temperature).loss.item() for rows in batches]
    counts = [torch.bincount(labels_N[rows]).tolist() for rows in batches]
    floors = [supcon_bounds.floor(count, temperature) for count in counts]
    room = sum(supcon_bounds.collapse_value(len(rows)) for rows in batches) - sum(floors)
    if not losses:
        return math.nan, math.nan
    share = (sum(losses) - sum(floors)) / room if room > 1e-9 * len(losses) else math.nan
    return sum(losses) / len(losses), share
