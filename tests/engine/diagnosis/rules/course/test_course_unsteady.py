"""Metrics that swing, gradients that grow, beginnings that blow up, standstills; each beside healthy relatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from courses import epochs, falling, found, grave, noise, steps

from trainctl.engine.diagnosis.finding import Severity

RISING = 0.9 - 0.6 * np.exp(-np.arange(40) / 8)


def test_a_metric_that_swings_by_more_than_it_ever_gained() -> None:
    swinging = epochs(train_loss=falling(40), val_srcc=0.4 + noise(40, 0.12))
    assert found(swinging)["E1018"].severity is Severity.WARNING
    percent = epochs(train_loss=falling(40), val_acc=40 + noise(40, 12))
    assert "E1018" in found(percent)


@pytest.mark.parametrize(
    "metric",
    [RISING + noise(40, 0.03), 0.9 + noise(40, 0.01), 0.02 + noise(40, 0.02), np.linspace(0.1, 0.9, 40), [0.0] * 40],
    ids=["noisy but rising", "as good as it gets", "of nothing", "rising", "zero"],
)
def test_a_metric_that_is_merely_noisy_does_not_swing(metric: Any) -> None:
    assert "E1018" not in found(epochs(train_loss=falling(40), val_srcc=metric))


def test_of_many_metrics_some_swing() -> None:
    others = {f"val_f1_c{k}": RISING for k in range(4)}
    assert "E1018" not in found(epochs(train_loss=falling(40), val_f1_rare=0.3 + noise(40, 0.15), **others))


def test_a_term_that_swings_is_worth_knowing_and_one_of_rivals_or_of_steps_is_not() -> None:
    entropy = -1.85 + noise(40, 0.4)
    assert (
        found(epochs(loss=falling(40), entropy_loss=entropy, main_loss=falling(40)))["E1018"].severity is Severity.INFO
    )
    assert "E1018" not in found(epochs(loss=falling(40), entropy_loss=-1.85 + noise(40, 0.05), main_loss=falling(40)))
    assert "E1018" not in found(steps(loss=falling(40), entropy_loss=entropy, main_loss=falling(40)))
    assert "E1018" not in found(epochs(g_loss=1 + noise(40, 0.4), d_loss=1 + noise(40, 0.4, 1)))


def test_gradients_that_grow_while_nothing_is_learned() -> None:
    norm = np.geomspace(0.5, 40, 80)
    assert found(steps(loss=1.5 + noise(80, 1e-3), grad_norm=norm))["G705"].primary
    assert "G705" not in found(steps(loss=falling(80), grad_norm=norm)), "it learns"
    assert "G705" not in found(steps(loss=1.5 + noise(80, 1e-3), grad_norm=2 + noise(80, 0.5)))
    spiked = np.where(np.arange(80) == 70, 90.0, 1.0)
    assert "G705" not in found(steps(loss=1.5 + noise(80, 1e-3), grad_norm=spiked))


def test_a_beginning_that_blows_up_is_worth_knowing_and_a_large_first_gradient_is_not() -> None:
    loss = np.concatenate([[2.3, 2.9, 6.0, 5.0, 3.1], falling(195)])
    norm = np.concatenate([[30.0, 60.0, 80.0, 40.0, 20.0], np.full(195, 1.0)])
    blown = found(steps(loss=loss, grad_norm=norm))["O622"]
    assert blown.severity is Severity.INFO and "2.3 to 6" in blown.summary
    assert "O622" not in found(steps(loss=falling(200), grad_norm=norm)), "the loss fell all the while"
    assert "O622" not in found(steps(loss=loss, grad_norm=np.full(200, 1.0)))
    late = [{**row, "step": row["step"] + 9000} for row in steps(loss=loss, grad_norm=norm)]
    assert "O622" not in found(late), "its beginning is not in the log"


def test_where_a_loss_came_to_stand_still_is_told_with_the_rate_there() -> None:
    loss = np.where(np.arange(60) < 15, 2 - 0.09 * np.arange(60), 0.65) + noise(60, 1e-3)
    finding = found(epochs(loss=loss, lr=[0.1] * 60))["O621"]
    assert finding.severity is Severity.INFO and "100% of its highest" in finding.why
    assert finding.summary.endswith("of the log") and "epoch 1" in finding.where
    assert "O621" not in found(epochs(loss=falling(60), lr=[0.1] * 60))


def test_a_validation_metric_that_comes_down_for_good_while_the_training_loss_falls() -> None:
    rise = np.concatenate([np.linspace(0.05, 0.16, 8), np.linspace(0.15, 0.10, 12)])
    finding = found(epochs(train_loss=falling(20, 6), val_srcc=rise))["R801"]
    assert finding.primary and "val_srcc fell from" in finding.summary and "epoch 7" in finding.where
    worse = epochs(train_loss=1 + noise(20, 1e-3), val_srcc=rise)
    assert "R801" not in found(worse), "the training loss does not fall"


@pytest.mark.parametrize(
    "metric",
    [RISING[:20] + noise(20, 0.02), [*RISING[:17], 0.62, 0.61, 0.6], np.linspace(0.5, 0.2, 20),
     np.concatenate([np.linspace(0.3, 0.9, 10), np.full(10, 0.885)])],
    ids=["noisy", "three bad ones", "best at first", "a little lower"],
)  # fmt: skip
def test_a_metric_that_holds_or_was_never_learned_is_no_overfitting(metric: Any) -> None:
    assert "R801" not in found(epochs(train_loss=falling(20, 6), val_acc=metric))


@pytest.mark.parametrize("seed", range(8))
def test_noise_about_a_metric_that_learns_is_left_alone(seed: int) -> None:
    rows = epochs(train_loss=falling(40, 10) + noise(40, 0.01, seed), val_acc=RISING + noise(40, 0.02, seed))
    assert not grave(rows)
