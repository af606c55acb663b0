"""Trainings that come apart, stand still, overfit or get worse: O601, O604, R801, E1015."""

from __future__ import annotations

import numpy as np
import pytest
from courses import epochs, falling, found, grave, noise, steps

from trainctl.engine.diagnosis.finding import Severity


def test_probabilities_that_underflow_have_one_loss() -> None:
    findings = found("".join(f"Iteration {100 * k}, loss = 87.3365\n" for k in range(20)))
    assert findings["O601"].primary and "FLT_MIN" in findings["O601"].summary


def test_updates_larger_than_the_weights() -> None:
    assert "O601" in found(steps(loss=2.3 + noise(80), update_ratio=np.linspace(3, 1.5, 80)))
    assert "O601" not in found(steps(loss=falling(80), update_ratio=[2.0, 1.5, *[1e-3] * 78]))


def test_a_metric_that_comes_apart_with_the_training_loss_and_one_that_does_alone() -> None:
    metric = [*np.linspace(0.4, 0.9, 30), *[0.2] * 10]
    assert found(epochs(loss=[0.7] * 30 + [0.9] * 10, val_acc=metric))["O601"].primary
    alone = found(epochs(loss=falling(40), val_acc=metric))
    assert "O601" not in alone and alone["E1015"].primary
    assert not grave(epochs(loss=falling(40), val_acc=np.linspace(0.4, 0.9, 40) + noise(40, 0.05)))


def test_one_class_of_many_that_gets_worse_is_no_finding() -> None:
    good = np.linspace(0.4, 0.9, 40)
    others = {f"val_ap50_c{k}": good for k in range(4)}
    rows = epochs(loss=falling(40), val_ap50_c9=[*np.linspace(0.3, 0.6, 30), *[0.1] * 10], **others)
    assert not grave(rows)


def test_a_flat_loss_is_a_warning_only_where_nothing_else_improved_from_the_beginning() -> None:
    loss = 1.9 + noise(100, 0.01)
    still, moved = 0.31 + noise(100, 0.01, 1), np.linspace(0.3, 0.6, 100)
    assert found(steps(loss=loss, acc=still))["O604"].severity is Severity.WARNING
    assert found(steps(loss=loss, acc=moved))["O604"].severity is Severity.INFO
    assert found(steps(loss=loss))["O604"].severity is Severity.INFO, "a loss that was as good as it gets"
    tuned = steps(loss=loss, acc=still, lr=[5e-6] * 100)
    assert found(tuned)["O604"].severity is Severity.INFO
    late = [{**row, "step": row["step"] + 9000} for row in steps(loss=loss, acc=still)]
    assert found(late)["O604"].severity is Severity.INFO, "its beginning is not in the log"
    assert found(steps(loss=loss, acc=0.95 + 0 * still + noise(100, 0.001)))["O604"].severity is Severity.INFO


def test_five_validations_can_show_overfitting_and_noise_cannot() -> None:
    rows = epochs(train_loss=[0.9, 0.5, 0.2, 0.05, 0.01], val_loss=[0.8, 0.7, 0.9, 1.2, 1.7])
    assert found(rows)["R801"].severity is Severity.WARNING
    assert "R801" not in found(epochs(train_loss=[0.9, 0.5, 0.2, 0.1, 0.05], val_loss=[0.8, 0.7, 0.9, 0.75, 0.8]))


def test_overfitting_of_terms_without_a_total() -> None:
    fall = {f"train/{name}_loss": falling(40, 8) for name in ("box", "cls")}
    rise = {f"val/{name}_loss": 1 + 0.05 * np.abs(np.arange(40) - 10) for name in ("box", "cls")}
    assert found(epochs(**fall, **rise))["R801"].primary
    level = {name: 1 + 0.3 * np.exp(-np.arange(40) / 8) for name in rise}
    assert "R801" not in found(epochs(**fall, **level))


def test_rates_of_errors_above_what_they_were() -> None:
    assert "E1015" in found(epochs(loss=[5.0] * 10, wer=[100, 100, 160, 220, 250, 260, 270, 280, 280, 290]))
    assert "E1015" in found(epochs(loss=[0.9, 0.7], valid_wer=[39.0, 154.0]))
    assert "E1015" not in found(epochs(loss=falling(10), wer=[100, 140, 130, 90, 60, 40, 30, 25, 22, 20]))
    assert "E1015" not in found(epochs(loss=falling(3), ppl=[90.0, 210.0, 190.0]))


def test_a_validation_never_better_than_at_its_first_value() -> None:
    rows = epochs(train_loss=2.0 + noise(20, 0.001), val_loss=np.linspace(1.0, 1.6, 20))
    assert "E1015" in found(rows)
    assert "E1015" not in found(epochs(train_loss=falling(20), val_loss=1 + noise(20, 0.2)))


@pytest.mark.parametrize("seed", range(6))
def test_rewards_that_rise_or_wander_are_left_alone_and_ones_that_fall_are_not(seed: int) -> None:
    rows = steps(ep_rew_mean=100 - np.arange(80) + noise(80, 5, seed))
    assert "E1015" in found(rows)
    assert not grave(steps(ep_rew_mean=np.arange(80) + noise(80, 20, seed)))
    assert not grave(steps(ep_rew_mean=noise(80, 20, seed)))


def test_a_total_that_rises_by_one_term_while_another_falls_has_not_diverged() -> None:
    main, helper = falling(60, 10), np.linspace(0.5, 4, 60)
    assert "O601" not in found(epochs(loss=main + helper, main_loss=main, balance_loss=helper))
    assert "O601" in found(epochs(loss=2.5 * helper, main_loss=helper, balance_loss=1.5 * helper))
