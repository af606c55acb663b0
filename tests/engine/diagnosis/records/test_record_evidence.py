"""Diagnosing a run from what it recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.finding import Finding
from trainctl.engine.diagnosis.records.evidence import NEEDS_DATA, read_evidence
from trainctl.engine.diagnosis.records.overlap import NOT_RECORDED
from trainctl.engine.errors import UserError
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.meta import collect_meta, write_meta
from trainctl.engine.runs.record import RecordLayout
from trainctl.engine.runs.store import StepWriter

LAYOUT = RecordLayout(terms=("ce",), groups=("encoder", "head"), classes=("a", "b", "c", "d"))


def records(count: int = 100, layout: RecordLayout = LAYOUT) -> np.ndarray[Any, Any]:
    """A healthy run of batches of 16."""
    rng = np.random.default_rng(0)
    out = np.zeros(count, layout.dtype)
    out["step"], out["epoch"] = np.arange(1, count + 1), np.arange(count) // 25 + 1
    out["lr"], out["batch_size"], out["amp_scale"] = 1e-3, 16, np.nan
    out["update_ratio"] = np.where(np.arange(count) < 50, 0.01, np.nan)
    out["loss"] = out["term.ce"] = np.linspace(1.4, 0.4, count)
    out["grad_norm"] = rng.uniform(0.9, 1.1, count)
    for name in layout.groups:
        out[f"grad_norm.{name}"] = 0.7
    out["classes"] = rng.multinomial(16, [0.25] * 4, count)
    return out


def write(
    folder: Path,
    rows: np.ndarray[Any, Any],
    layout: RecordLayout = LAYOUT,
    class_counts: list[int] | None = None,
) -> RunPaths:
    folder.mkdir(exist_ok=True)
    paths = RunPaths(folder)
    writer = StepWriter(paths, layout)
    writer.append(rows)
    writer.close()
    counts = {"train": class_counts, "val": [10, 10, 10, 10]} if class_counts else {}
    write_meta(paths, collect_meta([], 1, {"classes": list(layout.classes), "class_counts": counts}, cwd=folder))
    return paths


def found(paths: RunPaths) -> dict[str, Finding]:
    return {finding.code: finding for finding in diagnose(read_evidence(paths)).findings}


def test_a_healthy_run_has_no_finding_and_says_what_needs_the_data(tmp_path: Path) -> None:
    report = diagnose(read_evidence(write(tmp_path, records(), class_counts=[100] * 4)))
    assert report.findings == ()
    assert {"D101", "D102", "D103", "G701", "N901"} <= set(report.checked)
    reasons = {entry.code: entry.why for entry in report.not_checked}
    assert reasons["D107"] == NEEDS_DATA
    assert reasons["D104"] == reasons["D105"] == NOT_RECORDED


def test_recorded_single_class_batches_of_a_mixed_split_are_the_samplers_fault(tmp_path: Path) -> None:
    rows = records()
    rows["classes"] = np.eye(4, dtype=np.uint32)[np.arange(100) // 25] * 16
    findings = found(write(tmp_path, rows, class_counts=[400] * 4))
    assert findings["D101"].primary
    assert findings["D101"].figures["single_class_batches"] == 100


def test_a_run_on_one_class_is_the_datas_fault(tmp_path: Path) -> None:
    rows = records()
    rows["classes"] = np.array([16, 0, 0, 0], np.uint32)
    findings = found(write(tmp_path, rows, class_counts=[576, 0, 0, 0]))
    assert findings["D103"].primary
    assert findings["D101"].consequence_of == "D103"


def test_records_alone_cannot_tell_a_one_class_split_from_a_stuck_sampler_and_say_so(tmp_path: Path) -> None:
    rows = records()
    rows["classes"] = np.array([16, 0, 0, 0], np.uint32)
    finding = found(write(tmp_path, rows))["D101"]
    assert finding.confidence == "likely"
    assert "either its training split holds one class, or the sampler draws only one" in finding.fix.text


def test_the_first_step_that_is_not_finite_is_named_with_what_came_before(tmp_path: Path) -> None:
    rows = records()
    rows["loss"][60:] = rows["term.ce"][60:] = np.nan
    finding = found(write(tmp_path, rows))["N901"]
    assert finding.figures["step"] == 61
    assert "epoch 3" in finding.where
    assert "ordinary" in finding.why
    assert finding.fix.set is None


def test_a_gradient_that_explodes_before_the_nan_points_to_the_learning_rate(tmp_path: Path) -> None:
    rows = records()
    rows["grad_norm"][58:60] = 40.0, 900.0
    rows["grad_norm"][60:], rows["nonfinite"][60:] = np.nan, 2
    rows["grad_norm.head"][60:] = np.nan
    finding = found(write(tmp_path, rows))["N901"]
    assert "gradient of head not finite at step 61" in finding.summary
    assert "the gradient had exploded" in finding.why
    assert finding.fix.set == {"optimizer.lr": pytest.approx(1e-4)}


@pytest.mark.parametrize("ratio", [30.0, np.inf])
def test_an_update_larger_than_the_weights_points_to_the_learning_rate(tmp_path: Path, ratio: float) -> None:
    rows = records()
    rows["update_ratio"][0] = ratio
    rows["loss"][1:] = rows["term.ce"][1:] = np.nan
    finding = found(write(tmp_path, rows))["N901"]
    assert "destroyed them" in finding.why
    assert finding.fix.set == {"optimizer.lr": pytest.approx(1e-4)}


def test_after_a_few_steps_nothing_is_claimed_about_how_it_came_about(tmp_path: Path) -> None:
    rows = records()
    rows["loss"][3:] = rows["term.ce"][3:] = np.nan
    assert "too few to tell" in found(write(tmp_path, rows))["N901"].why


def test_a_run_that_was_never_finite_does_not_blame_the_learning_rate(tmp_path: Path) -> None:
    rows = records()
    rows["loss"] = rows["term.ce"] = np.nan
    assert "from the first step" in found(write(tmp_path, rows))["N901"].why


def test_what_a_gradient_scaler_skips_by_design_is_no_finding(tmp_path: Path) -> None:
    rows = records()
    rows["amp_scale"] = 65536.0
    rows["nonfinite"][:4] = 3
    evidence = read_evidence(write(tmp_path, rows))
    assert "N901" not in {finding.code for finding in diagnose(evidence).findings}
    assert evidence.records is not None
    assert evidence.records.first_nonfinite is None


def test_a_run_without_any_gradient_learned_nothing(tmp_path: Path) -> None:
    rows = records()
    rows["grad_norm"] = 0.0
    assert found(write(tmp_path, rows))["G701"].figures["trainable"] == 2


def test_a_run_without_module_groups_learns_where_its_norm_is_not_zero(tmp_path: Path) -> None:
    layout = RecordLayout(terms=("ce",), classes=LAYOUT.classes)
    learns = found(write(tmp_path / "learns", records(layout=layout), layout))
    rows = records(layout=layout)
    rows["grad_norm"] = 0.0
    assert "G701" not in learns and "G701" in found(write(tmp_path / "frozen", rows, layout))


def test_a_folder_without_records_cannot_be_diagnosed(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no step records"):
        read_evidence(RunPaths(tmp_path))
