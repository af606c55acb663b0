"""Metrics that never move, contradict the loss, stay at chance or are of few samples: E1005 to E1008, L201."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from courses import epochs, falling, found, grave, noise, steps
from log_files import as_one_line_each

from trainctl.engine.diagnosis.finding import Severity


def test_a_share_that_never_moves_is_that_of_one_class() -> None:
    rows = epochs(loss=falling(8), val_loss=1.2 - 0.01 * np.arange(8), val_acc=[0.7131] * 8)
    assert found(rows)["E1007"].severity is Severity.WARNING
    assert "E1007" in found("".join(f"[{k}] train-auc:0.500000 eval-auc:0.500000\n" for k in range(9)))


@pytest.mark.parametrize(
    "metric",
    [
        [0.5, 0.8, 0.9, *[0.9931] * 9],
        [1.0] * 12,
        [0.0] * 12,
        [0.9917] * 12,
        [0.75] * 12,
        np.linspace(0.6, 0.9, 12),
    ],
    ids=["learned", "all", "too early", "one wrong of 120", "few samples", "learns"],
)
def test_a_share_that_may_repeat_by_itself_is_left_alone(metric: Sequence[float]) -> None:
    assert not grave(epochs(loss=falling(12, 4), val_loss=1.2 - 0.01 * np.arange(12), val_acc=metric)) - {"E1008"}


def test_a_metric_that_is_printed_again_with_every_step_is_not_measured_again() -> None:
    assert "E1007" not in found(steps(loss=falling(50), val_loss=[0.9] * 50, val_acc=[0.7131] * 50))


def test_an_accuracy_of_nothing_beside_a_small_loss_is_a_contradiction() -> None:
    loss = falling(20, 3) - 0.28
    assert "96.4%" in found(epochs(loss=loss, acc=[0.0] * 20))["E1008"].why
    assert "E1008" not in found(epochs(loss=6 * falling(20, 8), acc=[0.0] * 20)), "words come late"
    assert "E1008" not in found(epochs(loss=loss, map50=[0.0] * 20)), "boxes come late"
    assert "E1008" not in found(epochs(loss=loss, acc=np.linspace(0.01, 0.2, 20)))


@pytest.mark.parametrize(("count", "severity"), [(16, Severity.WARNING), (40, Severity.INFO), (997, None)])
def test_accuracies_in_steps_of_one_sample(count: int, severity: Severity | None) -> None:
    right = np.random.default_rng(3).binomial(count, 0.7, 16)
    rows = epochs(loss=falling(16), val_acc=right / count, val_loss=falling(16) + 0.1)
    assert (found(rows)["E1005"].severity if severity else None) == severity
    assert ("E1005" in found(rows)) == (severity is not None)


def test_few_evaluations_of_sixty_samples_may_all_be_multiples_of_a_twentieth() -> None:
    assert "E1005" not in found(epochs(loss=falling(6), val_acc=np.array([36, 39, 42, 45, 48, 51]) / 60))


def test_two_digits_are_no_steps() -> None:
    text = as_one_line_each([{"epoch": k, "val_acc": round(0.5 + 0.02 * k, 2)} for k in range(20)])
    assert "E1005" not in found(text)


def test_a_validation_that_stays_at_chance() -> None:
    chance = 0.2 + noise(30, 0.008)
    assert "L201" in found(epochs(train_loss=falling(30), val_loss=math.log(5) + noise(30, 0.01), val_acc=chance))
    assert "L201" in found(epochs(train_loss=falling(30), val_acc=chance), num_classes=5)
    assert "L201" not in found(epochs(train_loss=falling(30), val_acc=chance), num_classes=50)
    assert not grave(epochs(train_loss=falling(30), val_acc=np.linspace(0.2, 0.5, 30)), num_classes=5)
    assert "L201" not in found(epochs(train_loss=falling(8), val_acc=chance[:8]), num_classes=5), "too early"


@pytest.mark.parametrize(
    ("values", "is_found"),
    [
        ([-0.4, -0.02, 0.0, 0.01, 0.005, 0.01], True),
        ([-3.0, -2.0, -1.5, -1.2, -1.1, -1.05], True),
        ([-0.4, 0.1, 0.3, 0.4, 0.5, 0.55], False),
        ([0.3, 0.2, 0.05, 0.01, 0.0, 0.0], False),
        ([0.0, 0.01, 0.0], False),
    ],
    ids=["at 0", "below", "learns", "was better", "too few"],
)
def test_a_coefficient_of_determination_of_nothing(values: list[float], is_found: bool) -> None:
    rows = epochs(train_loss=falling(len(values)), val_r2=values)
    assert ("E1017" in found(rows)) == is_found
    assert ("E1017" in found(epochs(loss=falling(len(values)), val_r2_score=values))) == is_found


def test_the_only_accuracy_that_is_nothing_while_the_network_learns_is_no_figure() -> None:
    loss = 3 * falling(12, 4)
    assert "E1008" in found(epochs(loss=loss, val_loss=loss, val_knn_accuracy=[0.0] * 12))
    assert "E1008" not in found(epochs(loss=loss, val_loss=loss, val_seq_acc=[0.0] * 12)), "whole sequences come late"
    assert "E1008" not in found(epochs(loss=loss, val_loss=loss, val_knn_accuracy=[0.0] * 11 + [0.2]))
    assert "E1008" not in found(epochs(loss=loss, val_loss=[2.0] * 12, val_knn_accuracy=[0.0] * 12))


def test_a_share_above_one_that_its_cross_entropy_tells_from_a_percentage() -> None:
    loss = falling(16, 3) - 0.25
    shares = 32 * (0.95 - 0.4 * np.exp(-np.arange(16) / 3))
    told = {"loss_ce": loss, "val_loss": loss}
    finding = found(epochs(**told, val_accuracy=shares), num_classes=10)["E1011"]
    assert finding.severity is Severity.ERROR and "as a percentage" in finding.why
    assert "E1011" not in found(epochs(**told, val_accuracy=3 * shares), num_classes=10), "percent, as it seems"
    assert "E1011" not in found(epochs(loss_focal=loss, val_loss=loss, val_accuracy=shares), num_classes=10)
    assert "E1011" not in found(epochs(loss_ce=12 * loss, val_loss=12 * loss, val_accuracy=shares), num_classes=10)
