"""Binary metrics against scikit-learn, and where they are undefined."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from trainctl.engine.tasks.binary_metrics import NAMES, auroc, best_constant, binary_metrics

# Few distinct values, so that ties and the threshold itself are common.
SCORES = st.one_of(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), st.floats(0, 1))
SAMPLES = st.lists(st.tuples(SCORES, st.booleans()), min_size=1, max_size=30)


def arrays(samples: list[tuple[float, bool]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([p for p, _ in samples], dtype=np.float64), np.array([y for _, y in samples], dtype=bool)


def by_sklearn(probs: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    predicted = probs >= 0.5
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            "accuracy": float(sk.accuracy_score(labels, predicted)),
            "precision": float(sk.precision_score(labels, predicted, zero_division=np.nan)),  # pyright: ignore[reportArgumentType]
            "recall": float(sk.recall_score(labels, predicted, zero_division=np.nan)),  # pyright: ignore[reportArgumentType]
            "f1": float(sk.f1_score(labels, predicted, zero_division=np.nan)),  # pyright: ignore[reportArgumentType]
            "auroc": float(sk.roc_auc_score(labels, probs)) if 0 < labels.sum() < len(labels) else math.nan,
            "positive_rate": float(predicted.mean()),
        }


@given(SAMPLES)
def test_agree_with_scikit_learn(samples: list[tuple[float, bool]]) -> None:
    probs, labels = arrays(samples)
    assert binary_metrics(probs, labels) == pytest.approx(by_sklearn(probs, labels), nan_ok=True)


@given(SAMPLES)
def test_auroc_is_the_share_of_pairs_in_order_with_ties_counting_half(
    samples: list[tuple[float, bool]],
) -> None:
    probs, labels = arrays(samples)
    pairs = [(p, n) for p in probs[labels] for n in probs[~labels]]
    expected = sum((p > n) + (p == n) / 2 for p, n in pairs) / len(pairs) if pairs else math.nan
    assert auroc(probs, labels) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("constant", [0.0, 0.5, 1.0])
def test_constant_predictions_have_auroc_one_half(constant: float) -> None:
    labels = np.array([True, False, True, True])
    metrics = binary_metrics(np.full(4, constant), labels)
    assert metrics == pytest.approx(by_sklearn(np.full(4, constant), labels), nan_ok=True)
    assert metrics["auroc"] == 0.5


def test_all_open_gives_the_f1_of_a_network_that_learned_nothing() -> None:
    labels = np.arange(1000) < 532
    assert binary_metrics(np.ones(1000), labels)["f1"] == pytest.approx(2 * 0.532 / 1.532)


def test_missing_every_positive_is_an_f1_of_zero_and_an_undefined_precision() -> None:
    metrics = binary_metrics(np.zeros(3), np.array([True, False, True]))
    assert (metrics["f1"], metrics["recall"]) == (0.0, 0.0)
    assert math.isnan(metrics["precision"])


def test_without_positives_f1_recall_and_auroc_are_undefined() -> None:
    metrics = binary_metrics(np.zeros(3), np.zeros(3, dtype=bool))
    assert all(math.isnan(metrics[name]) for name in ("f1", "recall", "precision", "auroc"))
    assert metrics["accuracy"] == 1.0


@pytest.mark.parametrize("probs", [[], [0.2, math.nan]])
def test_no_samples_or_nan_probabilities_leave_everything_undefined(probs: list[float]) -> None:
    metrics = binary_metrics(np.array(probs), np.ones(len(probs), dtype=bool))
    assert tuple(metrics) == NAMES
    assert all(math.isnan(value) for value in metrics.values())


@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_the_best_constant_answer_is_the_best_of_all_constants(positive: list[bool]):
    positive_N = np.array(positive)
    found = best_constant(positive_N)
    for prob in (0.0, 0.3, 0.7, 1.0):
        reached = binary_metrics(np.full(len(positive_N), prob), positive_N)
        assert all(reached[name] <= value + 1e-12 for name, value in found.items())
    assert found["accuracy"] == pytest.approx(max(positive_N.mean(), 1 - positive_N.mean()))
    if positive_N.any():
        share = positive_N.mean()
        assert found["f1"] == pytest.approx(2 * share / (1 + share))
    assert all(not math.isnan(value) for value in found.values())
