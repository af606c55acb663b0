"""Plans whose rates add up to too little, beside those that are long enough: by the plan taken in a few large steps."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from two_groups import Rivals
from user_tasks import FEATURES, UserTask, classify, draw, labelled, mlp

from trainctl.engine.config.schema import OptimizerConfig, RunConfig, ScheduleConfig, TrainConfig
from trainctl.engine.data.batch import Batch
from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.facts.evidence import Evidence
from trainctl.engine.diagnosis.facts.trial import ReachFacts
from trainctl.engine.diagnosis.finding import Finding, Severity
from trainctl.engine.diagnosis.probes.preflight import gather
from trainctl.engine.tasks.task import Task

SECTION = ("optimiser and schedule",)


def gathered(task: Task) -> Evidence:
    return gather(task, sections=SECTION, budget_s=600)


def found(evidence: Evidence) -> dict[str, Finding]:
    return {finding.code: finding for finding in diagnose(evidence, sections=SECTION).findings}


def classifier(name: str, lr: float, *, epochs: int = 100, **options: Any) -> UserTask:
    sections = {
        "optimizer": OptimizerConfig(name=name, lr=lr),  # type: ignore[arg-type]
        "train": TrainConfig(epochs=epochs, batch_size=32),
        **options,
    }
    return UserTask(labelled(draw(FEATURES)), mlp, classify(), classes=True, options=sections)


@pytest.mark.parametrize(("name", "lr"), [("adamw", 1e-5), ("adam", 3e-5), ("rmsprop", 1e-5), ("sgd", 3e-5)])
def test_a_rate_that_needs_many_times_the_steps_is_found(name: str, lr: float) -> None:
    evidence = gathered(classifier(name, lr))
    finding = found(evidence)["O602"]
    assert evidence.reach is not None and evidence.reach.own < 0.6 * evidence.reach.most
    assert finding.severity is Severity.WARNING and finding.primary
    assert finding.fix.set is not None and finding.fix.set["optimizer.lr"] >= 3 * lr


def test_the_rate_that_is_proposed_is_enough() -> None:
    finding = found(gathered(classifier("adamw", 1e-5)))["O602"]
    assert finding.fix.set is not None
    assert not found(gathered(classifier("adamw", finding.fix.set["optimizer.lr"])))


@pytest.mark.parametrize(("name", "lr"), [("adamw", 1e-3), ("adam", 3e-4), ("rmsprop", 1e-3), ("sgd", 1e-1)])
def test_usual_rates_are_enough_or_overshoot(name: str, lr: float) -> None:
    evidence = gathered(classifier(name, lr))
    assert evidence.reach is not None and not found(evidence)


def test_how_far_a_plan_leads_is_a_matter_of_the_sum_of_its_rates() -> None:
    short, long = (gathered(classifier("adamw", lr, epochs=epochs)).reach for lr, epochs in ((4e-5, 50), (1e-5, 200)))
    assert short is not None and long is not None
    assert short.left == pytest.approx(long.left, abs=0.02)


def test_a_schedule_that_spends_the_rate_is_blamed_for_it() -> None:
    spent = ScheduleConfig(name="exponentiallr", interval="epoch", arguments={"gamma": 0.85})
    evidence = gathered(classifier("adamw", 1e-4, epochs=40, schedule=spent))
    finding = found(evidence)["O606"]
    assert finding.severity is Severity.WARNING and finding.fix.set == {"schedule.name": "cosine", **_no_arguments()}
    slower = ScheduleConfig(name="exponentiallr", interval="epoch", arguments={"gamma": 0.97})
    assert not found(gathered(classifier("adamw", 3e-3, epochs=40, schedule=slower)))


def _no_arguments() -> dict[str, Any]:
    return {"schedule.arguments": {}}


def test_a_lower_end_above_the_rate_is_a_rate_that_is_too_small() -> None:
    rising = ScheduleConfig(name="cosine", warmup_epochs=1, eta_min=1e-5)
    findings = found(gathered(classifier("adamw", 3e-7, schedule=rising)))
    assert findings["O602"].primary and findings["O606"].consequence_of == "O602"


def test_a_run_that_is_cut_short_on_purpose_is_left_alone() -> None:
    cut = TrainConfig(epochs=1000, batch_size=32, max_steps=20)
    assert "O602" not in found(gathered(classifier("adamw", 3e-4, train=cut)))


def test_what_shares_of_the_loss_do_not_tell_is_not_asked() -> None:
    groups = gathered(Rivals(RunConfig(task="user")))
    assert groups.reach is None and "losses of their own" in groups.why_missing("reach")

    def likelihood(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        return {"nll": model(batch["x"]).square().mean() - 5}

    below = gathered(UserTask({"x": draw(FEATURES)}, mlp, likelihood))
    assert below.reach is None and "shares of it say nothing" in below.why_missing("reach")


def test_large_steps_that_end_in_infinity_are_no_error() -> None:
    assert ReachFacts(16, 2.0, {1.0: float("inf")}).own == -float("inf")
    evidence = gathered(classifier("sgd", 1e4))
    assert evidence.reach is None or evidence.reach.left[1.0] > 1
    assert "O602" not in found(evidence)


def test_the_network_of_whoever_asks_is_left_alone() -> None:
    task = classifier("adamw", 1e-5)
    state = torch.get_rng_state()
    first, second = gathered(task), gathered(task)
    assert torch.equal(state, torch.get_rng_state())
    assert first.reach == second.reach
