"""Trials of a fix: what counts as a difference, with one seed and with several, and what the verdict says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from test_comparison import RUN

from trainctl.engine.errors import ExitCode
from trainctl.tui.compare.trial import Arm, Trial, trial_figures
from trainctl.tui.compare.trial_verdict import TrialVerdict, Word, curve_rows, finding_words, judge_trial

STEPS = 400


def arm(seed: int = 1, *, level: float = 0.5, f1: float = 0.8, config: dict[str, Any] | None = None) -> Arm:
    """A finished training whose loss falls from 1.5 to `level`, validated eight times."""
    rng = np.random.default_rng(seed)
    losses = level + np.exp(-np.arange(STEPS) / 60) + 0.05 * rng.standard_normal(STEPS)
    noise = 0.01 * rng.standard_normal((2, 8))
    validations = tuple(
        (k + 1, 50 * (k + 1), "raw", {"f1": f1 + noise[0, k], "loss": level + 0.3 + noise[1, k]}) for k in range(8)
    )
    facts = replace(RUN, config=config or {"optimizer.lr": 0.1}, validations=validations, monitor="f1")
    return Arm(replace(facts, monitor_mode="max", data_id={"val": {"num": 400}}), losses)


def judged(present: Sequence[Arm], fixed: Sequence[Arm]) -> TrialVerdict:
    trial = Trial(dict(enumerate(present)), dict(enumerate(fixed)))
    return judge_trial(trial, trial_figures(trial))


def lost(reason: str = "loss not finite at step 7") -> Arm:
    return replace(arm(), losses=np.array([1.0, np.nan]), is_finished=False, reason=reason)


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize(("f1", "word"), [(0.95, Word.HELPS), (0.6, Word.WORSE)])
def test_the_monitored_metric_decides(count: int, f1: float, word: Word) -> None:
    seeds = range(1, count + 1)
    verdict = judged([arm(seed) for seed in seeds], [arm(seed + 50, f1=f1) for seed in seeds])
    assert verdict.word is word and verdict.why.startswith("f1 0.")
    assert ("one seed: chance between seeds is not known" in verdict.why) is (count == 1)
    assert ("±" in verdict.why) is (count == 3)


@pytest.mark.parametrize("count", [1, 3])
def test_seeds_of_one_configuration_do_not_differ(count: int) -> None:
    words = [
        judged([arm(10 * k + j) for j in range(count)], [arm(1000 + 10 * k + j) for j in range(count)]).word
        for k in range(60)
    ]
    assert words.count(Word.NO_DIFFERENCE) >= (60 if count == 1 else 56)


def test_a_metric_that_holds_leaves_it_to_the_losses_and_what_speaks_against_is_said() -> None:
    assert judged([arm()], [arm(2, level=0.2)]).why.startswith("validation loss")
    both = judged([arm()], [arm(2, level=0.2, f1=0.5)])
    assert both.word is Word.WORSE and "but validation loss, training loss the other way" in both.why


def test_few_seeds_and_one_validation_of_unknown_noise_decide_nothing() -> None:
    present, fixed = (
        replace(
            one, losses=one.losses[:3], facts=replace(one.facts, validations=one.facts.validations[-1:], data_id={})
        )
        for one in (arm(), arm(2, f1=0.95))
        if one.facts is not None
    )
    verdict = judged([present], [fixed])
    assert verdict.word is Word.NO_DIFFERENCE and "noise unknown" in verdict.why


@pytest.mark.parametrize(
    ("present", "fixed", "word", "why"),
    [
        (lost, arm, Word.HELPS, "without it the training does not finish: loss not finite at step 7"),
        (arm, lost, Word.WORSE, "with it the training does not finish: loss not finite at step 7"),
        (lost, lost, Word.NO_DIFFERENCE, "with it, too, the training does not finish: loss not finite at step 7"),
    ],
)
def test_who_finishes_decides_first(present: Callable[[], Arm], fixed: Callable[[], Arm], word: Word, why: str) -> None:
    assert judged([present()], [fixed()]) == TrialVerdict(word, why)


def test_what_the_fix_makes_another_thing_is_not_compared() -> None:
    fixed = arm(2, f1=0.95, config={"optimizer.lr": 0.1, "loss_weights.ce": 2.0})
    assert judged([arm()], [fixed]).word is Word.HELPS  # the metric still is what it was
    data = {split: {"num": 300, "names": "b"} for split in ("train", "val")}
    assert fixed.facts is not None
    elsewhere = replace(fixed, facts=replace(fixed.facts, data_id=data))
    verdict = judged([replace(arm(), facts=replace(fixed.facts, data_id={k: {"num": 9} for k in data}))], [elsewhere])
    assert verdict.word is Word.CANNOT and "validated on different samples" in verdict.why


def test_one_that_the_clock_stopped_is_judged_by_the_steps_that_both_have() -> None:
    cut = replace(arm(2), losses=arm(2).losses[:80])
    for stopped in (Trial({1: cut}, {1: arm()}), Trial({1: arm()}, {1: cut})):
        assert trial_figures(stopped)[-1].direction == 0
    own = Trial({1: cut}, {1: arm()}, has_own_lengths=True)
    assert trial_figures(own)[-1].direction == 1


def test_curves_are_laid_by_steps_or_by_samples() -> None:
    short = replace(arm(), losses=arm().losses[:100])
    rows = curve_rows(Trial({1: arm()}, {1: short}))
    assert [row[:2] for row in rows] == [(k, k) for k in range(40, 401, 40)]
    assert np.isfinite(rows[1][3]) and np.isnan(rows[3][3])
    paced = curve_rows(Trial({1: short}, {1: arm()}, pace=4.0))
    assert [row[:2] for row in paced] == [(k, 4 * k) for k in range(10, 101, 10)]
    assert np.isfinite([row[2:] for row in paced]).all()
    assert curve_rows(Trial({}, {})) == []


def test_the_finding_is_counted_where_records_tell_and_the_exit_code_is_of_the_word() -> None:
    arms = {1: replace(arm(), has_finding=True), 2: replace(arm(), has_finding=False), 3: arm()}
    assert finding_words(arms) == "found in 1 of 2" and finding_words({3: arm()}) == ""
    codes = [word.exit_code for word in (Word.HELPS, Word.NO_DIFFERENCE, Word.WORSE, Word.CANNOT)]
    assert codes == [ExitCode.OK, ExitCode.RUN_FAILED, ExitCode.RUN_FAILED, ExitCode.USAGE]
