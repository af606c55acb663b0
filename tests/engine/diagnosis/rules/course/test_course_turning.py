"""Validations that get worse: R801 and E1015 of few values, from the first epoch on, and beside what may excuse it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from courses import epochs, falling, found, grave, noise, steps

from trainctl.engine.diagnosis.finding import Severity

FALLS = 0.5 * np.exp(-np.arange(8) / 2) + 0.02
RISES = np.linspace(0.3, 0.8, 8)


@pytest.mark.parametrize("count", [6, 8, 12, 40])
def test_a_validation_that_rises_from_the_first_epoch_on_is_overfitting_and_its_consequence_is_told(count: int) -> None:
    rows = epochs(train_loss=falling(count, count / 4), val_loss=np.linspace(0.32, 0.75, count))
    findings = found(rows)
    assert findings["R801"].primary and "rose from 0.32 to 0.75" in findings["R801"].summary
    assert "best at the beginning" in findings["R801"].why
    assert findings["E1015"].consequence_of == "R801"


@pytest.mark.parametrize("accuracy", [[0.86] * 7 + [0.861], np.linspace(0.86, 0.85, 8), np.linspace(86, 85, 8)])
def test_a_metric_that_gains_nothing_from_the_first_epoch_on_does_not_hold(accuracy: Any) -> None:
    assert found(epochs(loss=FALLS, val_loss=RISES, val_acc=accuracy))["R801"].severity is Severity.WARNING


@pytest.mark.parametrize(
    "metric",
    [
        {"val_acc": np.linspace(0.8, 0.9, 8)},
        {"val_wer": np.linspace(0.5, 0.2, 8)},
        {"val_bleu": np.linspace(10, 30, 8)},
    ],
    ids=["share", "errors", "score"],
)
def test_a_metric_that_improves_all_the_while_makes_both_an_information(metric: dict[str, Any]) -> None:
    findings = found(epochs(loss=FALLS, val_loss=RISES, **metric))
    assert {findings["R801"].severity, findings["E1015"].severity} == {Severity.INFO}


def test_of_five_validations_a_metric_holds_where_the_last_is_the_best() -> None:
    told = {"train_loss": [0.6, 0.3, 0.12, 0.04, 0.02], "val_loss": [0.5, 0.47, 0.66, 0.9, 1.2]}
    assert found(epochs(**told, val_f1=[0.8, 0.83, 0.84, 0.85, 0.86]))["R801"].severity is Severity.INFO
    assert found(epochs(**told, val_f1=[0.8, 0.83, 0.84, 0.85, 0.83]))["R801"].severity is Severity.WARNING
    assert found(epochs(**told, val_f1=[0.8] * 5))["R801"].severity is Severity.WARNING


def test_a_validation_that_rises_while_nothing_is_learned_is_not_overfitting() -> None:
    findings = found(epochs(train_loss=1.0 + noise(8, 1e-3), val_loss=RISES))
    assert "R801" not in findings and findings["E1015"].primary


def test_few_values_that_rise_clearly_though_in_leaps() -> None:
    rows = epochs(
        loss=falling(7, 2), val_loss=[4.8, 2.1, 1.98, 1.94, 2.3, 2.29, 2.65], val_acc=[16, 52, 59, 66, 63, 66, 64]
    )
    assert "rose from 1.94 to 2.65" in found(rows)["R801"].summary
    wavers = epochs(loss=falling(7, 2), val_loss=[4.8, 2.1, 2.5, 1.94, 2.3, 1.99, 2.65])
    assert not grave(wavers), "it went as far the other way"


def test_a_small_steady_rise_counts_where_a_metric_fell_along() -> None:
    loss, rise = [0.681, 0.669, 0.668, 0.649, 0.618, 0.586, 0.552], [0.677, 0.6765, 0.679, 0.691, 0.71, 0.727, 0.7586]
    fell = epochs(loss=loss, val_loss=rise, val_acc=[0.58, 0.58, 0.58, 0.56, 0.559, 0.556, 0.546])
    assert found(fell)["R801"].severity is Severity.WARNING
    assert not grave(epochs(loss=loss, val_loss=rise, val_acc=np.linspace(0.58, 0.61, 7)))
    assert not grave(epochs(loss=loss, val_loss=rise)), "a tenth alone is little"
    assert not grave(epochs(loss=[0.66] * 7, val_loss=rise, val_acc=np.linspace(0.58, 0.54, 7)))


def test_what_was_learned_in_leaps_before_is_no_noise_of_what_came_after() -> None:
    late = [0.0064, 0.014, 0.0093, 0.01, 0.0071, 0.0114, 0.0101, 0.0105, 0.0098, 0.0107]
    early = [0.23, 0.026, 0.0116, 0.012, 0.0084, 0.0044, 0.0028]
    train = [*np.geomspace(0.13, 0.0043, 7), *np.linspace(0.0034, 0.0028, 10)]
    assert found(epochs(loss=train, val_loss=[*early, *late]))["R801"].primary
    healthy = [0.003, 0.0029, 0.0031, 0.0028, 0.003, 0.0027, 0.0029, 0.003, 0.0028, 0.0029]
    assert not grave(epochs(loss=train, val_loss=[*early, *healthy]))


def test_a_validation_of_another_size_from_the_first_epoch_on_is_no_overfitting() -> None:
    other = [300.0, 500.0, 1050.0, 740.0, 1350.0, 3240.0, 3950.0, 4050.0, 4990.0]
    findings = found(epochs(loss=falling(9, 2) - 0.28, val_loss=other))
    assert "R801" not in findings and findings["E1015"].primary
    assert "measures something else" in findings["E1015"].why
    turned = 100 * np.array([9, 7, 5, 4, 3.5, 3.2, 3.4, 3.8, 4.4, 5.0, 5.6, 6.2])
    assert found(epochs(loss=falling(12, 3), val_loss=turned))["R801"].primary, "in other units, but it learned"


def test_figures_of_a_summary_are_printed_ones_or_called_medians() -> None:
    long = 1 + 0.02 * np.abs(np.arange(60) - 20) + noise(60, 0.03)
    values = np.round(np.where(np.arange(60) == 59, long[20:24].mean(), long), 4)
    summary = found(epochs(loss=falling(60, 15), val_loss=values))["R801"].summary
    assert summary.startswith("the median of 6 values of val_loss rose from")
    rewards = found(steps(ep_rew_mean=100 - np.arange(80.0)))["E1015"].summary
    assert rewards.endswith("in the median")


def test_training_samples_that_are_all_known_are_worth_knowing_where_the_validation_is_far_below() -> None:
    told = {"train_acc": [99.8] * 6, "train_loss": [0.01] * 6, "val_loss": 1.5 + noise(6, 0.01)}
    gap = found(epochs(**told, val_acc=71 + noise(6, 0.2)))["R801"]
    assert gap.severity is Severity.INFO and "known by heart" in gap.why
    assert "R801" not in found(epochs(**told, val_acc=91 + noise(6, 0.2)))
    bare = {"accuracy": [1.0] * 6, "loss": [0.01] * 6}
    assert "R801" in found(epochs(**bare, val_accuracy=0.7 + noise(6, 0.002)))


def test_a_bare_metric_beside_that_of_the_validation_is_of_the_training() -> None:
    drop = np.concatenate([np.linspace(0.2, 0.9, 10), np.linspace(0.85, 0.6, 10)])
    assert "R801" in found(epochs(loss=falling(20, 6), val_acc=drop))
    assert "R801" not in found(epochs(loss=falling(20, 6), acc=drop, val_acc=np.linspace(0.2, 0.7, 20)))


def test_large_falls_of_few_values_are_worth_knowing() -> None:
    told = [
        (epochs(loss=falling(3), val_psnr=[21.5, 11.5, 12.5]), epochs(loss=falling(3), val_psnr=[21.5, 19.5, 20.5])),
        (steps(mean_reward=[1.2, 1.3, -3.6, -3.9, -31, -88]), steps(mean_reward=[1.2, 5.3, -3, 4, -3.1, -8])),
        (epochs(loss=falling(5), val_acc=[50, 70, 80, 45, 44]), epochs(loss=falling(5), val_acc=[50, 70, 80, 45, 78])),
    ]
    for fallen, healthy in told:
        assert found(fallen)["E1015"].severity is Severity.INFO
        assert "E1015" not in found(healthy)


def test_a_score_of_images_or_texts_that_is_lost_for_good_is_worse_than_it_was() -> None:
    lost = [10, 15, 20, 25, 28, 30, 30, 29, 30, 12, 11, 10, 11, 12]
    assert found(epochs(loss=falling(14), val_bleu=lost))["E1015"].severity is Severity.WARNING
    assert "E1015" not in found(epochs(loss=falling(14), objective=lost)), "which way is better is not told"


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("count", [6, 8, 10, 14])
def test_a_noisy_validation_that_learns_is_left_alone(count: int, seed: int) -> None:
    scale = count / 4
    val = (1 + np.exp(-np.arange(count) / scale)) * np.exp(noise(count, 0.06, seed))
    acc = 0.8 - 0.4 * np.exp(-np.arange(count) / scale) + noise(count, 0.01, seed + 50)
    assert not grave(epochs(loss=falling(count, scale), val_loss=val, val_acc=acc))
