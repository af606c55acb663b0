"""Losses that grow beyond measure in few values, or after they had been learned: O601; rates that print 0: O602."""

from __future__ import annotations

import numpy as np
import pytest
from courses import epochs, falling, found, grave, noise, steps

from trainctl.engine.diagnosis.finding import Severity


@pytest.mark.parametrize(
    "loss",
    [
        [0.85, 2.44, 63118.0, 1.08e13],
        [0.063, 0.16, 0.058, 2e17, 5e19],
        [2.1, 1.9, 1.8, 3.0, 4e9],
    ],
)
def test_a_growth_that_no_healthy_loss_can_make_needs_no_ten_values(loss: list[float]) -> None:
    finding = found(steps(loss=loss))["O601"]
    assert finding.severity is Severity.ERROR and finding.primary


@pytest.mark.parametrize(
    "loss",
    [
        [0.85, 2.44, 63118.0, 2.1],  # come back from
        [0.6, 0.7, 4.3, 12.0],
        [0.85, 0.9, 0.8, 3000.0],  # one value may be one batch
        [3.1, 0.002, 0.004, 0.9, 1.3],  # another task, as hard as the first was
        [1e-6, 1e-5, 1e-3, 0.4, 2.0],  # 0 by construction at first
    ],
)
def test_a_spike_and_a_moderate_growth_are_left_alone_in_few_values(loss: list[float]) -> None:
    assert "O601" not in found(steps(loss=loss))


def test_neither_a_policy_nor_rivals_are_judged_by_how_much_a_loss_grew() -> None:
    grown = [0.01, 0.02, 40.0, 60.0]
    assert "O601" not in found(steps(loss=grown, reward=[1.0, 5.0, 20.0, 90.0]))
    assert "O601" not in found(steps(loss_g=grown, loss_d=[0.7, 0.6, 0.5, 0.4]))


def test_an_objective_that_is_negative_diverges_downwards() -> None:
    assert found("".join(f"step {k} objective = {v:g}\n" for k, v in enumerate([-35, -34, -33, -3e29])))["O601"]
    assert "O601" not in found("".join(f"step {k} objective = {v:g}\n" for k, v in enumerate([-35, -34, -33, -90])))


DOWN_AND_UP = [*(2.5 * 0.72 ** np.arange(13)), 0.067, 0.11, 0.2, 0.33, 0.46, 0.55]


def test_a_loss_that_rises_steadily_after_it_was_learned_is_no_better_for_its_high_beginning() -> None:
    rows = epochs(train_loss=DOWN_AND_UP, val_loss=1.1 * np.array(DOWN_AND_UP))
    finding = found(rows)["O601"]
    assert finding.severity is Severity.WARNING and "val_loss rose too" in finding.why
    by_step = np.repeat(DOWN_AND_UP, 10) * (1 + noise(190, 0.05))
    assert "O601" in found(steps(train_loss=by_step, val_loss=1.1 * np.repeat(DOWN_AND_UP, 10)))


@pytest.mark.parametrize("reason", ["curriculum", "restart", "harder", "flat validation", "end bump"])
def test_what_else_makes_a_loss_rise_again_is_no_divergence(reason: str) -> None:
    loss = np.array(DOWN_AND_UP)
    columns: dict[str, object] = {"train_loss": loss, "val_loss": 1.1 * loss}
    if reason == "curriculum":
        columns["val_loss"] = np.linspace(2.5, 0.4, 19)
    elif reason == "restart":
        columns["lr"] = [1e-3 * 0.7**k for k in range(13)] + [1e-3] * 6
    elif reason == "harder":
        columns["val_acc"] = np.linspace(0.4, 0.9, 19)
    elif reason == "flat validation":
        del columns["val_loss"]
    else:
        columns["train_loss"] = [*loss[:13], *[0.03] * 5, 0.5]
    assert "O601" not in found(epochs(**columns))


def test_a_beginning_at_the_smallest_probability_that_nothing_follows() -> None:
    thrown = found(steps(loss=[87.3366, 8.265, 8.256, 8.24, 8.285]))["O601"]
    assert thrown.severity is Severity.WARNING and "began at 87.3366" in thrown.summary
    assert "O601" not in found(steps(loss=[87.3366, 8.2, 7.1, 6.0, 5.2])), "it recovered"


def printed(validations: list[float], lr: str = "0.00000", loss: list[float] | None = None) -> str:
    rows: list[str] = []
    losses = loss or [4.01, 4.02, 3.98, 4.0, 4.01, 3.99]
    for k, value in enumerate(losses):
        rows.append(f"Step {50 * (k + 1)}; xent: {value:.2f}; lr: {lr}; 2214 tok/s")
        if k % 3 == 2:
            rows.append(f"Validation perplexity: {validations[k // 3]:.3f}")
            rows.append(f"Validation accuracy: {validations[k // 3] / 2:.4f}")
    return "\n".join(rows) + "\n"


def test_a_rate_that_prints_as_zero_is_zero_where_the_validation_is_the_same_later() -> None:
    finding = found(printed([56.168, 56.168]))["O602"]
    assert finding.severity is Severity.ERROR and "after other steps" in finding.why
    assert not grave(printed([56.168, 55.934])), "a rate that rounds to 0"
    assert not grave(printed([56.168, 56.168], lr="0.00010"))
    assert "O602" not in found(printed([56.168, 56.168], loss=[4.0, 3.9, 3.8, 3.7, 3.6, 3.5]))


def test_a_course_that_only_falls_is_left_alone() -> None:
    assert not grave(epochs(train_loss=falling(30), val_loss=1.1 * falling(30)))
