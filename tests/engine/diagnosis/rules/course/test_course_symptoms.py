"""Validations that do not improve, losses that jump over orders of magnitude; each beside healthy relatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from courses import epochs, falling, found, grave, noise, steps

FLAT = 1.8 + noise(10, 0.01)


def test_a_validation_that_does_not_improve_while_the_network_learns() -> None:
    one = found(epochs(loss=falling(10), val_loss=FLAT, val_acc=0.2 + noise(10, 0.02)))["E1019"]
    assert one.primary
    assert "learned" in one.why
    assert "E1019" in found(epochs(train_loss=falling(10), val_loss=FLAT))


@pytest.mark.parametrize(
    "columns",
    [
        {"loss": falling(10), "val_loss": FLAT, "val_acc": np.linspace(0.2, 0.6, 10)},
        {"loss": falling(10), "val_loss": 0.3 + noise(10, 0.01), "val_acc": 0.92 + noise(10, 0.01)},
        {"loss": falling(10), "val_loss": np.linspace(1.8, 1.7, 10)},
        {"loss": FLAT, "val_loss": FLAT},
        {"loss": falling(10), "val_loss": FLAT, "lr": np.full(10, 1e-6)},
        {"loss": falling(10), "val_loss": -FLAT},
    ],
    ids=["a metric improves", "good at once", "it improves", "nothing is learned", "tuned", "negative"],
)
def test_a_validation_that_has_a_reason_to_stand_is_left_alone(columns: Any) -> None:
    assert "E1019" not in found(epochs(**columns))


def test_a_log_that_begins_later_says_nothing_of_what_was_learned_before() -> None:
    rows = [{**row, "epoch": row["epoch"] + 20} for row in epochs(loss=falling(10), val_loss=FLAT)]
    assert "E1019" not in found(rows)
    assert "E1019" not in found(rows[:6])


def test_a_loss_that_jumps_over_orders_of_magnitude() -> None:
    single = np.where(np.arange(60) % 2 == 0, 2.2, 0.008) * np.exp(noise(60, 0.1))
    one = found([{"step": k, "loss": float(value), "lr": 1e-4} for k, value in enumerate([1.1, *single])])["O623"]
    assert one.primary
    assert float(one.figures["factor"]) > 100
    assert grave("epoch,loss\n.09,1.15\n.1,2.11\n.1,.0076\n") == {"O623"}


@pytest.mark.parametrize(
    "values",
    [
        falling(200) * np.exp(noise(200, 0.8)),
        np.geomspace(2, 1e-6, 200) * np.exp(noise(200, 1.5)),
        np.where(np.arange(200) == 190, 9.0, falling(200)),
        0.1 * np.exp(noise(200, 1.0)),
    ],
    ids=["noisy", "learned by heart", "one spike", "single steps of a diffusion"],
)
def test_a_loss_of_batches_that_differ_is_no_jump(values: Any) -> None:
    assert "O623" not in found(steps(loss=values))


def test_what_a_policy_earns_meanwhile_is_no_jump() -> None:
    jumping = np.where(np.arange(60) % 2 == 0, 2.2, 0.008)
    assert "O623" not in found(steps(loss=[1.1, *jumping], ep_rew_mean=np.arange(61)))
