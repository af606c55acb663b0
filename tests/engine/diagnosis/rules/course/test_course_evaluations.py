"""Metrics by what they are measured on, and by how few: E1005, E1007, E1008, E1011, E1018; faults beside twins."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from courses import epochs, falling, found, grave, noise, steps

from trainctl.engine.diagnosis.finding import Severity

SWINGS = np.clip(0.5 + noise(40, 0.2), 0, 1)


@pytest.mark.parametrize(
    "rows",
    [
        steps(loss=falling(40), acc=SWINGS),
        steps(train_loss=falling(40), train_acc=SWINGS),
        epochs(loss=falling(40), accuracy=SWINGS),
        steps(loss=falling(40), d_loss=falling(40), d_acc=SWINGS),
        steps(d_loss=falling(40), g_loss=falling(40), acc=SWINGS),
        epochs(loss=falling(40), accuracy=SWINGS, val_loss=falling(40) + 0.1, val_accuracy=np.linspace(0.5, 0.8, 40)),
    ],
    ids=["of steps", "of training", "bare beside a bare loss", "discriminator", "of either rival", "beside validation"],
)
def test_what_is_of_training_samples_or_of_rivals_does_not_swing(rows: Any) -> None:
    assert not grave(rows)


def test_a_bare_metric_beside_a_loss_that_says_training_is_an_evaluation() -> None:
    assert "E1018" in found(epochs(train_loss=falling(40), acc=SWINGS))
    told = epochs(loss=falling(40), acc=np.linspace(0.5, 0.9, 40), val_loss=falling(40) + 0.1, val_acc=SWINGS)
    assert "E1018" in found(told), "the training's own does not count against it"


def test_eight_evaluations_that_swing_widely_are_worth_knowing() -> None:
    wide = [0.49, 0.5, 0.53, 0.61, 0.61, 0.5, 0.86, 0.6, 0.88, 0.49]
    assert found(epochs(train_loss=falling(10), val_acc=wide))["E1018"].severity is Severity.INFO
    assert "E1018" not in found(epochs(train_loss=falling(10), val_acc=np.linspace(0.4, 0.8, 10) + noise(10, 0.03)))


def test_a_last_evaluation_that_is_far_from_all_before_is_worth_knowing() -> None:
    usual = [1, 0.8, 0.6, 0.5, 0.45, 0.42, 0.4, 0.41]
    finding = found(epochs(train_loss=falling(9), val_loss=[*usual, 1.9]))["E1018"]
    assert finding.severity is Severity.INFO and "the best is 0.4 at line 8 (epoch 6)" in finding.where
    assert "E1018" not in found(epochs(train_loss=falling(9), val_loss=[*usual, 0.6]))
    share = [0.5, 0.6, 0.7, 0.75, 0.8, 0.8, 0.82, 0.81]
    assert "E1018" in found(epochs(train_loss=falling(9), val_f1=[*share, 0.45]))
    assert "E1018" not in found(epochs(train_loss=falling(9), val_f1=[*share, 0.76]))


def test_a_divergence_is_estimated_beside_a_policy_and_not_below_zero_elsewhere() -> None:
    kl = 1e-4 + noise(30, 1e-4)
    assert not grave(steps(policy_loss=noise(30, 0.1), kl=kl, loss=falling(30)))
    assert not grave(steps(mean_reward=np.linspace(0, 9, 30), kl=kl, loss=falling(30)))
    assert "E1011" in found(steps(reconstruction_loss=falling(30), kl=kl, loss=falling(30)))


@pytest.mark.parametrize(
    ("share", "count", "is_found"),
    [(21 / 29, 22, True), (21 / 29, 12, False), (28 / 29, 22, False), (0.5, 30, False)],
    ids=["twenty of few", "twelve of few", "one wrong", "half of two"],
)
def test_twenty_equal_shares_of_few_samples(share: float, count: int, is_found: bool) -> None:
    rows = epochs(train_loss=falling(count), val_loss=1 - 0.01 * np.arange(count), val_acc=[round(share, 5)] * count)
    assert ("E1007" in found(rows)) == is_found


def test_two_samples_are_the_smallest_validation() -> None:
    halves = [0.5, 0.5, 1.0, 0.5, 1.0, 0.5, 0.5, 1.0]
    text = "".join(f"epoch {k} loss {1 - 0.1 * k:.4f} val_acc {one:.4f}\n" for k, one in enumerate(halves))
    assert found(text)["E1005"].severity is Severity.WARNING
    solved = [0.5, 0.5, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0]
    text = "".join(f"epoch {k} loss {1 - 0.1 * k:.4f} val_acc {one:.4f}\n" for k, one in enumerate(solved))
    assert "E1005" not in found(text), "half and all of any number"


def test_recalls_in_percent_count_what_there_is_to_find() -> None:
    few = np.array([3, 4, 5, 4, 6, 5, 7, 6, 7])
    percent = epochs(loss=falling(9), val_loss=falling(9), val_recall=np.round(100 * few / 9, 2))
    assert "9 things to find" in found(percent)["E1005"].summary
    many = np.round(100 * (few * 30 + np.arange(9)) / 271, 2)
    assert "E1005" not in found(epochs(loss=falling(9), val_loss=falling(9), val_recall=many))


def test_a_precision_of_as_few_bears_a_recall_out() -> None:
    pairs = [(12, 13), (12, 15), (12, 16), (9, 11), (11, 12), (11, 13)]
    head = (
        "E    #       LOSS NER  ENTS_F  ENTS_P  ENTS_R  SCORE\n---  ------  --------  ------  ------  ------  ------\n"
    )

    def table(times: int) -> str:
        rows = ""
        for k, (hits, given) in enumerate(pairs):
            precision, recall = (hits * times + k % times) / (given * times), (hits * times + k % times) / (16 * times)
            f_score = 2 * precision * recall / (precision + recall)
            rows += f"{k:3d}  {200 * k:6d}  {90 - 9 * k:8.2f}  {100 * f_score:6.2f}  {100 * precision:6.2f}  "
            rows += f"{100 * recall:6.2f}  {f_score:6.2f}\n"
        return head + rows

    assert found(table(1))["E1005"].severity is Severity.WARNING
    assert "E1005" not in found(table(7))


def test_an_accuracy_of_nothing_beside_a_cross_entropy_or_a_perplexity_that_has_learned() -> None:
    nothing = [0.0] * 10
    assert "E1008" in found(steps(cross_entropy=2.3 - 0.12 * np.arange(10), train_accuracy=nothing))
    assert "E1008" not in found(steps(cross_entropy=9 - 0.4 * np.arange(10), train_accuracy=nothing)), "words come late"
    assert "E1008" not in found(epochs(bce_loss=0.7 - 0.05 * np.arange(10), acc=nothing)), "of all labels of a sample"
    assert "ln ppl" in found(steps(ppl=1.9 - 0.02 * np.arange(10), acc=nothing))["E1008"].summary
    assert "E1008" not in found(steps(ppl=90 - 4.0 * np.arange(10), acc=nothing))


def test_a_loss_far_below_what_the_wrong_answers_cost() -> None:
    assert found(epochs(ce_loss=[3e-4] * 6, acc=[0.8] * 6))["E1008"].severity is Severity.WARNING
    assert found(epochs(loss=[1e-3] * 6, acc=[80.0] * 6))["E1008"].severity is Severity.INFO
    for healthy in ({"loss": [0.2] * 6}, {"focal_loss": [1e-3] * 6}, {"mse_loss": [1e-3] * 6}, {"ce_loss": [0.02] * 6}):
        assert "E1008" not in found(epochs(**healthy, acc=[0.8] * 6))
