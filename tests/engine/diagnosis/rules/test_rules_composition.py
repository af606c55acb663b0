"""How the terms of a loss go together: faults planted in toy tasks and in records, each beside a healthy look-alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest
from torch import Tensor, nn
from torch.nn import functional as F
from toy_task import ToyNet, ToyTask, config

from trainctl.engine.data.batch import Batch
from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.facts.data import LabelFacts, SplitLabels
from trainctl.engine.diagnosis.facts.evidence import Evidence
from trainctl.engine.diagnosis.facts.plan import PlanFacts, plan_facts
from trainctl.engine.diagnosis.facts.terms import TermCourse, TermsFacts, WeightCourse
from trainctl.engine.diagnosis.finding import Confidence, Finding, Severity
from trainctl.engine.diagnosis.probes.preflight import gather
from trainctl.engine.tasks.configured import resolve
from trainctl.engine.tasks.task import StepOutput

PLAN = PlanFacts(epochs=20, max_steps=None, batch_size=32, accumulation=1, drop_last=True)


def found(evidence: Evidence) -> dict[str, Finding]:
    return {finding.code: finding for finding in diagnose(evidence).findings}


def checked(evidence: Evidence) -> tuple[str, ...]:
    return diagnose(evidence).checked


class TwoTerms(ToyTask):
    """Cross-entropy, and a second term of the hidden features."""

    def __init__(self, second: Callable[[Tensor], Tensor], weight: float, first_weight: float = 1.0) -> None:
        super().__init__(config().model_copy(update={"loss_weights": {"ce": first_weight, "pull": weight}}))
        self._second = second

    def step(self, model: nn.Module, batch: Batch) -> StepOutput:
        assert isinstance(model, ToyNet)
        hidden_BH = model.encoder(batch["x"])
        ce = F.cross_entropy(model.head(hidden_BH), batch["labels"])
        return StepOutput({"ce": ce, "pull": self._second(hidden_BH)})


class Penalised(TwoTerms):
    """The second term says by its name that it is no aim."""

    def step(self, model: nn.Module, batch: Batch) -> StepOutput:
        terms = super().step(model, batch).terms
        return StepOutput({"ce": terms["ce"], "penalty": terms["pull"]})


def squares(hidden_BH: Tensor) -> Tensor:
    return (hidden_BH - 1).square().mean()


def test_a_helping_term_of_a_hundred_times_its_weight_dominates_and_the_fix_brings_it_down() -> None:
    healthy, planted = gather(TwoTerms(squares, 0.05)), gather(TwoTerms(squares, 100.0))
    assert "C301" in checked(healthy) and "C301" not in found(healthy)
    finding = found(planted)["C301"]
    assert finding.severity == Severity.WARNING
    assert float(finding.figures["gradient_share.pull"]) > 0.9
    assert finding.fix.set is not None
    cured = gather(TwoTerms(squares, finding.fix.set["loss_weights.pull"]))
    assert cured.batch is not None and cured.batch.gradients is not None
    assert cured.batch.gradients.share(cured.batch.gradients.others[0]) == pytest.approx(0.2, abs=0.01)
    assert "C301" not in found(cured)


def test_of_two_terms_that_nobody_weighed_neither_is_called_wrong() -> None:
    finding = found(gather(TwoTerms(lambda hidden: 300 * squares(hidden), 1.0)))["C301"]
    assert finding.severity == Severity.INFO
    penalty = Penalised(lambda hidden: 300 * squares(hidden), 1.0)
    assert found(gather(penalty))["C301"].severity == Severity.WARNING


def test_the_main_term_is_the_first_that_weighs_anything() -> None:
    evidence = gather(TwoTerms(squares, 100.0, first_weight=0.0))
    assert evidence.batch is not None and evidence.batch.gradients is not None
    assert evidence.batch.gradients.main.name == "pull"
    assert "C301" not in found(evidence)


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (lambda hidden: squares(hidden.detach()), "cut off"),
        (lambda hidden: (1e4 * hidden + 100).sigmoid().mean(), "flat where it stands"),
    ],
)
def test_a_term_without_a_gradient_is_dead_whatever_its_value(second: Callable[[Tensor], Tensor], words: str) -> None:
    finding = found(gather(TwoTerms(second, 0.1)))["C302"]
    assert finding.severity == Severity.WARNING and words in finding.why
    assert finding.summary.startswith("pull ")


@pytest.mark.parametrize(
    ("second", "weight"),
    [
        (squares, 0.1),
        (lambda hidden: F.relu(hidden.mean() - 1e3), 0.1),  # a margin that nothing violates: 0
        (lambda hidden: squares(hidden.detach()), 0.0),  # watched, not trained
    ],
)
def test_a_term_at_its_least_value_or_without_a_weight_is_not_dead(
    second: Callable[[Tensor], Tensor], weight: float
) -> None:
    evidence = gather(TwoTerms(second, weight))
    assert "C302" in checked(evidence) and "C302" not in found(evidence)


def test_probing_the_terms_changes_nothing_that_is_measured_of_the_whole_loss() -> None:
    both, alone = gather(TwoTerms(squares, 0.0)).batch, gather(ToyTask()).batch
    assert both is not None and alone is not None
    assert both.grad_norm == pytest.approx(alone.grad_norm, rel=1e-6)
    assert both.group_norms == pytest.approx(alone.group_norms, rel=1e-6)


def course(name: str = "encoder", **values: Any) -> TermCourse:
    """A healthy reconstruction beside a classification."""
    usual: dict[str, Any] = {
        "kind": "reconstruction",
        "weight": 0.05,
        "first": 3.65,
        "last": 2.73,
        "share": 0.1,
        "noise": 0.01,
        "num_noise": 80,
        "validated": (2.75, 2.71, 2.68),
        "constant": 3.70,
    }
    return TermCourse(name, **{**usual, **values})


MAIN = course("nll", kind="cross_entropy", weight=1.0, first=1.6, last=0.2, share=0.9, noise=0.03, constant=math.nan)


def facts(*terms: TermCourse, **values: Any) -> Evidence:
    usual: dict[str, Any] = {"num_steps": 80, "batch_size": 32, "terms": terms}
    return Evidence(terms=TermsFacts(**{**usual, **values}), plan=PLAN)


def test_a_reconstruction_that_falls_is_healthy() -> None:
    evidence = facts(MAIN, course())
    assert {"C301", "C313", "C314"} <= set(checked(evidence))
    assert not found(evidence)


@pytest.mark.parametrize(
    ("values", "severity", "confidence"),
    [
        ({"last": 3.9, "validated": (3.7, 3.8, 3.75)}, Severity.WARNING, Confidence.PROVEN),
        ({"last": 3.5, "validated": (3.7, 3.66, 3.69)}, Severity.WARNING, Confidence.LIKELY),
        ({"last": 3.63, "constant": math.nan, "validated": ()}, Severity.INFO, Confidence.LIKELY),
        ({"last": 3.63, "validated": (3.6,)}, Severity.INFO, Confidence.LIKELY),
    ],
)
def test_a_reconstruction_that_stands_or_is_no_better_than_one_answer_is_a_finding(
    values: Mapping[str, Any], severity: Severity, confidence: Confidence
) -> None:
    finding = found(facts(MAIN, course(**values)))["C314"]
    assert (finding.severity, finding.confidence) == (severity, confidence)


def test_a_reconstruction_that_was_good_from_the_beginning_may_stand() -> None:
    evidence = facts(MAIN, course(first=1.2, last=1.2, validated=(1.3, 1.3, 1.3)))
    assert "C314" in checked(evidence) and "C314" not in found(evidence)


@pytest.mark.parametrize(
    "evidence",
    [
        facts(MAIN, course(last=3.65), early="too early"),
        facts(MAIN, course(last=3.65), num_steps=40),
        facts(MAIN, course(last=3.65, kind="")),
    ],
)
def test_nothing_is_said_of_a_reconstruction_too_early_or_of_an_unknown_term(evidence: Evidence) -> None:
    assert "C314" not in checked(evidence)


def test_a_reconstruction_of_weight_0_may_stand() -> None:
    evidence = facts(MAIN, course(last=3.65, weight=0.0))
    assert "C314" in checked(evidence) and "C314" not in found(evidence)


def test_a_dominating_value_is_a_finding_only_where_the_main_term_stands_still() -> None:
    aside = course("balance", kind="", weight=10.0, share=0.946)
    assert "C301" not in found(facts(replace(MAIN, share=0.05), aside))
    assert found(facts(replace(MAIN, share=0.05, last=1.59), aside))["C301"].fix.set == {"loss_weights.balance": 1.0}


def test_a_term_that_follows_the_last_sample_of_the_batch_is_proven_to_be_of_it() -> None:
    planted = course(first=62.0, last=165.0, noise=0.72, by_last=0.99, by_all=0.2)
    finding = found(facts(MAIN, planted))["C313"]
    assert (finding.severity, finding.confidence) == (Severity.ERROR, Confidence.PROVEN)
    assert finding.figures["by_last.encoder"] == 0.99
    assert "C314" not in checked(facts(MAIN, planted))  # of such a term two ends say nothing


def test_without_the_size_of_the_last_sample_the_noise_tells_of_terms_that_are_means() -> None:
    finding = found(facts(MAIN, course(noise=0.72)))["C313"]
    assert (finding.severity, finding.confidence) == (Severity.WARNING, Confidence.LIKELY)


@pytest.mark.parametrize(
    "evidence",
    [
        facts(MAIN, course(noise=0.72, by_last=0.1)),  # it follows nothing of the last sample
        facts(MAIN, course(noise=0.72, kind="")),  # a penalty may be of few samples
        facts(replace(MAIN, noise=0.3), course(noise=0.72)),  # the batches themselves differ
        facts(MAIN, course(noise=0.72), batch_size=4),
        facts(course(noise=0.72)),  # nothing to compare with
        facts(MAIN, course(noise=0.02, by_last=0.95)),  # a trace of it, which no fault leaves
    ],
)
def test_noise_that_has_other_reasons_is_no_finding(evidence: Evidence) -> None:
    assert "C313" in checked(evidence) and "C313" not in found(evidence)


def test_a_term_that_goes_with_the_size_of_the_batch_is_a_sum() -> None:
    evidence = facts(MAIN, course(noise=0.3, by_all=0.97, by_last=0.3))
    assert found(evidence)["C307"].figures["by_all.encoder"] == 0.97
    assert "C307" not in found(facts(MAIN, course(noise=0.3, by_all=0.5)))


def weights(**courses: tuple[float, ...]) -> tuple[WeightCourse, ...]:
    return tuple(WeightCourse(name, values[0], values) for name, values in courses.items())


ADAPTIVE = replace(PLAN, is_adaptive=True, weight_bounds=(0.01, 10.0))
SMOOTH = tuple(0.5 + 0.3 * math.cos(k / 8) for k in range(20))


def weighted(plan: PlanFacts = ADAPTIVE, **courses: tuple[float, ...]) -> Evidence:
    return replace(facts(MAIN, course(), weights=weights(**courses)), plan=plan)


def test_weights_that_swing_are_a_finding_and_weights_that_turn_once_are_not() -> None:
    swinging = weighted(nll=tuple(0.5 + 0.1 * (-1) ** k for k in range(12)))
    assert found(swinging)["C315"].fix.set == {"weighting.momentum": 0.9, "weighting.rate": 0.1}
    trembling = weighted(nll=tuple(0.5 + 0.005 * (-1) ** k for k in range(12)))
    turning = weighted(nll=SMOOTH)
    for healthy in (
        trembling,
        turning,
        weighted(nll=(1.0,) * 12),
        weighted(nll=tuple((k + 1) / 12 for k in range(12))),
    ):
        assert "C315" in checked(healthy) and "C315" not in found(healthy)


def test_a_weight_that_its_bound_keeps_is_a_finding() -> None:
    falling = tuple(max(1.0 * 0.5**k, 0.01) for k in range(14))
    finding = found(weighted(nll=SMOOTH, gate=falling))["C315"]
    assert finding.confidence == Confidence.PROVEN and finding.figures["weight.gate"] == 0.01
    begun_there = (0.01, *(0.01 * 1.3**k for k in range(14)))
    assert "C315" not in found(weighted(nll=SMOOTH, gate=begun_there))
    assert "C315" not in found(weighted(PLAN, nll=SMOOTH, gate=falling))  # a schedule of the user's own


def test_a_main_term_whose_weight_went_to_another_is_an_information() -> None:
    down, up = tuple(1.0 * 0.85**k for k in range(16)), tuple(0.01 * 1.4**k for k in range(16))
    finding = found(weighted(nll=down, gate=up))["C315"]
    assert finding.severity == Severity.INFO and "gate from 0.01" in finding.summary


def test_few_epochs_say_nothing_of_weights() -> None:
    assert "C315" not in checked(weighted(nll=(1.0, 0.5, 1.0, 0.5)))


class Ranged(TwoTerms):
    """Its document names a range."""

    useful_weights: ClassVar[Mapping[str, tuple[float, float]]] = {"pull": (0.01, 0.1)}


@pytest.mark.parametrize(("weight", "nearest"), [(0.001, 0.01), (0.01, None), (0.1, None), (0.5, 0.1)])
def test_a_weight_outside_the_range_that_the_task_names_is_an_information(weight: float, nearest: float | None) -> None:
    evidence = gather(Ranged(squares, weight))
    finding = found(evidence).get("C317")
    assert "C317" in checked(evidence)
    assert (finding.fix.set if finding else None) == (None if nearest is None else {"loss_weights.pull": nearest})
    assert finding is None or finding.severity == Severity.INFO


def test_a_weight_far_above_its_range_is_a_warning() -> None:
    assert found(gather(Ranged(squares, 15.0)))["C317"].severity == Severity.WARNING


def test_a_run_is_asked_for_its_configured_weight_not_for_what_it_adapted_to() -> None:
    adapted = facts(MAIN, course(weight=0.4), weights=weights(encoder=(0.05, 0.4)), useful={"encoder": (0.01, 0.1)})
    assert "C317" in checked(adapted) and "C317" not in found(adapted)
    rounded = facts(MAIN, course(), weights=weights(encoder=(float(np.float32(0.1)),)), useful={"encoder": (0.01, 0.1)})
    assert "C317" in checked(rounded) and "C317" not in found(rounded)
    outside = facts(MAIN, course(), weights=weights(encoder=(0.4, 0.05)), useful={"encoder": (0.01, 0.1)})
    assert found(outside)["C317"].fix.set == {"loss_weights.encoder": 0.1}


def labelled(*counts: int) -> LabelFacts:
    names = tuple(f"class {k}" for k in range(len(counts)))
    return LabelFacts(names, SplitLabels("train", counts, 0, len(counts) - 1))


@pytest.mark.parametrize(
    ("counts", "gamma", "is_found"),
    [((100, 100, 100), 2.0, True), ((100, 300), 2.0, False), ((100, 100), 0.0, False), ((100, 100), None, False)],
)
def test_focal_loss_without_a_rare_class_is_a_hint(
    counts: tuple[int, ...], gamma: float | None, is_found: bool
) -> None:
    evidence = Evidence(labels=labelled(*counts), plan=replace(PLAN, focal_gamma=gamma))
    finding = found(evidence).get("C316")
    assert "C316" in checked(evidence) and (finding is not None) == is_found
    assert finding is None or (finding.severity, finding.confidence) == (Severity.INFO, Confidence.HINT)


@pytest.mark.parametrize(
    ("preset", "gamma"),
    [("eyes/balanced", 2.0), ("eyes/current", None), ("emotion/advanced", 2.0), ("emotion/full", None)],
)
def test_the_plan_knows_a_focal_loss_however_its_option_is_called(preset: str, gamma: float | None) -> None:
    assert plan_facts(resolve(preset, scale="small").config).focal_gamma == gamma
