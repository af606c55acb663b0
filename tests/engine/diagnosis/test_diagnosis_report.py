"""What a reader and a script get."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from toy_task import ToyTask, config, make_split, make_splits

from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.finding import Confidence, Finding, Fix, Report, Severity, Verdict
from trainctl.engine.diagnosis.probes.preflight import gather
from trainctl.engine.diagnosis.report import finding_lines, report_lines
from trainctl.engine.diagnosis.sampler_check import sampler_check_lines

ONE_CLASS = make_splits(make_split(400, 1, torch.zeros(400, dtype=torch.long)))


def text(task: ToyTask) -> str:
    evidence = gather(task)
    return "\n".join("".join(piece for piece, _ in line) for line in report_lines(diagnose(evidence), evidence))


def test_the_json_has_exactly_the_keys_of_the_schema() -> None:
    document = json.loads(json.dumps(diagnose(gather(ToyTask(splits=ONE_CLASS))).to_json(), allow_nan=False))
    assert set(document) == {
        *("schema", "verdict", "looked_at", "not_looked_at", "is_enough"),
        *("findings", "ignored", "not_checked", "checked", "seconds"),
    }
    assert document["schema"] == 1
    assert document["verdict"] == "wrong"
    for finding in document["findings"]:
        assert set(finding) == {
            "code",
            "name",
            "severity",
            "confidence",
            "primary",
            "consequence_of",
            "where",
            "why",
            "figures",
            "ruled_out",
            "fix",
        }
        assert set(finding["fix"]) == {"text", "set"}
    assert all(set(entry) == {"code", "why"} for entry in document["not_checked"])
    assert [finding["code"] for finding in document["findings"] if finding["primary"]] == ["D103"]


def test_figures_that_are_not_finite_are_null_for_scripts_and_words_for_the_cockpit() -> None:
    found = Finding(
        "N901",
        "n",
        "loss",
        Severity.ERROR,
        Confidence.PROVEN,
        "s",
        "w",
        "y",
        Fix("f"),
        {"loss": float("nan")},
        (),
    )
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["figures"] == {"loss": None}
    assert json.loads(json.dumps(found.to_plain(), allow_nan=False))["figures"] == {"loss": "nan"}


@pytest.mark.parametrize(
    ("severities", "verdict"),
    [
        ((), Verdict.NOTHING),
        (("info",), Verdict.NOTHING),
        (("info", "warning"), Verdict.LOOK),
        (("warning", "error"), Verdict.WRONG),
    ],
)
def test_the_verdict_is_the_worst_severity(severities: tuple[str, ...], verdict: Verdict) -> None:
    found = tuple(
        Finding("D101", "n", "data", Severity(s), Confidence.PROVEN, "s", "w", "y", Fix("f"), {}, ())
        for s in severities
    )
    assert Report(found, (), (), 0.0).verdict == verdict


def test_a_healthy_report_names_every_section_and_says_what_was_not_checked() -> None:
    shown = text(ToyTask())
    for section in ("environment", "data", "sampler", "labels", "model", "gradient flow", "loss", "evaluation"):
        assert f"✓ {section}" in shown
    assert "– not checked  D105" in shown
    assert "✓ nothing wrong in what was looked at" in shown


def test_what_the_data_says_of_itself_is_shown() -> None:
    noted = replace(make_splits(), notes=("3 files skipped",))
    assert "the data's own note: 3 files skipped" in text(ToyTask(splits=noted))


def test_a_cause_and_its_consequences_fit_in_twelve_lines() -> None:
    evidence = gather(ToyTask(splits=ONE_CLASS))
    report = diagnose(evidence)
    shown = ["".join(piece for piece, _ in line) for line in report_lines(report, evidence)]
    head = next(line for line in shown if line.startswith("✗ D103"))
    assert "error, proven · one class in the split" in head
    assert any(line.startswith("  leads to   D101 single-class batches") for line in shown)
    assert sum(line.startswith("✗ D101") for line in shown) == 0
    assert shown[-1].startswith("✗ wrong: deal with D103")
    many = [finding for finding in report.findings if not finding.primary] * 9
    assert len(finding_lines(report.findings[0], many)) <= 12


def test_a_setting_that_helps_is_shown_as_it_is_typed() -> None:
    assert "  try        --set train.batch_size=50" in text(ToyTask(config(batch_size=512)))


def test_the_sampler_check_judges_each_of_the_first_five_batches() -> None:
    healthy = sampler_check_lines(gather(ToyTask(), sections=("sampler", "labels")))
    lines = ["".join(piece for piece, _ in line) for line in healthy]
    assert any(line.split()[:4] == ["0", "a", "100", "25.0%"] for line in lines)
    assert sum("✓ ok: " in line for line in lines) == 5

    ordered = ToyTask(
        splits=make_splits(make_split(400, 1, torch.arange(400) // 100)),
        sampler=lambda epoch: torch.arange(400).split(16)[:25],
    )
    lines = ["".join(p for p, _ in line) for line in sampler_check_lines(gather(ordered, sections=("sampler",)))]
    assert sum("✗ error: all 16 samples are of one class" in line for line in lines) == 5
    assert any("unique: [0], counts: [16]" in line for line in lines)


def test_only_the_probes_that_are_asked_for_run() -> None:
    evidence = gather(ToyTask(model=lambda: pytest.fail("no network is needed")), sections=("data",))
    assert evidence.batch is None
    assert "D107" in diagnose(evidence, sections=("data",)).checked
