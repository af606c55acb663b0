"""A mixture inside a network as the records of a run tell it: sizes, refits, predictions that are all equal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mixture_toy import by_code

from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.finding import Finding, Report
from trainctl.engine.diagnosis.records.evidence import RunEvidence, read_evidence
from trainctl.engine.runs.events import EventKind, EventWriter
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.record import RecordLayout
from trainctl.engine.runs.store import StepWriter

LAYOUT = RecordLayout(
    terms=("quality", "cluster", "balance", "entropy"),
    groups=("backbone",),
    scalars=("max_posterior", "posterior_entropy", *(f"cluster.{k}" for k in range(8))),
)
EVEN = (8,) * 8


class Run:
    """A run directory with a mixture of eight, ten steps of 64 samples an epoch."""

    def __init__(self, folder: Path, constant: dict[str, float] | None = None) -> None:
        self.paths = RunPaths(folder)
        folder.mkdir(exist_ok=True)
        self.writer, self.events = StepWriter(self.paths, LAYOUT), EventWriter(self.paths)
        self.events.append(EventKind.START, 0, constant={"rmse": 0.29, "srcc": 0.0} | (constant or {}))
        self.events.append(EventKind.PLAN, 0, steps_per_epoch=10)
        self.step = 0

    def epochs(self, count: int, sizes: tuple[float, ...] = EVEN, max_posterior: float = 0.7) -> Run:
        rows: np.ndarray[Any, Any] = np.zeros(10 * count, LAYOUT.dtype)
        rows["step"] = np.arange(self.step + 1, self.step + 10 * count + 1)
        rows["epoch"], rows["batch_size"], rows["loss"] = (rows["step"] - 1) // 10 + 1, 64, 0.1
        rows["lr"], rows["amp_scale"], rows["update_ratio"] = 1e-3, np.nan, 0.01
        rows["grad_norm"] = rows["grad_norm.backbone"] = 1.0
        rows["weight.quality"], rows["weight.cluster"], rows["weight.balance"] = 1.0, 0.1, 1.0
        rows["weight.entropy"], rows["scalar.max_posterior"], rows["scalar.posterior_entropy"] = 0.1, max_posterior, 0.8
        for k, size in enumerate(sizes):
            rows[f"scalar.cluster.{k}"] = size
        self.writer.append(rows)
        self.step += 10 * count
        return self

    def validate(self, srcc: float | None, rmse: float | None = 0.1, quality: float | None = None, **more: Any) -> Run:
        raw = {"srcc": srcc, "rmse": rmse} | ({} if quality is None else {"quality": quality})
        epoch = self.step // 10
        self.events.append(
            EventKind.VALIDATION, self.step, epoch=epoch, raw=raw, monitor="srcc", monitor_mode="max", **more
        )
        return self

    def refit(self, agreement: float, matched: float) -> Run:
        shares = {"agreement": agreement, "matched_agreement": matched}
        self.events.append(EventKind.REFIT, self.step, mode="sklearn", epoch=self.step // 10, text="", **shares)
        return self

    def report(self) -> Report:
        return diagnose(read_evidence(self.paths))

    def found(self) -> dict[str, Finding]:
        return by_code(self.report())

    def reasons(self) -> dict[str, str]:
        return {entry.code: entry.why for entry in self.report().not_checked}


def rising(run: Run, *values: float) -> Run:
    """An epoch and its validation for each value."""
    for value in values:
        run.epochs(1).validate(value)
    return run


def test_a_healthy_recorded_run_has_no_finding(tmp_path: Path) -> None:
    run = rising(Run(tmp_path), 0.6, 0.7, 0.75)
    assert run.found() == {}
    assert {"Q501", "Q502", "Q503", "E1007"} <= set(run.report().checked)
    assert "needs the network" in run.reasons()["Q504"]


def test_records_that_were_one_hot_from_the_first_step_prove_that_training_did_not_make_them_so(tmp_path: Path) -> None:
    finding = Run(tmp_path).epochs(3, max_posterior=0.9998).found()["Q501"]
    assert finding.confidence == "proven"
    assert "at the first step 0.9998" in finding.where
    assert "p(1−p) ≤ 0.0002" in finding.why


def test_posteriors_that_training_made_one_hot_are_put_down_to_it(tmp_path: Path) -> None:
    finding = Run(tmp_path).epochs(2).epochs(2, max_posterior=0.9998).found()["Q501"]
    assert finding.confidence == "likely"
    assert "training made them so" in finding.why


@pytest.mark.parametrize(
    ("sizes", "severity"),
    [
        ((14, 10, 8, 7, 7, 7, 6, 5), None),
        ((14.67, 8.83, 8.83, 8.83, 6.53, 6.53, 6.53, 3.21), "info"),
        ((20, 10, 8, 7, 6, 5, 5, 3), "info"),
        ((20, 20, 6, 6, 4, 4, 3, 1), "warning"),
        ((40, 14, 2, 2, 2, 2, 1, 1), "error"),
        ((10, 9, 9, 9, 9, 9, 9, 0), "error"),
    ],
    ids=["a little uneven", "502 to 2,292", "seven to one", "uneven", "collapsed", "one empty"],
)
def test_sizes_of_an_epoch_are_judged_by_how_uneven_they_are(
    tmp_path: Path, sizes: tuple[float, ...], severity: str | None
) -> None:
    found = Run(tmp_path).epochs(2, sizes).found()
    assert (found["Q502"].severity if found else None) == severity


def test_an_empty_cluster_is_named_and_one_hot_posteriors_are_its_cause(tmp_path: Path) -> None:
    found = Run(tmp_path).epochs(3, (10, 9, 9, 0, 9, 9, 9, 9), max_posterior=0.9999).found()
    assert "1 of 8 clusters hold less than a tenth of their share: 3" in found["Q502"].summary
    assert "(K−1)/2B = 0.055" in found["Q502"].why
    assert found["Q502"].consequence_of == "Q501"


def test_sizes_are_not_judged_in_the_first_epoch_nor_across_a_refit(tmp_path: Path) -> None:
    run = Run(tmp_path).epochs(1, (64, 0, 0, 0, 0, 0, 0, 0))
    assert "first epoch" in run.reasons()["Q502"]
    run.epochs(1, (64, 0, 0, 0, 0, 0, 0, 0)).refit(0.1, 0.9)
    assert "fitted anew after step 20" in run.reasons()["Q502"]


def test_a_correlation_lost_at_a_refit_that_renumbered_is_proven(tmp_path: Path) -> None:
    run = rising(Run(tmp_path), 0.7, 0.76, 0.8).refit(0.1, 0.93).validate(0.012, after="refit")
    finding = run.found()["Q503"]
    assert (finding.severity, finding.confidence, finding.primary) == ("error", "proven", True)
    assert finding.summary == "srcc 0.800 → 0.012 at a refit"
    assert "a permutation" in finding.why and "after epoch 3" in finding.where
    assert finding.ruled_out == ("evaluation noise (validations usually differ by 0.050)",)


def test_a_correlation_that_is_not_defined_after_a_refit_is_lost_too(tmp_path: Path) -> None:
    run = rising(Run(tmp_path), 0.7, 0.76, 0.8).refit(0.4, 0.5).validate(None, after="refit")
    finding = run.found()["Q503"]
    assert finding.confidence == "likely" and "undefined" in finding.summary


def test_refits_that_cost_nothing_or_less_than_the_noise_are_left_alone(tmp_path: Path) -> None:
    run = rising(Run(tmp_path / "calm"), 0.7, 0.76, 0.8).refit(0.1, 0.93).validate(0.79, after="refit")
    assert run.found() == {}
    noisy = rising(Run(tmp_path / "noisy"), 0.8, 0.5, 0.8, 0.5, 0.8).refit(0.1, 0.9).validate(0.3, after="refit")
    assert "Q503" not in noisy.found()
    chance = rising(Run(tmp_path / "chance"), 0.05).refit(0.1, 0.9).validate(0.02, after="refit")
    assert "Q503" not in chance.found()


def test_a_refit_after_the_first_validation_has_no_noise_to_be_measured_by_and_is_still_judged(tmp_path: Path) -> None:
    finding = rising(Run(tmp_path), 0.8).refit(0.1, 0.9).validate(0.02, after="refit").found()["Q503"]
    assert finding.confidence == "proven" and finding.ruled_out == ()


def test_a_refit_that_a_resume_took_back_is_forgotten(tmp_path: Path) -> None:
    run = rising(Run(tmp_path), 0.7, 0.76, 0.8).refit(0.1, 0.93).validate(0.012, after="refit")
    evidence = RunEvidence(run.paths)
    assert "Q503" in by_code(diagnose(evidence.read()))
    run.events.append(EventKind.RESUME, 30, from_step=20, from_epoch=2)
    assert "Q503" not in by_code(diagnose(evidence.read()))


def test_equal_predictions_are_found_by_the_correlation_that_is_not_defined(tmp_path: Path) -> None:
    run = Run(tmp_path).epochs(2).validate(None, rmse=0.2901)
    assert "second validation" in run.reasons()["E1007"]
    finding = run.epochs(1).validate(None, rmse=0.2905).found()["E1007"]
    assert finding.confidence == "proven"
    assert "error 0.2905, one constant reaches 0.2900" in finding.where


def test_predictions_that_are_not_finite_are_not_called_equal(tmp_path: Path) -> None:
    run = Run(tmp_path).epochs(2).validate(None, rmse=None).validate(None, rmse=None)
    assert set(run.found()) == {"E1014"}, "but the metric that chooses the best checkpoint is none"
    assert "not finite" in run.reasons()["E1007"]


def test_a_main_term_at_the_variance_of_the_targets_has_learned_nothing(tmp_path: Path) -> None:
    run = Run(tmp_path, constant={"quality": 0.0841})
    for quality in (0.0838, 0.0836, 0.0839):
        run.epochs(7).validate(0.15, quality=quality)
    finding = run.found()["E1017"]
    assert (finding.severity, finding.confidence) == ("warning", "proven")
    assert "0.0839, one constant answer has 0.0841" in finding.summary
    run.epochs(7).validate(0.4, quality=0.06)
    assert run.found() == {}


def test_a_main_term_is_not_held_against_the_constant_answer_too_early_or_where_it_is_unknown(tmp_path: Path) -> None:
    early = Run(tmp_path / "early", constant={"quality": 0.0841})
    for quality in (0.0838, 0.0836, 0.0839):
        early.epochs(2).validate(0.15, quality=quality)
    assert early.found() == {} and "200 steps" in early.reasons()["E1017"]
    unknown = rising(Run(tmp_path / "unknown"), 0.6, 0.7, 0.75)
    assert "does not say what the best constant answer is worth" in unknown.reasons()["E1017"]
