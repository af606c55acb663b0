"""Watched loops: planted faults that their records and first steps show, each beside a healthy look-alike."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from course_runs import PER_EPOCH, records, validate, write

from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.facts.foreign import ForeignFacts, PartsFacts
from trainctl.engine.diagnosis.finding import Finding, Hit, Severity
from trainctl.engine.diagnosis.records.evidence import read_evidence
from trainctl.engine.diagnosis.records.foreign import foreign_facts
from trainctl.engine.diagnosis.rules.run.accumulating import never_cleared
from trainctl.engine.diagnosis.rules.run.gradient_flow import over_frozen
from trainctl.engine.diagnosis.rules.run.untrained import left_out
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.meta import write_meta
from trainctl.engine.runs.states import SCHEMA, RunState
from trainctl.engine.runs.summary import Summary, write_summary

Rows = np.ndarray[Any, Any]
CHANCE = 2.3
ANSWERS = {"count": 500, "classes": 10, "entropy": CHANCE, "loss": CHANCE, "largest": 0.12}
SHUFFLED = {"order": "shuffled", "sampler": "RandomSampler"}
IN_ORDER = {"order": "sequential", "sampler": "SequentialSampler"}
PARTS = PartsFacts(1000, 0, 0, 0, 0, False, False, (), (), None, None)


def told(paths: RunPaths, loader: dict[str, Any] | None = None, **early: Any) -> RunPaths:
    """The run of a watched loop, over."""
    watched = {"loader": loader or SHUFFLED, "early": {"answers": ANSWERS, "uncleared": [[0, 6]], **early}}
    write_meta(paths, {"schema": SCHEMA, "watched": watched})
    write_summary(paths, Summary(RunState.FINISHED, 400, 20, 1.0, 1.0))
    return paths


def found(paths: RunPaths) -> dict[str, Finding]:
    return {finding.code: finding for finding in diagnose(read_evidence(paths)).findings}


def run(folder: Path, rows: Rows, losses: list[float] | None = None) -> RunPaths:
    paths = write(folder, rows)
    if losses is not None:
        validate(paths, losses, [0.5] * len(losses))
    return paths


def course(first: float, last: float) -> Rows:
    return records(400, lambda step: first + (last - first) * step / 400)


EPOCHS = 400 // PER_EPOCH


@pytest.mark.parametrize(
    ("first", "last", "validated"),
    [(2.31, 2.3, [2.31] * EPOCHS), (2.31, 2.3, None), (2.31, 0.9, [2.4] * EPOCHS), (2.31, 2.2, [2.4] * EPOCHS)],
    ids=["nothing is learned", "nothing, and no validation", "by heart", "slowly by heart"],
)
def test_answers_that_do_not_belong_to_their_inputs(
    tmp_path: Path, first: float, last: float, validated: list[float] | None
) -> None:
    codes = found(told(run(tmp_path / "run", course(first, last), validated)))
    assert next(iter(codes)) == "L201" and codes["L201"].severity is Severity.WARNING


@pytest.mark.parametrize(
    ("first", "last", "validated"),
    [
        (2.31, 0.9, list(np.linspace(2.3, 1.4, EPOCHS))),
        (2.31, 0.9, None),
        (2.31, 2.2, list(np.linspace(2.3, 2.2, EPOCHS))),
        (2.31, 2.2, [2.31] * 4),
    ],
    ids=["learns", "learns, unseen", "learns little", "few validations"],
)
def test_answers_of_which_something_is_learned(
    tmp_path: Path, first: float, last: float, validated: list[float] | None
) -> None:
    assert "L201" not in found(told(run(tmp_path / "run", course(first, last), validated)))


def test_what_is_learned_by_heart_falls_between_the_epochs_and_not_within(tmp_path: Path) -> None:
    by_heart = records(400, lambda step: 2.31 - 0.02 * (step // PER_EPOCH), noise=0.01)
    codes = found(told(run(tmp_path / "stairs", by_heart)))
    assert next(iter(codes)) == "L201" and "by heart" in codes["L201"].why
    slow = records(400, lambda step: 2.31 - 0.02 * step / PER_EPOCH, noise=0.01)
    assert "L201" not in found(told(run(tmp_path / "slow", slow)))
    late = records(400, lambda step: np.where(step < PER_EPOCH, 2.31 - 0.05 * step, 1.3 - 0.02 * (step // PER_EPOCH)))
    assert "L201" not in found(told(run(tmp_path / "late", late))), "it had learned something before"


def test_a_loop_that_goes_on_may_still_begin_to_learn(tmp_path: Path) -> None:
    paths = told(run(tmp_path / "run", course(2.31, 2.3)))
    paths.summary.unlink()
    assert "L201" not in found(paths)


def beginning(ratio: float, level: float) -> Rows:
    rows = records(1200, lambda step: np.where(step < 1, CHANCE, level))
    rows["update_ratio"] = np.where(np.arange(1200) < 8, ratio, 1e-3)
    return rows


def test_first_updates_are_seen_in_a_run_of_any_length(tmp_path: Path) -> None:
    rows = beginning(2.0, CHANCE)
    rows["loss"][1] = rows["term.ce"][1] = 40 * CHANCE
    codes = found(told(run(tmp_path / "thrown", rows)))
    assert next(iter(codes)) == "O601" and codes["L201"].consequence_of == "O601"
    rows["update_ratio"][:8] = 0.05
    assert "O601" not in found(told(run(tmp_path / "calm", rows)))


def test_answers_that_are_worse_than_their_frequencies(tmp_path: Path) -> None:
    assert next(iter(found(told(run(tmp_path / "worse", beginning(0.2, 1.2 * CHANCE)))))) == "O601"
    assert "O601" not in found(told(run(tmp_path / "calm", beginning(0.02, 1.2 * CHANCE))))
    assert "O601" not in found(told(run(tmp_path / "learns", beginning(0.2, 0.6 * CHANCE))))


def in_epochs(shape: Rows) -> Rows:
    """A loss that has a shape in each epoch."""
    return records(400, lambda step: 1.0 + 0.3 * shape[step % PER_EPOCH], noise=0.02)


def test_a_loader_that_goes_through_sorted_samples(tmp_path: Path) -> None:
    smooth = np.abs(np.linspace(-1, 1, PER_EPOCH))
    codes = found(told(run(tmp_path / "sorted", in_epochs(smooth)), IN_ORDER))
    assert codes["D102"].severity is Severity.WARNING and "SequentialSampler" in codes["D102"].summary
    assert "D102" not in found(told(run(tmp_path / "shuffled", in_epochs(smooth)), SHUFFLED))
    rough = np.random.default_rng(3).permutation(smooth)
    assert "D102" not in found(told(run(tmp_path / "rough", in_epochs(rough)), IN_ORDER)), "in no order"


def test_gradients_that_the_next_step_begins_with() -> None:
    hit = never_cleared(foreign=ForeignFacts(uncleared=(6, 6)))
    assert isinstance(hit, Hit) and "6 of the 6" in hit.where
    for seen in ((0, 6), (5, 6)):
        assert never_cleared(foreign=ForeignFacts(uncleared=seen)) is None


def frozen(**more: Any) -> Any:
    parts = replace(PARTS, trained=20, frozen=980, frozen_alone=980, frozen_names=("body",), frozen_drawn=1.0)
    return over_frozen(foreign=ForeignFacts(parts=replace(parts, **more)))


def test_a_body_that_is_frozen_as_it_was_drawn() -> None:
    hit = frozen()
    assert isinstance(hit, Hit) and hit.severity is Severity.WARNING and "body" in hit.where
    unknown = frozen(frozen_drawn=None)
    assert isinstance(unknown, Hit) and unknown.severity is Severity.INFO
    for healthy in ({"frozen_drawn": 0.3}, {"frozen_alone": 0}, {"adapters": True}, {"trained": 3000}):
        assert frozen(**healthy) is None, healthy


def test_parameters_that_no_optimiser_has() -> None:
    parts = replace(PARTS, left=300, left_reached=300, left_names=("head",), left_drawn=1.0)
    hit = left_out(ForeignFacts(parts=parts))
    assert isinstance(hit, Hit) and hit.severity is Severity.WARNING and "head" in hit.where
    for question in ({"left_drawn": None}, {"left_reached": 0}):
        hit = left_out(ForeignFacts(parts=replace(parts, **question)))
        assert isinstance(hit, Hit) and hit.severity is Severity.INFO
    assert left_out(ForeignFacts(parts=replace(parts, left_drawn=0.1))) is None, "a body that was trained before"
    assert left_out(ForeignFacts(parts=PARTS)) is None


@pytest.mark.parametrize("early", [None, 3, {"answers": 1, "parts": [], "uncleared": "no"}, {"uncleared": [[1], 2]}])
def test_a_file_may_hold_anything(early: Any) -> None:
    facts = foreign_facts({"watched": {"loader": {"order": 1}, "early": early}}, records(3, lambda step: 1 + 0 * step))
    assert facts == ForeignFacts()
