"""O610: settings of an optimiser that undo what it is for. Pure functions of a configuration."""

from __future__ import annotations

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.data import DataFacts, SamplerFacts
from trainctl.engine.diagnosis.facts.length import batches_per_epoch, planned_steps
from trainctl.engine.diagnosis.facts.plan import PlanFacts
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked
from trainctl.engine.diagnosis.remedies import ADAPTIVE

LARGE_EPS, USUAL_EPS = 1e-3, 1e-8
"""Gradients of single weights lie far below the first: it then takes the place of their size."""
LEAST_MEMORY = 50.0
"""Steps that a momentum may remember in however short a run."""


@rule(
    "O610",
    "optimiser's constants odd",
    section="optimiser and schedule",
    severity=Severity.WARNING,
    precedence=Precedence.MECHANICS,
    cost=Cost.STATIC,
)
def odd_constants(plan: PlanFacts, sampler: SamplerFacts | None = None, data: DataFacts | None = None) -> Answer:
    """An `eps` of 1e-3 or more in an optimiser that divides by the gradient's size; or a momentum (`momentum`, or the
    first of `betas`) that remembers longer than a third of the training: 1 / (1 − β) steps, more than 50.

    Costs: with a large eps the steps shrink with the gradient, and the rate means something else; a momentum that long
    still follows gradients of the random start when the training ends.
    Do: eps 1e-8, a momentum of .9.
    """
    if not plan.optimizer:
        return Unchecked("the configuration names no optimiser")
    is_adaptive = plan.optimizer in ADAPTIVE | {"rmsprop", "adagrad", "adadelta"}
    eps = plan.settings.get("optimizer.eps")
    if is_adaptive and isinstance(eps, int | float) and eps >= LARGE_EPS:
        return _hit(
            f"eps {eps:g} takes the place of the gradient's size",
            "every update is divided by the size of its gradient plus this: where it is larger, they shrink together",
            Fix(f"set optimizer.eps={USUAL_EPS:g}", {"optimizer.eps": USUAL_EPS}),
            {"eps": float(eps)},
        )
    momentum, path = _momentum(plan)
    num_batches = batches_per_epoch(plan, data, sampler)
    if momentum is None or num_batches is None or not 0 < momentum < 1:
        return None
    memory, steps = 1 / (1 - momentum), planned_steps(plan, num_batches)[0]
    if memory <= max(LEAST_MEMORY, steps / 3):
        return None
    betas = plan.settings.get("optimizer.betas")
    usual = [0.9, *betas[1:]] if path == "optimizer.betas" and isinstance(betas, list) else 0.9
    return _hit(
        f"a momentum of {momentum:g} remembers {memory:,.0f} steps, the training has {steps:,}",
        "what the random start taught still moves the weights when the training ends",
        Fix(f"set {path} to {usual}", {path: usual}),
        {"momentum": float(momentum), "steps": steps},
    )


def _momentum(plan: PlanFacts) -> tuple[float | None, str]:
    """The share of the last update that stays in the next, and the option that says so."""
    betas = plan.settings.get("optimizer.betas")
    if plan.optimizer in ADAPTIVE:
        first = betas[0] if isinstance(betas, list | tuple) and betas else None
        return (float(first) if isinstance(first, int | float) else None), "optimizer.betas"
    momentum = plan.settings.get("optimizer.momentum")
    return (float(momentum) if isinstance(momentum, int | float) else None), "optimizer.momentum"


def _hit(summary: str, why: str, fix: Fix, figures: dict[str, float | int | str]) -> Hit:
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=summary,
        where="the configuration",
        why=why,
        fix=fix,
        figures=figures,
    )
