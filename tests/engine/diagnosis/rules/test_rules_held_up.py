"""A main term that another holds up, beside terms that help: by the same large steps with and without the others."""

from __future__ import annotations

from typing import Any

import pytest
from torch import Tensor, nn
from torch.nn import functional as F
from user_tasks import FEATURES, UserTask, draw, labelled, mlp

from trainctl.engine.data.batch import Batch
from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.facts.evidence import Evidence
from trainctl.engine.diagnosis.finding import Finding, Severity
from trainctl.engine.diagnosis.probes.preflight import gather


def helped(**weights: float) -> UserTask:
    """A classifier with terms on its outputs and weights, of weights that stand in its code."""

    def step(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        logits = model(batch["x"])
        whole: dict[str, Any] = {
            "confidence": lambda: logits.square().mean(),
            "size": lambda: sum(p.square().sum() for p in model.parameters()),
            "even": lambda: logits.softmax(1).mean(0).square().sum(),
        }
        return {"ce": F.cross_entropy(logits, batch["y"]), **{n: weight * whole[n]() for n, weight in weights.items()}}

    return UserTask(labelled(draw(FEATURES)), mlp, step, classes=True)


def gathered(task: UserTask) -> Evidence:
    return gather(task, sections=("loss", "optimiser and schedule"), budget_s=600)


def found(evidence: Evidence) -> dict[str, Finding]:
    return {finding.code: finding for finding in diagnose(evidence, sections=("loss",)).findings}


@pytest.mark.parametrize("name", ["confidence", "size"])
def test_a_term_beside_which_the_main_one_stands_still_is_found(name: str) -> None:
    evidence = gathered(helped(**{name: 30.0}))
    finding = found(evidence)["C301"]
    assert finding.severity is Severity.WARNING and name in finding.summary
    assert evidence.reach is not None and evidence.reach.main is not None
    main = evidence.reach.main
    assert main.name == "ce" and 1 - main.together < 0.25 * (1 - main.alone)


def test_of_several_the_one_is_named_without_which_it_falls() -> None:
    finding = found(gathered(helped(even=0.1, confidence=30.0)))["C301"]
    assert "confidence" in finding.summary and "even" not in finding.summary


@pytest.mark.parametrize("weights", [{"confidence": 0.01}, {"size": 1e-4}, {"even": 0.5, "size": 1e-4}])
def test_terms_that_help_are_healthy(weights: dict[str, float]) -> None:
    assert "C301" not in found(gathered(helped(**weights)))


def test_one_term_has_nothing_beside_it() -> None:
    evidence = gathered(helped())
    assert evidence.reach is not None and evidence.reach.main is None
