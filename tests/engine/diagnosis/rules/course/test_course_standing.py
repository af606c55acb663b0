"""Losses that stand still in few values, at chance after a bad beginning, at exactly 0, or without a gradient: O604."""

from __future__ import annotations

import math

import numpy as np
import pytest
from courses import epochs, falling, found, grave, noise, steps

from trainctl.engine.diagnosis.finding import Severity

LN2 = round(math.log(2), 4)


def lines(loss: list[float], digits: int = 4, acc: list[float] | None = None) -> str:
    told = [f"Epoch {k + 1} - loss: {value:.{digits}f}" for k, value in enumerate(loss)]
    return "".join(f"{line} - acc: {acc[k]:.4f}\n" if acc is not None else f"{line}\n" for k, line in enumerate(told))


@pytest.mark.parametrize("loss", [[LN2] * 6, [1.9112, *[1.9105] * 9], [0.6287] * 5])
def test_epochs_that_are_the_same_to_four_digits_are_no_accident(loss: list[float]) -> None:
    finding = found(lines(loss))["O604"]
    assert finding.severity is Severity.ERROR and "no update reaches the loss" in finding.why


@pytest.mark.parametrize(
    "loss",
    [
        [0.12] * 6,  # three digits of six epochs may be anything
        [2.3, 0.9, 0.3, *[0.1234] * 7],  # a full batch that has converged
        [LN2 + 0.0003 * (k % 2) for k in range(6)],
    ],
)
def test_few_digits_convergence_and_few_values_are_no_proof(loss: list[float]) -> None:
    assert not grave(lines(loss, digits=2 if loss[0] == 0.12 else 4))


def test_exactly_what_ten_classes_give_is_an_error_wherever_it_began() -> None:
    at_chance = [2.3034, 2.2898, 2.2340, *[2.302585] * 13]
    finding = found("".join(f"iter {20 * k} loss: {value:.6f}\n" for k, value in enumerate(at_chance)))["O604"]
    assert finding.severity is Severity.ERROR and "ln 10" in finding.why
    elsewhere = [2.3034, 2.2898, 2.2340, *[1.913245] * 13]
    assert not grave("".join(f"iter {20 * k} loss: {value:.6f}\n" for k, value in enumerate(elsewhere)))


def test_a_bad_beginning_does_not_hide_that_the_rest_stands_at_chance() -> None:
    rest = LN2 + 0.0001 * (np.arange(19) % 3 - 1)
    unscaled = epochs(loss=[56.35, *rest], acc=0.5 + noise(20, 0.01))
    assert found(unscaled)["O604"].severity is Severity.WARNING
    right = epochs(loss=[56.35, *rest], acc=[0.5, *[0.93] * 19])
    assert "O604" not in found(right), "it answers far better than chance"
    learning = epochs(loss=[56.35, *(LN2 * 0.97 ** np.arange(19))])
    assert "O604" not in found(learning)


def test_a_loss_of_exactly_zero_is_judged_by_what_stands_beside_it() -> None:
    nothing = lines([0.0] * 6, acc=[0.0] * 6)
    assert found(nothing)["O604"].severity is Severity.WARNING
    learned = lines([0.9, 0.2, 0.01, *[0.0] * 6], acc=[0.6, 0.9, *[1.0] * 7])
    assert "O604" not in found(learned)
    at_once = found(lines([3278.5809, 0.0, 778.31, *[0.0] * 7]))["O604"]
    assert at_once.severity is Severity.INFO and "share of the samples" in at_once.fix.text
    slowly = lines([0.0009, 0.0004, 0.0001, *[0.0] * 7])
    assert "O604" not in found(slowly)
    policy = steps(loss=[0.0] * 20, reward=np.linspace(0, 1, 20))
    assert "O604" not in found(policy), "0 by design"


def test_a_gradient_that_vanished_while_the_loss_stood_is_a_constant_answer() -> None:
    loss, gone = 1 + noise(90, 0.03), 26 * 0.9 ** np.arange(90)
    finding = found(steps(loss=loss, grad_norm=gone))["O604"]
    assert finding.severity is Severity.WARNING and "one constant answer" in finding.why
    kept = found(steps(loss=loss, grad_norm=26 * 0.98 ** np.arange(90)))["O604"]
    assert kept.severity is Severity.INFO
    assert not grave(steps(loss=falling(90), grad_norm=gone)), "it learned meanwhile"
    good = steps(loss=loss, grad_norm=gone, val_auc=np.linspace(0.6, 0.8, 90))
    assert found(good)["O604"].severity is Severity.INFO


def test_a_loss_that_only_stands_is_not_told_to_be_cut_off_from_its_weights() -> None:
    finding = found(steps(loss=0.35 + noise(90, 0.01)))["O604"]
    assert finding.severity is Severity.INFO and finding.fix.text.startswith("nothing, where it went on")
