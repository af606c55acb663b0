"""Logs of any tool: what cannot be is named with its closed form, faults are found, healthy logs are left alone."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from log_files import FORMATS, HEALTHY, SAMPLE, Row, as_csv, as_headings, as_one_line_each

from trainctl.engine.diagnosis.catalogue import all_rules
from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.facts.evidence import Evidence
from trainctl.engine.diagnosis.finding import Confidence, Finding, Report, Severity
from trainctl.engine.diagnosis.logs.facts import read_facts
from trainctl.engine.diagnosis.logs.reading import parse_log
from trainctl.engine.diagnosis.report import finding_lines
from trainctl.engine.errors import UserError

RECOMMENDED = {"cluster": 0.1, "balance": 1.0, "entropy": 0.1}


def judge(text: str, **known: Any) -> Report:
    return diagnose(Evidence(log=read_facts(parse_log(text.encode(), "log"), **known)))


def found(text: str, **known: Any) -> dict[str, Finding]:
    return {finding.code: finding for finding in judge(text, **known).findings}


def unchecked(text: str, **known: Any) -> Mapping[str, str]:
    return {entry.code: entry.why for entry in judge(text, **known).not_checked}


def test_the_documents_sample_log_is_impossible_twice() -> None:
    findings = found(SAMPLE, weights=RECOMMENDED, weights_from="quality/balanced", num_clusters=8)
    assert set(findings) == {"E1012", "E1013"}
    assert all((f.severity, f.confidence) == (Severity.ERROR, Confidence.PROVEN) for f in findings.values())
    bound, added = findings["E1013"], findings["E1012"]
    assert bound.figures["bound"] == pytest.approx(0.7146, abs=5e-5)
    assert "line 3" in bound.where and "line 5" in bound.where
    assert added.figures["sum"] == pytest.approx(-0.2286)
    assert added.figures["total"] == pytest.approx(0.0234)
    assert added.figures["weight_needed.balance"] == pytest.approx((0.0234 - 0.0180 + 0.085 + 0.185) / 0.0234)
    assert added.where.startswith("line 1: 1·0.0180 + 0.1·(-0.8500) + 1·0.0234 + 0.1·(-1.8500) = -0.2286")


def test_without_weights_the_sample_says_what_it_would_take() -> None:
    findings = found(SAMPLE)
    assert set(findings) == {"E1013"}
    assert findings["E1013"].severity == Severity.WARNING
    why = unchecked(SAMPLE)["E1012"]
    assert "--preset" in why and "-2.6586" in why


def test_a_finding_of_a_log_is_at_most_twelve_lines() -> None:
    report = judge(SAMPLE, weights=RECOMMENDED, weights_from="quality/balanced", num_clusters=8)
    assert all(len(finding_lines(finding)) <= 12 for finding in report.findings)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("host", HEALTHY)
def test_healthy_logs_are_left_alone_in_every_format(host: str, form: str) -> None:
    text = FORMATS[form](HEALTHY[host]())
    weights = RECOMMENDED if host == "weighted" else None
    report = judge(text, weights=weights, num_clusters=8 if weights else None, num_classes=None)
    assert report.findings == ()
    assert report.checked


def test_terms_that_are_logged_weighted_add_up_as_well() -> None:
    rows = [{"epoch": k, "loss": 0.3 - 0.001 * k, "a_loss": 0.1, "b_loss": 0.2 - 0.001 * k} for k in range(20)]
    assert "E1012" not in found(as_csv(rows), weights={"a": 0.5, "b": 0.5})


def test_weights_that_the_rows_determine_need_no_preset() -> None:
    text = as_csv(HEALTHY["weighted"]())
    assert "E1012" in judge(text).checked


def test_a_term_that_is_subtracted_is_found_without_weights() -> None:
    noise = np.random.default_rng(0)
    rows: list[Row] = []
    for epoch in range(40):
        a, b = noise.random(2).tolist()
        rows.append({"epoch": epoch, "loss": a - 0.3 * b, "a_loss": a, "b_loss": b})
    finding = found(as_csv(rows))["E1012"]
    assert finding.severity == Severity.WARNING
    assert finding.figures["weight.b"] == pytest.approx(-0.3, abs=1e-3)


def test_weights_that_the_log_prints_itself_are_used() -> None:
    head = "quality_weight: 1.0\ncluster_weight: 0.5\n"
    good = head + "".join(
        f"Epoch {k} loss: {0.1 - 0.005 * k + 0.5:.4f} quality_loss: {0.1 - 0.005 * k:.4f} cluster_loss: 1.0000\n"
        for k in range(8)
    )
    assert "E1012" not in found(good)
    assert found(good.replace("cluster_weight: 0.5", "cluster_weight: 0.25"))["E1012"].severity == Severity.ERROR


def test_a_missing_term_is_no_finding_but_said() -> None:
    text = "loss: 0.5\nquality_loss: 0.2\ncluster_loss: -0.5\n"
    assert "balance" in unchecked(text, weights=RECOMMENDED, weights_from="quality/balanced")["E1012"]


@given(st.floats(0.13, 0.999), st.floats(0.01, 0.99), st.integers(1, 3))
def test_entropies_of_real_posteriors_are_never_called_impossible(p: float, share: float, decimals: int) -> None:
    rest = np.full(7, (1 - p) / 7)
    rest[0] += share * min(rest[0], p - rest[0]) if p > rest[0] else 0
    rest[1] -= rest[0] - (1 - p) / 7
    posterior = np.append(rest, p)
    peak, entropy = posterior.max(), -(posterior * np.log(posterior + 1e-300)).sum()
    text = f"cluster loss: {-peak:.{decimals}f}\nentropy loss: {-entropy:.{decimals}f}\n"
    assert "E1013" not in found(text, num_clusters=8)


@pytest.mark.parametrize(
    ("line", "is_impossible"),
    [
        ("accuracy: 100.2%", True),
        ("accuracy: 99.9%", False),
        ("acc: 101.0 val_acc: 50.0", True),
        ("acc: -0.1", True),
        ("map: -1", False),
        ("srcc: 1.02", True),
        ("srcc: 76.8", False),
        ("mean_cosine: -1.2", True),
        ("kl_loss: -0.5", True),
        ("approx_kl: -0.01", False),
        ("cluster loss: -1.2 entropy loss: -0.1", True),
        ("cluster loss: -0.05 entropy loss: -2.0", True),
        ("cluster loss: 3.2 entropy loss: 0.1", False),
        ("max_posterior: 1.1", True),
        ("precision: 16", False),
    ],
)
def test_values_outside_what_their_name_allows(line: str, is_impossible: bool) -> None:
    assert ("E1011" in found(line, num_clusters=8)) == is_impossible


def test_an_accuracy_above_one_is_a_fraction_only_where_the_log_shows_it() -> None:
    fractions = "".join(f"acc: {value}\n" for value in (0.5, 0.7, 0.8, 0.9, 0.92, 0.93, 0.94, 0.95, 0.96, 1.02))
    assert found(fractions)["E1011"].severity == Severity.WARNING
    assert found(fractions, num_classes=10)["E1011"].severity == Severity.ERROR
    assert "E1011" not in found("acc: 0.98\nacc: 1.02\nacc: 1.01\n")


def losses(values: Sequence[float], name: str = "loss", **others: float) -> str:
    return as_one_line_each([{"step": step, name: value, **others} for step, value in enumerate(values)])


def test_a_loss_that_becomes_nan_says_where() -> None:
    finding = found(losses([2.0, 1.5, 4.0, math.nan, math.nan]))["N901"]
    assert finding.severity == Severity.ERROR
    assert "line 4" in finding.where and "4 before it" in finding.why


def test_an_empty_field_is_no_nan() -> None:
    assert "N901" not in found("step,loss,val_loss\n1,0.5,\n2,,0.4\n3,0.3,\n")


def test_a_negative_cross_entropy_is_a_wrong_sign() -> None:
    assert "C305" in found("step 1 bce_loss: -0.6931\n")
    assert "C305" not in found("step 1 nll_loss: -0.6931 elbo_loss: -3\n")


@pytest.mark.parametrize("size", [8, 16, 36, 64, 256])
def test_a_contrastive_loss_pinned_at_its_floor(size: int) -> None:
    values = math.log(size - 1) + 1e-4 * np.random.default_rng(0).standard_normal(200)
    text = losses(values.tolist(), "supcon_loss")
    assert found(text)["K401"].figures["batch_size"] == size
    assert found(text, batch_size=size)["K401"].confidence == Confidence.PROVEN
    assert "K401" not in found(losses(values.tolist(), "huber_loss"))
    assert found(text)["O604"].consequence_of == "K401"


def test_a_loss_that_knows_nothing_is_named_by_its_closed_form() -> None:
    noise = 1e-3 * np.random.default_rng(0).standard_normal(100)
    assert "ln 2" in found(losses((math.log(2) + noise).tolist()))["O604"].why
    finding = found(losses((math.log(12) + noise).tolist()), num_classes=12)["O604"]
    assert finding.severity == Severity.WARNING and "ln 12" in finding.why


@pytest.mark.parametrize("weight", [0.5, 1.0, 2.0])
def test_the_total_of_one_term_is_held_against_the_terms_own_constant(weight: float) -> None:
    noise = 1e-3 * np.random.default_rng(0).standard_normal(200)
    total = losses((weight * (math.log(2) + noise)).tolist())
    finding = found(total, weights={"ce": weight})["O604"]
    assert finding.severity == Severity.WARNING and "ln 2" in finding.why
    contrast = losses((weight * (math.log(31) + 0.1 * noise)).tolist())
    pinned = found(contrast, weights={"supcon": weight}, batch_size=32)["K401"]
    assert pinned.confidence == Confidence.PROVEN and abs(float(pinned.figures["gap"])) < 1e-3
    if weight != 1:
        assert "K401" not in found(contrast, weights={"supcon": 1.0}, batch_size=32)
        several = {"ce": weight, "aux": 0.3}
        assert "its weight" not in found(total, weights=several)["O604"].why


@pytest.mark.few(4)
@pytest.mark.parametrize("level", [math.log(2), math.log(12), math.log(15)])
@pytest.mark.parametrize("name", ["mse", "supcon_loss", "train/huber_loss", "infonce_loss", "triplet"])
def test_a_loss_that_is_none_over_classes_is_not_explained_by_their_number(name: str, level: float) -> None:
    values = (level + 1e-3 * np.random.default_rng(0).standard_normal(100)).tolist()
    for known in ({}, {"num_classes": 12}):
        assert "ln" not in found(losses(values, name), **known)["O604"].why
        assert found(losses(values, name), **known)["O604"].severity == Severity.INFO
    assert "held equally likely" in found(losses(values, "ce_loss"))["O604"].why


def test_a_flat_loss_without_closed_form_is_information() -> None:
    noise = 0.05 * np.random.default_rng(0).standard_normal(100)
    assert found(losses((0.4 + 0.1 * noise).tolist()))["O604"].severity == Severity.INFO


def test_a_constant_loss_is_an_error_and_a_printed_zero_is_not() -> None:
    assert found(losses([1.2345] * 12))["O604"].severity == Severity.ERROR
    assert not found("".join(f"step {k} loss: 0.0000\n" for k in range(50)))


def test_divergence_names_lowest_point() -> None:
    values = [2.3 - 0.02 * k for k in range(50)] + [1.3 * 1.1**k for k in range(50)]
    finding = found(losses(values, lr=0.5))["O601"]
    assert "learning rate up to 0.5" in finding.why
    assert finding.severity == Severity.ERROR


def test_three_spikes_are_a_warning_and_two_are_none() -> None:
    values = (2.0 * np.exp(-np.arange(400) / 100) + 0.1 + 0.01 * np.random.default_rng(0).standard_normal(400)).tolist()
    for at in (150, 250, 350):
        values[at] = 5.0
    assert found(losses(values))["O603"].figures["spikes"] == 3
    values[150] = values[149]
    assert "O603" not in found(losses(values))


def test_overfitting_is_told_from_overconfidence() -> None:
    def rows(metric: float) -> list[Row]:
        return [
            {
                "epoch": k,
                "train_loss": math.exp(-k / 8),
                "val_loss": 0.5 + abs(k - 6) * 0.03,
                "val_acc": min(0.7 + 0.02 * k, 0.8) - metric * max(k - 6, 0) * 0.01,
            }
            for k in range(24)
        ]

    assert found(as_headings(rows(1)))["R801"].severity == Severity.WARNING
    assert found(as_headings(rows(0)))["R801"].severity == Severity.INFO


def test_a_learning_rate_of_zero_is_found_and_rounding_to_zero_is_not() -> None:
    falling = [2.0 * 0.99**k for k in range(80)]
    flat = [2.0 + 0.001 * (k % 2) for k in range(80)]
    rows = [{"step": k, "loss": value, "lr": 0.0} for k, value in enumerate(flat)]
    assert found(as_csv(rows))["O602"].confidence == Confidence.PROVEN
    assert "O602" not in found("".join(f"step {k} loss {value:.4f} lr: 0.0000\n" for k, value in enumerate(falling)))


def test_a_schedule_that_ends_before_half_of_the_run() -> None:
    rows = [{"step": k, "loss": 2 * 0.99**k, "lr": 1e-3 * 0.8**k} for k in range(100)]
    assert "O606" in found(as_csv(rows))


def test_a_cluster_loss_of_minus_one_is_saturated() -> None:
    text = "".join(f"Epoch {k} c_loss: -1.0000 entropy_loss: -0.0001\n" for k in range(5))
    assert "Q501" in found(text, num_clusters=8)


def test_rules_of_logs_and_of_runs_do_not_mix() -> None:
    assert set(judge(SAMPLE).checked) <= set(all_rules(of_log=True))
    assert "E1013" not in all_rules()
    assert not {entry.code for entry in diagnose(Evidence()).not_checked} & {"E1011", "E1012", "E1013"}


NAMES = (
    "loss",
    "val_loss",
    "a_loss",
    "cluster_loss",
    "entropy_loss",
    "supcon_loss",
    "acc",
    "srcc",
    "lr",
    "max_posterior",
)


@given(
    st.lists(st.dictionaries(st.sampled_from(NAMES), st.floats(width=32), max_size=5), min_size=1, max_size=130),
    st.sampled_from([None, 2, 8]),
)
@settings(max_examples=60, deadline=None)
def test_whatever_a_log_says_it_is_judged(rows: list[Row], known: int | None) -> None:
    text = as_csv([{"step": step, **row} for step, row in enumerate(rows)])
    weights = {"a": 0.5, "cluster": 1.0} if known == 8 else None
    try:
        report = judge(text, weights=weights, num_clusters=known, num_classes=known, batch_size=known)
    except UserError:
        return
    json.dumps(report.to_json(), allow_nan=False)
    asked = [rule for rule in all_rules(of_log=True).values() if "reference" not in rule.needs]  # no good one is named
    assert len(report.checked) + len(report.not_checked) == len(asked)
