"""C316: a focal loss where no class is rare. Pure functions of evidence."""

from __future__ import annotations

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.data import LabelFacts
from trainctl.engine.diagnosis.facts.plan import PlanFacts
from trainctl.engine.diagnosis.facts.statistics import shares
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked

BALANCED = 1.5
"""Largest to smallest class up to which none is rare."""


@rule(
    "C316",
    "focal loss without imbalance",
    section="loss",
    severity=Severity.INFO,
    precedence=Precedence.LOSS,
    cost=Cost.DATA,
)
def focal_without_imbalance(labels: LabelFacts, plan: PlanFacts) -> Answer:
    """A focal loss with an exponent above 0 on classes of which the largest is at most 1.5 times the smallest.

    A hint: the exponent then only weighs hard samples higher than easy ones, which may be what was meant (the eyes
    presets do so at 53 % to 47 %), and costs calibration.

    Costs: calibration: the probabilities are pulled towards the middle.
    Do: cross-entropy, or γ = 0; judge both by the validation metric.
    """
    gamma, counts = plan.focal_gamma, labels.train.counts
    if not gamma:
        return None
    if len(counts) < 2 or not min(counts):
        return Unchecked("fewer than two classes have samples")
    ratio = max(counts) / min(counts)
    if ratio > BALANCED:
        return None
    scale = (1 - 1 / len(counts)) ** gamma
    return Hit(
        severity=Severity.INFO,
        confidence=Confidence.HINT,
        summary=f"the largest class is {ratio:.2f} times the smallest: there is no rare one to help",
        where=f"γ = {gamma:g}; {', '.join(f'{share:.0%}' for share in shares(counts)[:6])}",
        why=f"it rescales the loss (by (1−1/{len(counts)})^{gamma:g} = {scale:.2f} where nothing is known), weighs "
        "hard samples, mislabelled ones included, higher, and leaves probabilities too close to the middle",
        fix=Fix("cross-entropy, or γ = 0; judge both by the validation metric", {plan.focal_option: 0.0}),
        figures={"gamma": gamma, "ratio": ratio, "scale": scale},
    )
