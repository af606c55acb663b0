"""Rules over the course of a training: each fires on its fault, is silent on healthy relatives, and never raises."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from log_files import HEALTHY, Row, as_csv, as_json_lines, as_one_line_each

from trainctl.engine.diagnosis.catalogue import all_rules
from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.facts.evidence import Evidence
from trainctl.engine.diagnosis.finding import Finding, Severity
from trainctl.engine.diagnosis.logs.facts import read_facts
from trainctl.engine.diagnosis.logs.reading import parse_log
from trainctl.engine.errors import UserError

NAN, INF = math.nan, math.inf


def found(rows: Sequence[Row] | str, **known: Any) -> dict[str, Finding]:
    text = rows if isinstance(rows, str) else as_csv(rows)
    facts = read_facts(parse_log(text.encode(), "log"), **known)
    return {finding.code: finding for finding in diagnose(Evidence(log=facts)).findings}


def grave(rows: Sequence[Row] | str, **known: Any) -> set[str]:
    return {code for code, one in found(rows, **known).items() if one.severity is not Severity.INFO}


def noise(count: int, deviation: float = 0.02, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(0, deviation, count)


def steps(**columns: Any) -> list[Row]:
    """Rows of columns of one length, by step."""
    return [
        {"step": k, **dict(zip(columns, map(float, row), strict=True))}
        for k, row in enumerate(zip(*columns.values(), strict=True))
    ]


def epochs(**columns: Any) -> list[Row]:
    """Rows of columns of one length, by epoch."""
    return [{"epoch": row["step"], **{k: v for k, v in row.items() if k != "step"}} for row in steps(**columns)]


def falling(count: int, scale: float = 30.0) -> Any:
    return 2 * np.exp(-np.arange(count) / scale) + 0.3


def with_bad(values: Any, start: int, stop: int | None = None) -> list[float]:
    out = [float(value) for value in values]
    out[start:stop] = [NAN] * len(out[start:stop])
    return out


# N901


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


# N902, G701


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


# E1005, E1007, E1008


def test_a_share_that_never_moves_is_that_of_one_class() -> None:
    rows = epochs(loss=falling(8), val_loss=1.2 - 0.01 * np.arange(8), val_acc=[0.7131] * 8)
    assert found(rows)["E1007"].severity is Severity.WARNING
    assert "E1007" in found("".join(f"[{k}] train-auc:0.500000 eval-auc:0.500000\n" for k in range(9)))


@pytest.mark.parametrize(
    "metric",
    [
        [0.5, 0.8, 0.9, *[0.9931] * 9],
        [1.0] * 12,
        [0.0] * 12,
        [0.9917] * 12,
        [0.75] * 12,
        np.linspace(0.6, 0.9, 12),
    ],
    ids=["learned", "all", "too early", "one wrong of 120", "few samples", "learns"],
)
def test_a_share_that_may_repeat_by_itself_is_left_alone(metric: Sequence[float]) -> None:
    assert not grave(epochs(loss=falling(12, 4), val_loss=1.2 - 0.01 * np.arange(12), val_acc=metric)) - {"E1008"}


def test_a_metric_that_is_printed_again_with_every_step_is_not_measured_again() -> None:
    assert "E1007" not in found(steps(loss=falling(50), val_loss=[0.9] * 50, val_acc=[0.7131] * 50))


def test_an_accuracy_of_nothing_beside_a_small_loss_is_a_contradiction() -> None:
    loss = falling(20, 3) - 0.28
    assert "96.4%" in found(epochs(loss=loss, acc=[0.0] * 20))["E1008"].why
    assert "E1008" not in found(epochs(loss=6 * falling(20, 8), acc=[0.0] * 20)), "words come late"
    assert "E1008" not in found(epochs(loss=loss, map50=[0.0] * 20)), "boxes come late"
    assert "E1008" not in found(epochs(loss=loss, acc=np.linspace(0.01, 0.2, 20)))


@pytest.mark.parametrize(("count", "severity"), [(16, Severity.WARNING), (40, Severity.INFO), (997, None)])
def test_accuracies_in_steps_of_one_sample(count: int, severity: Severity | None) -> None:
    right = np.random.default_rng(3).binomial(count, 0.7, 16)
    rows = epochs(loss=falling(16), val_acc=right / count, val_loss=falling(16) + 0.1)
    assert (found(rows)["E1005"].severity if severity else None) == severity
    assert ("E1005" in found(rows)) == (severity is not None)


def test_few_evaluations_of_sixty_samples_may_all_be_multiples_of_a_twentieth() -> None:
    assert "E1005" not in found(epochs(loss=falling(6), val_acc=np.array([36, 39, 42, 45, 48, 51]) / 60))


def test_two_digits_are_no_steps() -> None:
    text = as_one_line_each([{"epoch": k, "val_acc": round(0.5 + 0.02 * k, 2)} for k in range(20)])
    assert "E1005" not in found(text)


# O601, O604, R801, E1015


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


# O619, E1016, C318, C319, C303, E1012


def test_a_policy_that_its_updates_do_not_move() -> None:
    reward = -98 + noise(60, 1)
    still = steps(approx_kl=[1e-8] * 60, clip_fraction=[0.0] * 60, ep_rew_mean=reward)
    assert "O619" in found(still)
    healthy = steps(approx_kl=[8e-3] * 60, clip_fraction=[0.0] * 60, ep_rew_mean=reward)
    assert not grave(healthy)


def test_rewards_that_are_nan_after_many_updates() -> None:
    assert "E1016" in found(steps(ep_rew_mean=[NAN] * 5, fps=[900] * 5))
    assert "E1016" not in found(steps(ep_rew_mean=[NAN, NAN, 3.0, 4.0, 5.0], fps=[900] * 5))


def test_losses_of_a_policy_are_not_added_up() -> None:
    rng = np.random.default_rng(0)
    value = rng.uniform(1, 9, 40)
    policy = rng.normal(0, 1e-3, 40)
    rows = steps(policy_gradient_loss=policy, value_loss=value, loss=0.5 * value - 90 * policy)
    assert "E1012" not in found(rows)


def test_a_posterior_that_is_the_prior() -> None:
    recon = 0.14 + noise(30, 0.002)
    assert found(epochs(loss=recon, recon_loss=recon, kl_loss=[4e-7] * 30))["C318"].primary
    used = np.linspace(0.0, 0.05, 30)
    assert "C318" not in found(epochs(loss=recon + used, recon_loss=recon, kl_loss=used)), "warmed up from 0"
    assert "C318" not in found(epochs(loss=recon, kl_loss=[4e-7] * 30)), "a teacher's"


def test_a_term_that_is_paid_for_by_another() -> None:
    k = np.arange(60)
    physics, start = 0.3 * np.exp(-k / 6) + 0.01, 0.2 - 0.16 * np.exp(-k / 6)
    rows = epochs(loss=physics + start, physics_loss=physics, initial_loss=start)
    assert found(rows)["C319"].primary
    for name in ("kl_loss", "commitment_loss", "entropy_loss"):
        assert "C319" not in found(epochs(**{"loss": physics + start, "recon_loss": physics, name: start}))


def test_a_softmax_of_a_softmax_has_a_floor() -> None:
    floor = math.log(math.e + 9) - 1
    loss = floor + 0.84 * np.exp(-np.arange(40) / 6)
    accuracy = 0.98 - 0.85 * np.exp(-np.arange(40) / 6)
    assert found(epochs(loss=loss, acc=accuracy))["C303"].figures["classes"] == 10
    assert "C303" in found(epochs(loss=loss, acc=accuracy), num_classes=10)
    smoothed = 0.5 + 1.8 * np.exp(-np.arange(40) / 6)
    assert not grave(epochs(loss=smoothed, acc=accuracy))
    assert "C303" not in found(epochs(loss=loss, acc=0.5 * accuracy), num_classes=100)


def test_a_plateau_in_the_wrong_mode_is_named_where_the_rate_is_spent() -> None:
    rates = [1e-2 * 0.1 ** (k // 4) for k in range(60)]
    rows = epochs(loss=falling(60), val_loss=falling(60) + 0.1, lr=rates)
    assert "wrong mode" in found(rows)["O606"].why
    assert "wrong mode" not in found(epochs(loss=falling(60), val_loss=1 + noise(60, 0.1), lr=rates))["O606"].why


def test_a_rate_that_is_zero_long_before_the_end() -> None:
    ended = [*np.linspace(1e-3, 1e-5, 60), *[0.0] * 40]
    assert "O606" in found(steps(loss=falling(100), lr=ended))
    assert not grave(steps(loss=falling(100), lr=np.linspace(1e-3, 0, 100)))
    assert not grave("".join(f"step {k} loss {2 * 0.99**k:.4f} lr: {5e-6 * (1 - k / 100):.6f}\n" for k in range(100)))


def test_updates_too_small_count_only_where_the_loss_stands_still() -> None:
    assert "O602" in found(steps(loss=2.3 + noise(80, 1e-3), update_ratio=[3e-7] * 80))
    assert "O602" not in found(steps(loss=falling(80), update_ratio=[3e-7] * 80))


def by_place(profile: Any, count: int = 6, deviation: float = 0.05) -> list[Row]:
    size = len(profile)
    level = falling(count * size, 100) * np.exp(np.tile(profile, count) + noise(count * size, deviation))
    return [{"epoch": k // size, "step": k, "loss": float(level[k])} for k in range(count * size)]


def test_a_loss_that_follows_the_place_in_the_epoch() -> None:
    sorted_by_class = np.repeat([0.6, -0.4, 0.3, -0.5], 6)
    assert "D102" in found(by_place(sorted_by_class))
    assert "D102" not in found(by_place(np.zeros(24)))
    assert "D102" not in found(by_place(sorted_by_class, count=2))
    running_mean = np.cumsum(2 * np.exp(-np.arange(24) / 3)) / np.arange(1, 25)
    assert "D102" not in found(by_place(np.log(running_mean), deviation=1e-4))
    assert "D102" not in found(by_place(np.linspace(0.5, -0.5, 24))), "what it learns within an epoch"


def test_a_total_that_rises_by_one_term_while_another_falls_has_not_diverged() -> None:
    main, helper = falling(60, 10), np.linspace(0.5, 4, 60)
    assert "O601" not in found(epochs(loss=main + helper, main_loss=main, balance_loss=helper))
    assert "O601" in found(epochs(loss=2.5 * helper, main_loss=helper, balance_loss=1.5 * helper))


def test_a_validation_that_stays_at_chance() -> None:
    chance = 0.2 + noise(30, 0.008)
    assert "L201" in found(epochs(train_loss=falling(30), val_loss=math.log(5) + noise(30, 0.01), val_acc=chance))
    assert "L201" in found(epochs(train_loss=falling(30), val_acc=chance), num_classes=5)
    assert "L201" not in found(epochs(train_loss=falling(30), val_acc=chance), num_classes=50)
    assert not grave(epochs(train_loss=falling(30), val_acc=np.linspace(0.2, 0.5, 30)), num_classes=5)
    assert "L201" not in found(epochs(train_loss=falling(8), val_acc=chance[:8]), num_classes=5), "too early"


def test_losses_on_boxes_of_exactly_zero() -> None:
    some = 0.02 + noise(10, 1e-3)
    assert "C302" in found(epochs(iou_loss=[0.0] * 10, dfl_loss=[0.0] * 10, cls_loss=some))
    assert "C302" not in found(epochs(iou_loss=some, dfl_loss=[0.0] * 10, cls_loss=some)), "one is switched off"
    assert "C302" not in found(epochs(iou_loss=some, l1_loss=[0.0] * 10, cls_loss=some))


# All of them


@pytest.mark.parametrize("host", HEALTHY)
@pytest.mark.parametrize("share", [0.1, 0.3, 0.6])
def test_a_healthy_log_is_left_alone_from_its_beginning_on(host: str, share: float) -> None:
    rows = HEALTHY[host]()
    assert not grave(rows[: max(int(share * len(rows)), 2)])


NAMES = ("loss", "val_loss", "train/a_loss", "val/a_loss", "kl_loss", "recon_loss", "policy_gradient_loss", "lr", "acc")
MORE = ("val_acc", "auc", "srcc", "wer", "reward", "approx_kl", "clip_fraction", "explained_variance", "grad_norm")
LAST = ("loss_scale", "update_ratio", "best_acc", "perplexity", "psnr")
SHAPES = {
    "one": [1.0],
    "two": [1.0, 0.5],
    "constant": [0.4321] * 70,
    "zero": [0.0] * 70,
    "nan": [NAN] * 70,
    "infinite": [INF, -INF] * 35,
    "huge": [1e308, -1e308] * 35,
    "tiny": [1e-320] * 70,
    "one finite": [*[NAN] * 69, 3.0],
    "falls": [1 / (k + 1) for k in range(70)],
    "negative": [-float(k) for k in range(70)],
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("code", sorted(all_rules(of_log=True)))
def test_no_rule_raises_whatever_the_shape(code: str, shape: str) -> None:
    rows = [{"step": k, **dict.fromkeys((*NAMES, *MORE, *LAST), value)} for k, value in enumerate(SHAPES[shape])]
    for known in (None, 10):
        table = parse_log(as_csv(rows).encode(), "log")
        facts = read_facts(table, num_classes=known, num_clusters=known, batch_size=known)
        answer = all_rules(of_log=True)[code].apply(Evidence(log=facts))
        assert answer is None or (answer.code == code and answer.why), "nothing wrong, a reason, or a finding with one"


@given(
    st.lists(st.dictionaries(st.sampled_from((*NAMES, *MORE, *LAST)), st.floats(), max_size=8), min_size=1, max_size=90)
)
@settings(max_examples=60, deadline=None)
def test_whatever_a_course_holds_it_is_judged(rows: list[Row]) -> None:
    text = as_csv([{"step": step, **row} for step, row in enumerate(rows)])
    try:
        facts = read_facts(parse_log(text.encode(), "log"))
    except UserError:
        return
    report = diagnose(Evidence(log=facts))
    document = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert document["verdict"] == str(report.verdict)
    asked = {code for code, rule in all_rules(of_log=True).items() if "reference" not in rule.needs}
    assert {*report.checked, *(entry.code for entry in report.not_checked)} == asked
