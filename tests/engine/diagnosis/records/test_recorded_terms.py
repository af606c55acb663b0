"""What records say of loss terms: their ends, their noise, what they follow; of files that may come from anywhere."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from trainctl.engine.diagnosis.facts.terms import TermCourse, TermsFacts
from trainctl.engine.diagnosis.records.gates import recorded_gates
from trainctl.engine.diagnosis.records.terms import LAST_UNITS, MOST_END, UNITS, recorded_terms
from trainctl.engine.diagnosis.records.validations import ValidationHistory
from trainctl.engine.runs.record import RecordLayout

LAYOUT = RecordLayout(
    ("nll", "encoder"),
    scalars=(UNITS, LAST_UNITS, "gate.closed.door", "gate.open.door"),
    kinds={"encoder": "reconstruction"},
)


def dialogues(steps: int, seed: int, batch: int = 32) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Lengths, and mean errors of single utterances of each dialogue of each batch, both (steps, batch)."""
    rng = np.random.default_rng(seed)
    return rng.integers(8, 111, (steps, batch)), rng.uniform(0.8, 1.2, (steps, batch))


def run(seed: int, over: str, steps: int = 80) -> np.ndarray[Any, Any]:
    """A run whose term `encoder` falls from 4 to 3, taken over what `over` says."""
    lengths, errors = dialogues(steps, seed)
    out = np.zeros(steps, LAYOUT.dtype)
    out["step"], out["epoch"], out["batch_size"] = np.arange(1, steps + 1), np.arange(steps) // 4 + 1, 32
    out["weight.nll"], out["weight.encoder"] = 1.0, 0.05
    out["term.nll"] = np.linspace(1.8, 0.3, steps) * np.random.default_rng(seed).uniform(0.95, 1.05, steps)
    falling, sums = np.linspace(4, 3, steps), lengths * errors
    taken = {"mean": sums.sum(1) / lengths.sum(1), "last": sums[:, -1], "sum": sums.sum(1)}
    out["term.encoder"] = falling * taken[over]
    out[f"scalar.{UNITS}"], out[f"scalar.{LAST_UNITS}"] = lengths.sum(1), lengths[:, -1]
    out["scalar.gate.closed.door"], out["scalar.gate.open.door"] = np.linspace(0.5, 0.1, steps), 0.04
    return out


def facts(rows: np.ndarray[Any, Any], layout: RecordLayout = LAYOUT, **values: Any) -> TermsFacts:
    usual: dict[str, Any] = {"num_steps": len(rows), "early": "", "useful": None}
    found = recorded_terms(rows[:MOST_END], rows, layout, ValidationHistory(), **{**usual, **values})
    assert found is not None
    return found


def encoder(rows: np.ndarray[Any, Any], layout: RecordLayout = LAYOUT) -> TermCourse:
    return facts(rows, layout).terms[1]


@pytest.mark.parametrize("seed", range(5))
def test_what_a_term_is_taken_over_shows_in_what_it_follows(seed: int) -> None:
    mean, last, total = (encoder(run(seed, over)) for over in ("mean", "last", "sum"))
    assert mean.noise < 0.05 and abs(mean.by_last) < 0.4 and abs(mean.by_all) < 0.4
    assert last.noise > 0.4 and last.by_last > 0.95 > last.by_all
    assert total.by_all > 0.9 > total.by_last


def test_ends_share_and_kind() -> None:
    term = encoder(run(1, "mean"))
    assert term.kind == "reconstruction"
    assert (term.first, term.last) == (pytest.approx(3.96, abs=0.05), pytest.approx(3.04, abs=0.05))
    assert term.fell == pytest.approx(0.23, abs=0.02)
    assert term.share == pytest.approx(0.05 * 3.95 / (0.05 * 3.95 + 1.74), abs=0.01)
    assert math.isnan(term.constant) and term.validated == ()


def test_noise_is_not_told_of_a_term_that_fell_far_or_of_few_steps() -> None:
    rows = run(1, "last")
    rows["term.encoder"] *= np.linspace(1, 0, len(rows)) ** 6
    assert encoder(rows).num_noise < len(rows) / 2
    assert math.isnan(encoder(run(1, "last", steps=20)).noise)


def test_values_that_are_no_numbers_and_sizes_of_0_are_left_out() -> None:
    rows = run(1, "last")
    rows["term.encoder"][::7], rows["term.encoder"][1::7] = np.nan, -np.inf
    assert encoder(rows).by_last > 0.9
    rows[f"scalar.{LAST_UNITS}"] = 0
    assert math.isnan(encoder(rows).by_last)
    rows["term.encoder"] = np.nan
    assert math.isnan(encoder(rows).first) and math.isnan(encoder(rows).noise)


def test_without_recorded_sizes_the_batch_size_stands_for_the_batch() -> None:
    layout = RecordLayout(("nll", "encoder"))
    rows = np.zeros(80, layout.dtype)
    rows["step"], rows["batch_size"] = np.arange(1, 81), np.where(np.arange(80) % 4 == 3, 12, 32)
    rows["weight.nll"] = rows["weight.encoder"] = rows["term.nll"] = 1
    rows["term.encoder"] = rows["batch_size"]
    term = encoder(rows, layout)
    assert term.by_all > 0.99 and math.isnan(term.by_last)


def test_terms_that_oppose_each_other_have_no_share() -> None:
    layout = RecordLayout(("nll", "encoder"), lr_groups=2, lr_names=("a", "b"))
    rows = np.zeros(80, layout.dtype)
    rows["step"] = np.arange(1, 81)
    assert math.isnan(encoder(rows, layout).share)


def test_of_a_fork_the_beginning_is_not_known() -> None:
    rows = run(1, "mean")
    assert facts(rows).early == ""
    rows["step"] += 100
    assert "another one" in facts(rows).early


def test_a_weight_is_that_at_the_end_of_each_epoch() -> None:
    rows = run(1, "mean", steps=12)
    rows["weight.encoder"] = np.repeat([0.05, 0.1, 0.2], 4)
    course = facts(rows).weights[1]
    assert course.values == pytest.approx((0.05, 0.1, 0.2)) and course.configured == pytest.approx(0.05)


@pytest.mark.parametrize(
    "said",
    [None, 3, [], {"encoder": 3}, {"encoder": [1]}, {"encoder": ["a", "b"]}, {"encoder": [0, 10**400]}, {"a": {}}],
)
def test_ranges_of_others_may_say_anything(said: Any) -> None:
    assert facts(run(1, "mean"), useful=said).useful == {}


def test_ranges_are_read() -> None:
    assert facts(run(1, "mean"), useful={"encoder": [0.01, 0.1]}).useful == {"encoder": (0.01, 0.1)}


def test_gates_at_the_first_and_over_the_newest_steps() -> None:
    rows = run(1, "mean")
    gates = recorded_gates(rows[:1], rows, LAYOUT, None)
    assert gates is not None and [gate.name for gate in gates] == ["door"]
    assert gates[0].first_at_ends == pytest.approx(0.54) and gates[0].at_ends == pytest.approx(0.24, abs=0.01)
    later = recorded_gates(rows[5:6], rows[5:], LAYOUT, None)
    assert later is not None and math.isnan(later[0].first_at_ends)
    assert recorded_gates(rows[:1], rows, RecordLayout(("nll",)), None) is None
