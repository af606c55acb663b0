"""Losses, gradients and loss scales that are no numbers, and gradients of exactly zero: N901, N902, G701."""

from __future__ import annotations

import numpy as np
import pytest
from courses import INF, NAN, epochs, falling, found, grave, noise, steps, with_bad
from log_files import as_json_lines

from trainctl.engine.diagnosis.finding import Severity


def test_where_a_loss_ceased_to_be_finite_tells_what_to_do_first() -> None:
    calm = found(steps(loss=with_bad(falling(60), 40)))["N901"]
    early = found(steps(loss=with_bad(falling(30), 2)))["N901"]
    start = found(steps(loss=with_bad(falling(30), 0)))["N901"]
    passing = found(steps(loss=with_bad(falling(200), 50, 51)))["N901"]
    cases = [one.figures["case"] for one in (calm, early, start, passing)]
    assert cases == ["out of a calm course", "early", "from its first value", "passing"]
    assert len({one.fix.text for one in (calm, early, start, passing)}) == 4
    assert passing.severity is Severity.WARNING
    assert all(one.severity is Severity.ERROR for one in (calm, early, start))


def test_a_divergence_before_nan_is_the_cause_and_nan_its_consequence() -> None:
    rising = [*falling(40), *(0.8 * 1.3 ** np.arange(10)), *[NAN] * 10]
    findings = found(steps(loss=rising, lr=[0.1] * 60))
    assert findings["O601"].primary and findings["N901"].consequence_of == "O601"
    assert "learning rate 0.1" in findings["N901"].why
    at_once = found(steps(loss=[*falling(40), 500.0, NAN, NAN, NAN]))
    assert at_once["O601"].primary


def test_a_validation_alone_and_a_term_alone_are_cases_of_their_own() -> None:
    fine = falling(20)
    validation = found(epochs(train_loss=fine, val_loss=[NAN] * 20))["N901"]
    assert validation.figures["case"] == "validation" and "count the samples" in validation.fix.text
    term = found(steps(loss=fine, mask_loss=with_bad(fine, 3), box_loss=fine))["N901"]
    assert (term.figures["case"], term.severity) == ("term", Severity.WARNING)
    both = found(steps(loss=with_bad(fine, 8), mask_loss=with_bad(fine, 8), box_loss=fine))["N901"]
    assert "of its 2 terms mask_loss alone" in both.why


def test_an_epoch_mean_that_is_nan_from_the_first_does_not_tell_what_the_steps_did() -> None:
    assert "not logged" in found(epochs(train_loss=[NAN] * 5))["N901"].why


@pytest.mark.parametrize("loss", [0.0, 1.7])
def test_gradients_that_are_no_numbers_while_the_loss_is_one(loss: float) -> None:
    rows = steps(loss=[2.0] * 20 + [loss] * 40, grad_norm=[1.1] * 20 + [NAN] * 40)
    assert found(rows)["N902"].primary
    assert found(as_json_lines(rows))["N902"].severity is Severity.ERROR


def test_a_scale_that_is_being_found_and_a_loss_of_zero_by_design_are_no_overflow() -> None:
    skipped = steps(loss=falling(100), grad_norm=[INF] * 12 + [1.0] * 88, loss_scale=[2.0**24] * 6 + [4096.0] * 94)
    assert not grave(skipped)
    begun = steps(loss=falling(14), grad_norm=[INF] * 14)
    assert not grave(begun)
    assert "N902" in found(steps(loss=falling(40), grad_norm=[INF] * 40))
    policy = steps(loss=[0.0] * 30, grad_norm=[0.1] * 30, reward=np.linspace(0, 1, 30), kl=[5e-4] * 30)
    assert not grave(policy)


def test_a_loss_scale_that_falls_to_nothing_comes_before_the_nan_it_ends_in() -> None:
    scale = [65536.0] * 30 + [65536.0 * 0.5**k for k in range(1, 31)]
    findings = found(steps(loss=with_bad(falling(60), 45), loss_scale=scale))
    assert findings["N902"].primary and findings["N901"].consequence_of == "N902"


def test_a_gradient_of_exactly_zero() -> None:
    still = steps(loss=2.3 + noise(80, 0.001), grad_norm=[0.0] * 80)
    assert found(still)["G701"].severity is Severity.ERROR
    assert "G701" not in found(steps(loss=falling(80), grad_norm=[0.0] * 80)), "rounded in print"
    assert "G701" not in found(steps(loss=[0.5] * 20 + [0.0] * 60, grad_norm=[1.0] * 20 + [0.0] * 60)), "all learned"


def test_a_scale_that_fell_before_and_norms_that_are_bad_after_make_no_circle() -> None:
    scale = [65536.0] * 20 + [65536.0 * 0.5**k for k in range(1, 11)] + [64.0] * 30
    rows = steps(loss=with_bad(falling(60), 31), grad_norm=with_bad(np.ones(60), 32), loss_scale=scale)
    assert {"N901", "N902"} <= set(found(rows))


def test_a_value_that_passed_is_the_reason_of_nothing_that_comes_later() -> None:
    rises = 1 + 0.05 * np.abs(np.arange(200) - 60)
    rows = steps(train_loss=with_bad(falling(200), 20, 21), val_loss=rises)
    findings = found(rows)
    assert findings["N901"].figures["case"] == "passing"
    assert findings["R801"].consequence_of is None and findings["N901"].severity is Severity.WARNING
