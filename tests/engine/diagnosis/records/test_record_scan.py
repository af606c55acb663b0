"""One pass over the records says the same as all of them at once, whatever was read when."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainctl.engine.diagnosis.facts.run import RecordFacts
from trainctl.engine.diagnosis.records import scan as scan_module
from trainctl.engine.diagnosis.records.evidence import RunEvidence, read_evidence
from trainctl.engine.diagnosis.records.scan import WINDOW, RecordScan, bad_steps, nonfinite_step
from trainctl.engine.runs.events import EventKind, EventWriter
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.overview import OverviewWriter
from trainctl.engine.runs.record import RecordLayout
from trainctl.engine.runs.store import StepWriter

LAYOUT = RecordLayout(terms=("ce",), groups=("encoder", "head"), classes=("a", "b"))


def rows(count: int, first: int = 1, seed: int = 0) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(seed)
    out = np.zeros(count, LAYOUT.dtype)
    out["step"] = np.arange(first, first + count)
    out["epoch"], out["time"] = (out["step"] - 1) // 100 + 1, out["step"] + seed
    out["lr"], out["batch_size"], out["amp_scale"] = 1e-3, 16, np.nan
    out["update_ratio"] = rng.uniform(0, 0.1, count)
    out["loss"] = out["term.ce"] = rng.uniform(0.1, 1, count)
    out["grad_norm"] = rng.uniform(1, 9, count)
    out["classes"] = rng.multinomial(16, [0.5, 0.5], count)
    return out


def slowly(records: np.ndarray[Any, Any]) -> RecordFacts:
    """The facts, from all records at once."""
    is_bad = bad_steps(records)
    norms = records["grad_norm"][np.isfinite(records["grad_norm"])]
    first = None
    if is_bad.any():
        k = int(is_bad.argmax())
        one = nonfinite_step(records[k], records[max(k - WINDOW, 0) : k], LAYOUT)
        first = replace(one, num_steps=int(is_bad.sum()))
    return RecordFacts(
        num_steps=len(records),
        state="running",
        first_nonfinite=first,
        groups=LAYOUT.groups,
        frozen=(),
        max_grad_norm=float(norms.max()) if len(norms) else float("nan"),
        first_loss=float(records["loss"][0]),
        last_loss=float(records["loss"][-1]),
        last_step=int(records["step"][-1]),
        recent_loss=recent_loss(records[-50:]["loss"][-5:]),
    )


def recent_loss(losses: np.ndarray[Any, Any]) -> float:
    finite = losses[np.isfinite(losses)]
    return float(np.median(finite)) if len(finite) else float("nan")


def written(folder: Path, records: np.ndarray[Any, Any]) -> RunPaths:
    folder.mkdir(parents=True, exist_ok=True)
    writer = StepWriter(RunPaths(folder), LAYOUT)
    writer.append(records)
    writer.close()
    return RunPaths(folder)


def without_overview(paths: RunPaths) -> None:
    for path in (paths.overview, paths.overview_layout):
        path.unlink(missing_ok=True)


def with_overview(paths: RunPaths, count: int) -> int:
    """Blocks in the overview."""
    writer = OverviewWriter(paths, LAYOUT, LAYOUT.dtype)
    writer.finish(count)
    writer.close()
    return writer.num_blocks


@given(
    bad=st.lists(st.tuples(st.integers(0, 2999), st.sampled_from(["loss", "gradient", "skip"])), max_size=6),
    has_overview=st.booleans(),
)
def test_a_scan_in_pieces_equals_a_look_at_everything(
    tmp_path_factory: pytest.TempPathFactory, bad: list[tuple[int, str]], has_overview: bool
) -> None:
    records = rows(3000)
    for step, what in bad:
        if what == "loss":
            records["loss"][step] = np.nan
        else:
            records["nonfinite"][step], records["grad_norm"][step] = 2, np.inf
            records["amp_scale"][step] = 1024.0 if what == "skip" else np.nan
    paths = written(tmp_path_factory.mktemp("run"), records)
    without_overview(paths)
    if has_overview:
        assert with_overview(paths, 3000) == 11
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan_module, "CHUNK_BYTES", 300 * LAYOUT.dtype.itemsize)
        scan = RecordScan(paths)
        scan.advance()
    assert repr(scan.facts("running")) == repr(slowly(records))  # repr: NaN equals NaN


def test_what_is_written_later_is_added(tmp_path: Path) -> None:
    paths = written(tmp_path, rows(120))
    scan = RecordScan(paths)
    scan.advance()
    later = rows(200, first=121, seed=1)
    later["loss"][7] = np.inf
    writer = StepWriter(paths, LAYOUT, keep=120)
    writer.append(later)
    scan.advance()
    assert scan.facts("running") == slowly(np.concatenate([rows(120), later]))
    found = scan.facts("running").first_nonfinite
    assert found is not None and found.step == 128 and found.num_before == WINDOW


def test_records_a_resume_takes_back_are_forgotten(tmp_path: Path) -> None:
    before = rows(150)
    before["loss"][140] = np.nan
    paths = written(tmp_path, before)
    scan = RecordScan(paths)
    scan.advance()
    assert scan.facts("running").first_nonfinite is not None
    writer = StepWriter(paths, LAYOUT, keep=100)
    writer.append(rows(80, first=101, seed=3))
    scan.advance()
    assert scan.facts("running") == slowly(np.concatenate([rows(150)[:100], rows(80, first=101, seed=3)]))


def test_a_scan_that_is_told_to_stop_stops_and_goes_on_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan_module, "CHUNK_BYTES", 50 * LAYOUT.dtype.itemsize)
    paths = written(tmp_path, rows(200))
    without_overview(paths)
    scan, allowed = RecordScan(paths), iter([True, True, False])
    scan.advance(lambda: next(allowed))
    assert scan.facts("running").num_steps == 100
    scan.advance()
    assert scan.facts("running") == slowly(rows(200))


def test_only_the_newest_batches_are_judged_but_every_loss(tmp_path: Path) -> None:
    records = rows(500)
    records["loss"][3] = np.nan
    evidence = read_evidence(written(tmp_path, records), most=64)
    assert evidence.sampler is not None and evidence.sampler.counts is not None and evidence.records is not None
    assert np.array_equal(evidence.sampler.counts, records["classes"][-64:])
    assert evidence.records.num_steps == 500
    assert evidence.records.first_nonfinite is not None and evidence.records.first_nonfinite.step == 4


def test_events_are_heard_once_whether_the_evidence_was_read_or_not(tmp_path: Path) -> None:
    paths = written(tmp_path, rows(10))
    events, evidence = EventWriter(paths), RunEvidence(paths)
    events.append(EventKind.PLAN, 0, steps_per_epoch=5)
    evidence.read()
    assert [event.kind for event in evidence.listen()] == [EventKind.PLAN]
    events.append(EventKind.EPOCH, 10, epoch=1)
    assert [event.kind for event in evidence.listen()] == [EventKind.EPOCH]
    assert evidence.listen() == []


def test_the_plan_is_read_without_the_users_task(tmp_path: Path) -> None:
    from trainctl.engine.diagnosis.facts.plan import plan_facts
    from trainctl.engine.tasks.configured import resolve

    resolved = resolve("eyes/balanced", overrides=["train.epochs=7", "loss.pos_weight=3", "loss.name=bce"])
    paths = written(tmp_path, rows(10))
    paths.config.write_text(resolved.to_yaml().replace("task: eyes", "task: /no/such/file.py:Task"))
    plan = read_evidence(paths).plan
    assert plan == plan_facts(resolved.config)
    assert plan is not None and plan.epochs == 7 and plan.balancing == ("pos_weight",)


def test_a_configuration_that_makes_no_sense_leaves_the_plan_unknown(tmp_path: Path) -> None:
    paths = written(tmp_path, rows(10))
    paths.config.write_text("train: 3\n")
    evidence = read_evidence(paths)
    assert evidence.plan is None and "cannot be read" in evidence.why_missing("plan")
