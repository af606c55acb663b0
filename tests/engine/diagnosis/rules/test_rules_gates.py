"""Gates and saturating modules: planted in toy networks and in records, each beside a healthy look-alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from toy_task import FEATURES, ToyNet, ToyTask, config

from trainctl.engine.data.batch import Batch
from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.facts.evidence import Evidence
from trainctl.engine.diagnosis.facts.gates import CLOSED, OPEN, GateFacts
from trainctl.engine.diagnosis.facts.plan import PlanFacts
from trainctl.engine.diagnosis.facts.terms import TermCourse, TermsFacts
from trainctl.engine.diagnosis.finding import Confidence, Finding, Severity
from trainctl.engine.diagnosis.probes.preflight import gather
from trainctl.engine.models.emotion.gates import Gate, Gated, shares
from trainctl.engine.models.emotion.options import GateName
from trainctl.engine.tasks.task import StepOutput

PLAN = PlanFacts(epochs=20, max_steps=None, batch_size=32, accumulation=1, drop_last=True)


def found(evidence: Evidence) -> dict[str, Finding]:
    return {finding.code: finding for finding in diagnose(evidence).findings}


class GatedNet(ToyNet):
    """A gate in front of the classifier."""

    def __init__(self, form: GateName) -> None:
        super().__init__()
        self.gate = Gate("door", FEATURES, 16, form)

    def through(self, features_BF: Tensor) -> tuple[Tensor, Gated]:
        gated = self.gate(features_BF)
        return self.head(self.encoder(features_BF) * gated.value), gated


class GatedTask(ToyTask):
    """Cross-entropy, and a term that draws the gate towards ½: its values, or what they are made of."""

    def __init__(self, form: GateName, weight: float = 0.0, of_raw: bool = False) -> None:
        weights = {"loss_weights": {"ce": 1.0, "door": weight}}
        super().__init__(config().model_copy(update=weights), model=lambda: GatedNet(form))
        self._of_raw = of_raw

    def step(self, model: nn.Module, batch: Batch) -> StepOutput:
        assert isinstance(model, GatedNet)
        logits_BC, gated = model.through(batch["x"])
        drawn = gated.raw if self._of_raw else gated.value
        terms = {"ce": F.cross_entropy(logits_BC, batch["labels"]), "door": (drawn - 0.5).square().mean()}
        there = torch.ones(len(logits_BC), 1, dtype=torch.bool)
        closed, opened = shares(replace(gated, value=gated.value[:, None]), there)
        return StepOutput(terms, scalars={f"{CLOSED}door": closed, f"{OPEN}door": opened})


def test_a_clamped_gate_starts_half_dead_and_a_smooth_one_does_not() -> None:
    finding = found(gather(GatedTask("hardtanh")))["G707"]
    assert (finding.severity, finding.confidence) == (Severity.WARNING, Confidence.PROVEN)
    assert 0.45 < finding.figures["without_gradient"] < 0.65  # type: ignore[operator]
    for form in ("sigmoid", "hardsigmoid"):
        evidence = gather(GatedTask(form))
        assert "G707" in diagnose(evidence).checked and "G707" not in found(evidence)


def test_a_term_on_clamped_values_does_not_reach_the_dead_ones_and_one_on_their_input_does() -> None:
    on_values = found(gather(GatedTask("hardtanh", 0.01)))["G707"]
    assert on_values.severity == Severity.WARNING
    assert on_values.figures["muted.door"] == pytest.approx(on_values.figures["without_gradient"], abs=0.03)
    assert "door draws the gates and reaches only" in on_values.why
    on_input = found(gather(GatedTask("hardtanh", 0.01, of_raw=True)))["G707"]
    assert on_input.severity == Severity.INFO
    assert not [name for name in on_input.figures if name.startswith("muted")]


class Activated(ToyNet):
    """An activation behind inputs of a certain size."""

    def __init__(self, activation: nn.Module, scale: float) -> None:
        super().__init__()
        linear = nn.Linear(FEATURES, 16)
        self.encoder = nn.Sequential(linear, activation)
        with torch.no_grad():
            linear.weight.mul_(scale)


@pytest.mark.parametrize(
    ("activation", "severity"),
    [
        (nn.Sigmoid, Severity.WARNING),
        (nn.Tanh, Severity.WARNING),
        (nn.Hardtanh, Severity.ERROR),
        (nn.Hardsigmoid, Severity.ERROR),
    ],
)
def test_an_activation_behind_inputs_that_are_too_large_is_saturated(
    activation: Callable[[], nn.Module], severity: Severity
) -> None:
    wild = found(gather(ToyTask(model=lambda: Activated(activation(), 1e4))))["G707"]
    assert wild.severity == severity and "encoder.1" in wild.summary
    calm = gather(ToyTask(model=lambda: Activated(activation(), 1.0)))
    assert "G707" in diagnose(calm).checked and "G707" not in found(calm)


@pytest.mark.parametrize("activation", [nn.ReLU, nn.ReLU6, lambda: nn.Hardtanh(0.0, 1.0)])
def test_rectifiers_may_be_half_closed(activation: Callable[[], nn.Module]) -> None:
    assert "G707" not in found(gather(ToyTask(model=lambda: Activated(activation(), 1.0))))


def gate(name: str = "door", **values: Any) -> GateFacts:
    """A gate of a run."""
    usual: dict[str, Any] = {"closed": 0.45, "open": 0.1, "first_closed": 0.5, "first_open": 0.04, "num_steps": 40}
    return GateFacts(name, "records", **{**usual, **values})


def run(*gates: GateFacts, plan: PlanFacts = PLAN, regulariser: float = 0.0) -> Evidence:
    terms = tuple(
        TermCourse(name, "", weight, 1.0, 0.5, 0.5, 0.01, 40) for name, weight in (("nll", 1.0), ("gate", regulariser))
    )
    return Evidence(gates=gates, plan=plan, terms=TermsFacts(num_steps=80, batch_size=32, terms=terms))


CLAMPED = replace(PLAN, gate="hardtanh", regularise="value")


def test_recorded_gates_that_start_half_dead_are_named_with_the_option() -> None:
    finding = found(run(gate(is_clamped=True), plan=CLAMPED, regulariser=0.01))["G707"]
    assert finding.severity == Severity.WARNING
    assert finding.fix.set == {"model.gate": "sigmoid"} and "loss.regularise=raw" in finding.fix.text
    assert "54% of the gates' values" in finding.summary and "55% over the newest" in finding.summary


def test_gates_that_a_run_drew_back_or_draws_by_their_input_are_an_information() -> None:
    back = run(gate(is_clamped=True, closed=0.15, open=0.05), plan=CLAMPED, regulariser=0.01)
    drawn = run(gate(is_clamped=True), plan=replace(CLAMPED, regularise="raw"), regulariser=0.01)
    assert found(back)["G707"].severity == found(drawn)["G707"].severity == Severity.INFO


@pytest.mark.parametrize(("is_clamped", "severity"), [(True, Severity.ERROR), (False, Severity.WARNING)])
def test_gates_that_training_drove_to_an_end_are_stuck(is_clamped: bool, severity: Severity) -> None:
    finding = found(run(gate(closed=0.02, open=0.93, first_closed=0.0, first_open=0.0, is_clamped=is_clamped)))["G707"]
    assert finding.severity == severity and "training drove it there" in finding.why
    assert finding.figures["at_ends.door"] == pytest.approx(0.95)


def test_gates_of_another_kind_are_left_alone() -> None:
    smooth = run(gate(is_clamped=False, closed=0.5, open=0.1))  # of a sigmoid they would be 0
    centred = run(gate(first_closed=0.19, first_open=0.2, is_clamped=True))
    for evidence in (smooth, centred):
        assert "G707" in diagnose(evidence).checked and "G707" not in found(evidence)
    assert "G707" not in diagnose(Evidence()).checked
