"""Gradients that are never cleared, constants that undo an optimiser, a warmup and a training that end too early."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from course_runs import records, write

from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.facts.data import SamplerFacts
from trainctl.engine.diagnosis.facts.ending import EndFacts, end_facts
from trainctl.engine.diagnosis.facts.norms import NormFacts, recorded_norms
from trainctl.engine.diagnosis.facts.plan import PlanFacts
from trainctl.engine.diagnosis.facts.run import RecordFacts
from trainctl.engine.diagnosis.facts.settings import Settings
from trainctl.engine.diagnosis.finding import Hit
from trainctl.engine.diagnosis.records.evidence import read_evidence
from trainctl.engine.diagnosis.rules.plan.optimiser import odd_constants
from trainctl.engine.diagnosis.rules.run.accumulating import never_cleared
from trainctl.engine.diagnosis.rules.run.ended import endless_warmup, still_learning
from trainctl.engine.runs.events import EventKind, EventWriter
from trainctl.engine.runs.layout import RunPaths

Rows = np.ndarray[Any, Any]
OVER = RecordFacts(400, "finished", None, (), (), max_grad_norm=1.0, first_loss=2.0, last_loss=1.0)
PLAN = PlanFacts(epochs=5, max_steps=None, batch_size=16, accumulation=1, drop_last=False, optimizer="adamw", lr=1e-3)


def gradients(kind: str, steps: int = 300) -> Rows:
    """Norms of a vector that is a direction and noise: of each batch alone, or of the sum over all so far."""
    rng = np.random.default_rng(0)
    batches = rng.normal(0.3, 1.0, (steps, 50))
    rows = records(steps, lambda step: 2 - step / steps)
    rows["grad_norm"] = np.linalg.norm(np.cumsum(batches, 0) if kind == "summed" else batches, axis=1)
    if kind == "growing":
        rows["grad_norm"] *= np.linspace(1, 40, steps)
    if kind == "full batch":
        rows["grad_norm"] = np.linspace(3, 1, steps)
    return rows


@pytest.mark.parametrize("kind", ["own", "growing", "full batch"])
def test_gradients_of_batches_are_rough_whatever_they_do(kind: str) -> None:
    rows = gradients(kind)
    norms = recorded_norms(rows, rows)
    assert norms is not None and never_cleared(norms) is None


def test_a_sum_over_all_batches_grows_smoothly() -> None:
    rows = gradients("summed")
    norms = recorded_norms(rows, rows)
    assert norms is not None
    hit = never_cleared(norms)
    assert isinstance(hit, Hit) and float(hit.figures["roughness"]) < 0.01


def test_few_steps_and_norms_of_nothing_say_nothing() -> None:
    rows = gradients("summed")
    assert recorded_norms(rows[:20], rows[:20]) is None
    rows["grad_norm"][-3] = 0
    assert recorded_norms(rows, rows) is None
    assert never_cleared(NormFacts(1.0, 8.0, 0.0, 10)) is None


def told(
    eps: float = 1e-8, betas: tuple[float, ...] = (0.9, 0.999), optimizer: str = "adamw", **more: Any
) -> PlanFacts:
    values = {"optimizer.eps": eps, "optimizer.betas": list(betas), **more}
    return replace(PLAN, optimizer=optimizer, settings=Settings(values))


def batches(count: int) -> SamplerFacts:
    return SamplerFacts("sampler", (16,), None, count, 16, None)


def test_constants_that_undo_an_optimiser() -> None:
    assert odd_constants(told(), batches(100)) is None
    hit = odd_constants(told(eps=1.0), batches(100))
    assert isinstance(hit, Hit) and hit.fix.set == {"optimizer.eps": 1e-8}
    assert odd_constants(told(eps=1.0, optimizer="sgd"), batches(100)) is None, "plain steps divide by nothing"
    hit = odd_constants(told(betas=(0.999, 0.999)), batches(100))
    assert isinstance(hit, Hit) and hit.fix.set == {"optimizer.betas": [0.9, 0.999]}
    assert odd_constants(told(betas=(0.999, 0.999)), batches(1000)) is None, "5,000 steps are long enough"
    momentum: dict[str, Any] = {"optimizer.momentum": 0.99}
    sgd = told(optimizer="sgd", **momentum)
    assert odd_constants(sgd, batches(40)) is not None and odd_constants(sgd, batches(100)) is None


def ended(
    curve: np.ndarray[Any, np.dtype[np.float64]], rates: np.ndarray[Any, np.dtype[np.float64]] | None = None
) -> EndFacts:
    found = end_facts(curve, np.full(len(curve), 1e-3) if rates is None else rates)
    assert found is not None
    return found


STEPS = np.arange(400.0)
FALLING, SETTLED = 2 - STEPS / 400, 0.1 + 2 * np.exp(-STEPS / 60)


def test_a_training_that_ends_while_it_learns() -> None:
    assert isinstance(still_learning(ended(FALLING), OVER, PLAN), Hit)
    assert still_learning(ended(SETTLED), OVER) is None
    assert still_learning(ended(FALLING, np.linspace(1e-3, 1e-5, 400)), OVER) is None, "its rate said that it was over"
    for state in ("stopped", "failed"):
        assert still_learning(ended(FALLING), replace(OVER, state=state)) is None
    assert end_facts(FALLING[:10], FALLING[:10]) is None and end_facts(-FALLING, FALLING) is None


def test_a_fall_that_has_only_begun_is_a_warning_unless_it_was_cut_on_purpose() -> None:
    begun = ended(2 - (STEPS / 400) ** 2)
    for plan, severity in ((PLAN, "warning"), (None, "warning"), (replace(PLAN, max_steps=400), "info")):
        hit = still_learning(begun, OVER, plan)
        assert isinstance(hit, Hit) and hit.severity == severity
    flattening = still_learning(ended(2 - STEPS / 400 + 0.3 * (1 - STEPS / 400) ** 2), OVER, PLAN)
    assert isinstance(flattening, Hit) and flattening.severity == "info"


def test_a_warmup_that_never_ends() -> None:
    rising = np.linspace(1e-6, 1e-3, 400)
    assert isinstance(endless_warmup(ended(FALLING, rising), OVER), Hit)
    one_cycle = np.concatenate([np.linspace(1e-5, 1e-3, 120), np.linspace(1e-3, 1e-6, 280)])
    restarted = 1e-3 * (1 - STEPS % 80 / 80)
    for rates in (one_cycle, restarted, np.full(400, 1e-3), np.linspace(5e-4, 1e-3, 400)):
        assert endless_warmup(ended(FALLING, rates), OVER) is None


def test_a_run_is_judged_by_its_records(tmp_path: Path) -> None:
    rows = gradients("summed")
    rows["lr"] = np.linspace(1e-6, 1e-3, len(rows))[:, None]
    paths = write(tmp_path / "run", rows)
    finish(paths)
    codes = {finding.code for finding in diagnose(read_evidence(paths)).findings}
    assert {"O608", "O612"} <= codes


def codes_of(folder: Path, rows: Rows) -> set[str]:
    return {finding.code for finding in diagnose(read_evidence(write(folder, rows))).findings}


def test_first_updates_that_throw_the_loss(tmp_path: Path) -> None:
    thrown = records(400, lambda step: np.where(step < 8, 2 + 3 * (step > 0), 0.4 + np.exp(-step / 50)))
    thrown["update_ratio"] = np.where(np.arange(400) < 6, 0.8, 5e-3)
    assert "O601" in codes_of(tmp_path / "thrown", thrown)
    calm = thrown.copy()
    calm["update_ratio"] = np.where(np.arange(400) < 6, 0.09, 5e-3)
    assert "O601" not in codes_of(tmp_path / "calm", calm), "a loss that jumps has other causes"
    grown = records(400, lambda step: 0.4 + 2 * np.exp(-step / 50))
    grown["update_ratio"] = np.where(np.arange(400) < 6, 0.8, 5e-3)
    assert "O601" not in codes_of(tmp_path / "grown", grown), "weights that begin at nothing grow by more than they are"


def test_updates_that_come_nowhere(tmp_path: Path) -> None:
    creeping = records(400, lambda step: 2.3 - 0.02 * step / 400, noise=1e-3)
    creeping["update_ratio"] = 4e-5
    assert "O602" in codes_of(tmp_path / "creeping", creeping)
    tuned = records(400, lambda step: 0.5 - 0.1 * step / 400, noise=1e-3)
    tuned["update_ratio"] = 4e-5
    assert "O602" not in codes_of(tmp_path / "tuned", tuned), "small updates that lower the loss are no fault"
    flat = records(400, lambda step: 0.1 + 0 * step, noise=1e-2)
    flat["update_ratio"] = 1e-3
    assert "O602" not in codes_of(tmp_path / "flat", flat)


def finish(paths: RunPaths) -> None:
    from trainctl.engine.runs.states import RunState
    from trainctl.engine.runs.summary import Summary, write_summary

    EventWriter(paths).append(EventKind.END, 300, state="finished", exit_reason="all epochs done")
    write_summary(paths, Summary(RunState.FINISHED, 300, 1, 1.0, 1.0))
