"""A rate that a plateau cuts while the network learns, one that restarts too often; beside schedules that are meant."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from courses import epochs, falling, found, grave, noise, steps


def stairs(cuts: list[int], count: int = 40, factor: float = 0.5) -> Any:
    """A rate of .01, cut before each of these epochs."""
    return 0.01 * factor ** np.searchsorted(cuts, np.arange(count), side="right")


def learning(rate: Any, scale: float = 12.0) -> Any:
    """A loss that falls with what the rate adds up to."""
    done = np.concatenate([[0.0], np.cumsum(rate)[:-1]]) / rate[0]
    return 2 * np.exp(-done / scale) + 0.2


EAGER = [3, 6, 10, 13]


def test_a_plateau_that_cuts_while_the_training_loss_falls_is_named_with_its_epochs() -> None:
    rate = stairs(EAGER)
    rows = epochs(train_loss=learning(rate), val_loss=learning(rate) + 0.1 + noise(40, 0.05), lr=rate)
    finding = found(rows)["O605"]
    assert finding.primary and "epochs 3, 6, 10" not in finding.why
    assert finding.figures["while_learning"] == 3 and finding.where.startswith("at epochs 6, 10, 13")
    assert finding.fix.set is None, "whose plateau it is, is not known"


@pytest.mark.parametrize(
    "rate",
    [stairs([22, 31, 36]), stairs([10, 20, 30]), 0.01 * 0.93 ** np.arange(40), 0.01 * np.cos(np.arange(40) / 26),
     np.full(40, 0.01), stairs([5])],
    ids=["late cuts", "even steps", "exponential", "cosine", "constant", "one cut"],
)  # fmt: skip
def test_schedules_that_are_meant_are_no_eager_plateau(rate: Any) -> None:
    rows = epochs(train_loss=learning(rate), val_loss=learning(rate) + 0.1 + noise(40, 0.05), lr=rate)
    assert not grave(rows)


def test_a_plateau_that_cuts_where_nothing_falls_any_more_does_what_it_is_for() -> None:
    rate = stairs([9, 14, 18, 20])
    level = np.where(np.arange(40) < 5, 2 - 0.25 * np.arange(40), 0.8) + noise(40, 0.004)
    assert not grave(epochs(train_loss=level, val_loss=level + 0.1, lr=rate))
    overfit = epochs(train_loss=learning(rate), val_loss=1 + 0.004 * np.arange(40), lr=rate)
    assert "O605" not in found(overfit)


def cycled(count: int, size: int, floor: Any) -> tuple[Any, Any]:
    """Rates and losses of cosine cycles; each begins high and ends at its floor."""
    place = np.arange(count * size) % size / size
    rate = 0.1 * (1 + np.cos(np.pi * place)) / 2 + 1e-4
    loss = np.repeat(floor, size) + 1.5 * np.exp(-4 * place)
    return rate, loss * np.exp(noise(count * size, 0.01))


def test_restarts_that_undo_what_was_learned_and_gain_nothing() -> None:
    rate, loss = cycled(10, 12, np.full(10, 0.6))
    finding = found(steps(loss=loss, lr=rate))["O620"]
    assert finding.figures["restarts"] == 9 and "9 of which undid half" in finding.summary


@pytest.mark.parametrize(
    ("count", "floor"),
    [(10, 0.9 * 0.85 ** np.arange(10)), (4, np.full(4, 0.6))],
    ids=["each cycle ends lower", "few cycles"],
)
def test_restarts_that_get_on_are_left_alone(count: int, floor: Any) -> None:
    rate, loss = cycled(count, 12, floor)
    assert not grave(steps(loss=loss, lr=rate))


def test_a_warmup_is_no_restart() -> None:
    rate = np.concatenate([1e-6 * 4.0 ** np.arange(8), np.linspace(0.016, 1e-4, 92)])
    assert not grave(steps(loss=falling(100), lr=rate))
