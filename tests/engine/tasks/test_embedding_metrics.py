"""Leave-one-out metrics of an embedding against slow explicit references."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score
from torch import Tensor

from trainctl.engine.losses.supcon import supcon
from trainctl.engine.tasks import embedding_metrics
from trainctl.engine.tasks.embedding_metrics import (
    accuracy_and_f1,
    centroid_classes,
    knn_classes,
    supcon_metrics,
)

LABELS = st.lists(st.integers(0, 3), min_size=2, max_size=12)


def drawn(num: int, seed: int) -> Tensor:
    return torch.randn(num, 3, generator=torch.Generator().manual_seed(seed))


def cosine(a: Tensor, b: Tensor) -> float:
    return float(a @ b / (a.norm() * b.norm()))


def slow_knn(embeddings: Tensor, labels: list[int], i: int, k: int) -> int:
    others = sorted((j for j in range(len(labels)) if j != i), key=lambda j: -cosine(embeddings[i], embeddings[j]))[:k]
    votes = Counter(labels[j] for j in others)
    nearness = {c: sum(cosine(embeddings[i], embeddings[j]) + 1 for j in others if labels[j] == c) for c in votes}
    return max(votes, key=lambda c: (votes[c], nearness[c]))


@settings(deadline=None)
@given(LABELS, st.integers(0, 500), st.integers(1, 6))
def test_knn_asks_the_nearest_others_and_breaks_ties_by_nearness(labels: list[int], seed: int, k: int) -> None:
    embeddings = drawn(len(labels), seed)
    expected = [slow_knn(embeddings, labels, i, min(k, len(labels) - 1)) for i in range(len(labels))]
    assert knn_classes(embeddings, torch.tensor(labels), k).tolist() == expected


def test_knn_in_chunks_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    embeddings, labels = drawn(50, 1), torch.arange(50) % 4
    whole = knn_classes(embeddings, labels)
    monkeypatch.setattr(embedding_metrics, "CHUNK", 7)
    assert torch.equal(knn_classes(embeddings, labels), whole)


def slow_centroid(embeddings: Tensor, labels: list[int], i: int) -> int:
    units = embeddings / embeddings.norm(dim=1, keepdim=True)
    scores: dict[int, float] = {}
    for c in set(labels):
        members = [j for j in range(len(labels)) if labels[j] == c and j != i]
        mean = units[members].mean(0) if members else torch.zeros(embeddings.shape[1])
        scores[c] = float(units[i] @ mean / mean.norm()) if mean.norm() > 0 else 0.0
    return max(scores, key=lambda c: scores[c])


@settings(deadline=None)
@given(LABELS, st.integers(0, 500))
def test_the_nearest_centroid_leaves_the_sample_itself_out(labels: list[int], seed: int) -> None:
    embeddings = drawn(len(labels), seed)
    expected = [slow_centroid(embeddings, labels, i) for i in range(len(labels))]
    assert centroid_classes(embeddings, torch.tensor(labels)).tolist() == expected


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=20))
def test_accuracy_and_macro_f1_are_scikit_learns_over_the_samples_that_are_not_alone(
    pairs: list[tuple[int, int]],
) -> None:
    answers, labels = torch.tensor(pairs).unbind(1)
    accuracy, macro_f1 = accuracy_and_f1(answers, labels)
    judged = torch.bincount(labels)[labels] > 1
    if not judged.any():
        assert math.isnan(accuracy) and math.isnan(macro_f1)
        return
    answers, labels = answers[judged], labels[judged]
    assert accuracy == pytest.approx(accuracy_score(labels, answers))
    occurring = labels.unique().tolist()
    expected = f1_score(labels, answers, labels=occurring, average="macro", zero_division=0)  # pyright: ignore[reportArgumentType]
    assert macro_f1 == pytest.approx(expected)


def test_well_separated_classes_are_told_apart_and_the_loss_is_near_its_floor() -> None:
    labels = torch.arange(40) % 4
    embeddings = torch.eye(4)[labels] * 3
    assert torch.equal(knn_classes(embeddings, labels), labels)
    assert torch.equal(centroid_classes(embeddings, labels), labels)
    _, normalised = supcon_metrics(embeddings, labels, list(torch.arange(40).split(20)), 0.07)
    assert normalised == pytest.approx(0, abs=1e-4)


def test_equal_embeddings_have_the_normalised_loss_1_and_one_class_has_none() -> None:
    labels = torch.arange(24) % 4
    loss, normalised = supcon_metrics(torch.ones(24, 3), labels, list(torch.arange(24).split(12)), 0.07)
    assert (loss, normalised) == (pytest.approx(math.log(11)), pytest.approx(1))
    assert math.isnan(supcon_metrics(torch.ones(24, 3), labels * 0, [torch.arange(24)], 0.07)[1])


def test_the_loss_is_the_mean_over_the_batches() -> None:
    embeddings, labels = drawn(12, 0), torch.arange(12) % 3
    batches = [torch.arange(6), torch.arange(6, 12)]
    expected = sum(supcon(embeddings[rows], labels[rows], 0.5).loss.item() for rows in batches) / 2
    assert supcon_metrics(embeddings, labels, batches, 0.5)[0] == pytest.approx(expected)
