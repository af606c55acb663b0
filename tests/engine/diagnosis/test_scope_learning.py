"""What is no sign that a training learns: chance in percent, a loss that does not fall, gains that are lost again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from courses import NAN, epochs, falling, noise, steps
from log_files import Row, as_csv

from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.facts.evidence import Evidence
from trainctl.engine.diagnosis.finding import Report, Verdict
from trainctl.engine.diagnosis.logs.facts import read_facts
from trainctl.engine.diagnosis.logs.reading import parse_log


def judged(rows: Sequence[Row] | str) -> Report:
    text = rows if isinstance(rows, str) else as_csv(rows)
    return diagnose(Evidence(log=read_facts(parse_log(text.encode(), "log"))))


def test_ten_percent_is_not_as_good_as_one() -> None:
    def told(accuracy: float) -> str:
        return "".join(
            f"epoch {k} train loss: {2 * 0.9**k:.4f} val accuracy: {accuracy + 0.01 * (k % 2):.2f}%\n"
            for k in range(1, 13)
        )

    assert judged(told(10.0)).verdict is Verdict.UNDECIDED
    assert judged(told(96.5)).verdict is Verdict.NOTHING


def test_a_loss_that_does_not_fall_in_too_few_values_to_say_so_was_not_looked_at() -> None:
    validated = np.linspace(0.5, 0.6, 6)
    still = epochs(train_loss=[0.6942, 0.693, 0.6924, 0.6921, 0.6917, 0.6916], val_acc=validated)
    report = judged(still)
    assert report.verdict is Verdict.UNDECIDED and "too few to say" in report.scope.not_looked_at["course"]
    rising = epochs(train_loss=[7.7, 8.0, 8.6, 9.1, 9.7, 9.9], val_acc=validated)
    assert judged(rising).verdict is Verdict.UNDECIDED
    learned = epochs(train_loss=falling(6), val_acc=validated)
    assert judged(learned).verdict is Verdict.NOTHING
    policy = steps(loss=np.linspace(0.3, 0.4, 12), reward=np.linspace(4, 90, 12))
    assert "course" in judged(policy).scope.looked_at, "the loss of a policy is no measure"


def test_what_was_gained_and_lost_again_in_the_end_shows_nothing() -> None:
    loss = falling(10)
    lost = epochs(train_loss=loss, val_acc=[*np.linspace(0.49, 0.88, 9), 0.49])
    assert judged(lost).verdict is not Verdict.NOTHING
    held = epochs(train_loss=loss, val_acc=[*np.linspace(0.49, 0.88, 9), 0.81])
    assert judged(held).verdict is Verdict.NOTHING


def test_a_validation_loss_above_its_first_is_named_though_a_metric_holds() -> None:
    metric = np.linspace(0.6, 0.75, 6)
    worse = judged(epochs(train_loss=falling(6), val_loss=[0.57, 0.56, 0.55, 0.56, 0.58, 0.64], val_acc=metric))
    assert worse.verdict is not Verdict.NOTHING
    assert worse.scope.not_looked_at["validation"].startswith("worse at its end")
    assert "metrics" in worse.scope.looked_at
    same = judged(epochs(train_loss=falling(6), val_loss=[0.57, 0.52, 0.5, 0.51, 0.52, 0.53], val_acc=metric))
    assert same.verdict is Verdict.NOTHING


def test_an_early_gain_counts_though_the_first_values_are_all_that_moved() -> None:
    rows = epochs(train_loss=falling(7), val_acc=[0.717, 0.7588, 0.7628, 0.76, 0.758, 0.7548, 0.7524])
    assert judged(rows).verdict is Verdict.NOTHING


def test_noise_about_chance_is_no_gain() -> None:
    rows = epochs(train_loss=falling(30), val_acc=0.2 + noise(30, 0.001))
    assert judged(rows).verdict is not Verdict.NOTHING


def test_norms_that_are_no_numbers_were_not_looked_at() -> None:
    nothing = judged(steps(train_loss=falling(12), grad_norm=[NAN] * 12))
    assert nothing.scope.not_looked_at["gradients"].startswith("0 values of grad_norm")
    assert "gradients" in judged(steps(train_loss=falling(12), grad_norm=[1.0] * 12)).scope.looked_at


def test_a_reward_that_only_jumps_about_nothing_has_gained_nothing() -> None:
    noisy = judged(steps(episode=np.arange(60), reward=-np.abs(noise(60, 0.05))))
    assert noisy.scope.not_looked_at["metrics"].startswith("never better than at its beginning")
    earned = judged(steps(episode=np.arange(60), reward=np.linspace(0, 5, 60) + noise(60, 0.05)))
    assert "metrics" in earned.scope.looked_at
