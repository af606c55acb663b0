"""Figures class by class and cuts, against scikit-learn."""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, f1_score, precision_recall_fscore_support

from trainctl.engine.tasks.classification import Answers, class_figures, confusion, threshold_curve

PAIRS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60)


@given(PAIRS)
def test_the_table_and_the_figures_are_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    truth, answer = (np.array(column, np.int64) for column in zip(*pairs, strict=True))
    table = confusion(Answers(truth, answer), 4)
    assert np.array_equal(table, confusion_matrix(truth, answer, labels=range(4)))
    expected: Any = precision_recall_fscore_support(truth, answer, labels=range(4), zero_division=cast("Any", np.nan))
    for k, figures in enumerate(class_figures(table, ("a", "b", "c", "d"))):
        found = (figures.precision, figures.recall, figures.f1)
        assert found == pytest.approx([part[k] for part in expected[:3]], nan_ok=True)
        assert figures.samples == int((truth == k).sum())


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.2, 0.5, 0.5001, 0.9, 1.0])), min_size=1, max_size=40))
def test_the_best_cut_is_the_best_of_all_there_are(pairs: list[tuple[bool, float]]) -> None:
    truth = np.array([int(positive) for positive, _ in pairs], np.int64)
    probs = np.array([prob for _, prob in pairs])
    curve, best = threshold_curve(truth, probs)
    if not truth.any():
        assert (curve, best) == ([], None)
        return
    assert best is not None
    reached = {cut: f1_score(truth, probs >= cut) for cut in np.unique(probs).tolist()}
    assert best.f1 == pytest.approx(max(reached.values())) == pytest.approx(reached[best.threshold])
    assert [cut.threshold for cut in curve] == sorted(reached)
    assert [cut.f1 for cut in curve] == pytest.approx([reached[cut.threshold] for cut in curve])


def test_a_curve_has_an_end_and_no_answer_is_not_a_number() -> None:
    curve, best = threshold_curve(np.array([0, 1] * 5000), np.linspace(0, 1, 10_000))
    assert len(curve) == 101 and best is not None
    assert curve[0].threshold == 0 and curve[-1].threshold == 1
    assert threshold_curve(np.array([0, 1]), np.array([0.1, math.nan])) == ([], None)
