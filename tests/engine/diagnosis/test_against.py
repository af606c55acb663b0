"""A training beside a good one: seeds do not part, faults do, and what parts first is named first."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from trainctl.engine.diagnosis.against import with_reference
from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.facts.evidence import Evidence
from trainctl.engine.diagnosis.facts.reference import ReferenceFacts
from trainctl.engine.diagnosis.finding import Confidence, Finding, Severity
from trainctl.engine.diagnosis.logs.facts import read_facts
from trainctl.engine.diagnosis.logs.reading import parse_log
from trainctl.engine.errors import UserError

EPOCHS = 30
Curves = dict[str, "np.ndarray[Any, Any]"]


def course(seed: int, *, pace: float = 1.0, noise: float = 1.0, epochs: int = EPOCHS) -> Curves:
    """A healthy training: losses fall, accuracy rises, the rate is a cosine."""
    rng = np.random.default_rng(seed)
    epoch = np.arange(1, epochs + 1)
    fallen = np.exp(-epoch * pace * (1 + 0.1 * rng.standard_normal()) / 6)
    jumps = noise * rng.standard_normal((4, epochs))
    return {
        "epoch": epoch.astype(float),
        "train_loss": 0.2 + 1.5 * fallen + 0.02 * jumps[0],
        "val_loss": 0.35 + 1.4 * fallen + 0.03 * jumps[1],
        "val_accuracy": 0.9 - 0.6 * fallen + 0.01 * jumps[2],
        "lr": 1e-3 * (1 + np.cos(np.pi * epoch / epochs)) / 2 + 1e-6,
        "grad_norm": np.exp(0.3 * jumps[3]),
    }


def evidence(curves: Curves) -> Evidence:
    names = list(curves)
    rows = zip(*curves.values(), strict=True)
    text = "\n".join([",".join(names), *(",".join(f"{value:.6g}" for value in row) for row in rows)])
    return Evidence(log=read_facts(parse_log(text.encode(), "log")))


def beside(here: Curves, good: Curves) -> Evidence:
    return with_reference(evidence(here), evidence(good), "good.csv", None)


def found(here: Curves, good: Curves) -> dict[str, Finding]:
    report = diagnose(beside(here, good))
    return {finding.code: finding for finding in report.findings if finding.code in ("E1021", "E1022")}


def reference(here: Curves, good: Curves) -> ReferenceFacts:
    facts = beside(here, good).reference
    assert facts is not None
    return facts


def changed(curves: Curves, **by: float) -> Curves:
    """The same with a series that is another one from epoch 8 on."""
    late = curves["epoch"] >= 8
    return {name: values + by.get(name, 0.0) * late for name, values in curves.items()}


@pytest.mark.few(1)
@pytest.mark.parametrize("noise", [0.3, 1.0, 3.0])
def test_other_seeds_and_the_training_itself_do_not_part(noise: float) -> None:
    good = course(0, noise=noise)
    assert not found(good, good)
    assert [seed for seed in range(1, 60) if found(course(seed, noise=noise), good)] == []


def test_a_little_slower_or_shorter_is_no_fault() -> None:
    assert not found(course(1, pace=0.8), course(0))
    short = course(1, epochs=12)
    assert not found(short | {"lr": course(0)["lr"][:12]}, course(0))


def test_validation_alone_is_about_labels_or_validation_data() -> None:
    finding = found(changed(course(1), val_accuracy=-0.2, val_loss=0.6), course(0))["E1021"]
    assert (finding.severity, finding.confidence) == (Severity.WARNING, Confidence.LIKELY)
    assert finding.summary.startswith("validation loss parts from good.csv at epoch 8")
    assert "the training loss does not: labels, or validation data" in finding.why
    assert "val_accuracy from epoch 8" in finding.where and "as in the good one: training loss" in finding.where


def test_the_first_series_to_part_is_named_first() -> None:
    bad = changed(course(1), train_loss=0.6, val_loss=0.6)
    bad["grad_norm"] = np.where(bad["epoch"] >= 5, 20.0, 1.0) * bad["grad_norm"]
    facts = reference(bad, course(0))
    assert [one.name for one in facts.partings] == ["gradient norm", "training loss", "validation loss"]
    finding = found(bad, course(0))["E1021"]
    assert (
        finding.summary.startswith("gradient norm parts") and "the gradient is another one from epoch 5" in finding.why
    )
    assert finding.figures["at.training loss"] == 8


def test_from_the_beginning_and_later_on_mean_different_things() -> None:
    stuck = course(1) | {"train_loss": course(1)["train_loss"] * 0 + 1.6}
    assert "worse from the beginning" in found(stuck, course(0))["E1021"].why
    later = changed(course(1), train_loss=0.8)
    assert "it went well until epoch 8" in found(later, course(0))["E1021"].why


def test_what_is_better_or_only_passes_is_no_finding() -> None:
    assert not found(changed(course(1), val_accuracy=0.08, train_loss=-0.15, val_loss=-0.3), course(0))
    spike = course(1)
    spike["train_loss"][10:12] += 2.0
    assert not found(spike, course(0))


def test_another_rate_alone_is_no_worse_training() -> None:
    facts = reference(course(1) | {"lr": 3 * course(0)["lr"]}, course(0))
    assert [one.name for one in facts.partings] == ["learning rate"]
    assert not found(course(1) | {"lr": 3 * course(0)["lr"]}, course(0))


def test_the_parts_of_a_metric_are_told_by_the_whole_of_it() -> None:
    def with_parts(curves: Curves, by: float) -> Curves:
        return curves | {f"val_f1.{name}": curves["val_accuracy"] + by for name in ("happy", "sad")}

    facts = reference(with_parts(course(1), -0.4), with_parts(course(0), 0.0))
    assert not facts.partings and not any(name.startswith("val_f1") for name in facts.together)


def test_without_a_good_one_the_rules_are_not_asked_and_with_nothing_in_common_it_is_refused() -> None:
    report = diagnose(evidence(course(1)))
    assert not {"E1021", "E1022"} & {*report.checked, *(entry.code for entry in report.not_checked)}
    with pytest.raises(UserError, match=r"--against good\.csv: no series"):
        beside(course(1), {"epoch": np.arange(1.0, 4.0), "val_loss": np.ones(3)})
