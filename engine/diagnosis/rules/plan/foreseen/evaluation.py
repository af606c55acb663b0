"""E1024: classes that a validation cannot tell anything of. A pure function of facts."""

from __future__ import annotations

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.data import LabelFacts, OverlapFacts
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked

CHANCE = 1e-3
"""Probability of what is seen by chance, over all classes."""
FEW = 5


@rule(
    "E1024",
    "validation lacks classes",
    section="evaluation",
    severity=Severity.WARNING,
    precedence=Precedence.SAMPLER,
    cost=Cost.DATA,
)
def absent_classes(labels: LabelFacts, overlap: OverlapFacts | None = None) -> Answer:
    """Classes of the training without a sample in validation, where a random split would leave one of them out with a
    probability below 1e-3, over all classes: (1 − p)^n for its share p of all samples and n validation samples.

    Samples that come in groups (persons, recordings), of which each is on one side, are not drawn one by one: of these
    it is only information.

    Costs: nothing tells how well these classes are learned; a metric over classes counts them as 0, or not at all.
    Do: split by class (stratified); shuffle before splitting.
    Follows from: D103, L203.
    """
    if labels.val is None or not labels.val.num_samples:
        return Unchecked("the validation split has no labels")
    train, val = labels.train.counts, labels.val.counts
    count, total = sum(val), sum(train) + sum(val)
    absent = [k for k, (a, b) in enumerate(zip(train, val, strict=False)) if a > 0 and not b]
    chances = {k: (1 - train[k] / total) ** count for k in absent}
    unlikely = [k for k in absent if chances[k] * len(labels.classes) < CHANCE]
    if not unlikely or not count:
        return None
    names = ", ".join(labels.classes[k] for k in unlikely[:FEW]) + (", …" if len(unlikely) > FEW else "")
    first = unlikely[0]
    is_grouped = overlap is not None and overlap.groups is not None
    return Hit(
        severity=Severity.INFO if is_grouped else Severity.WARNING,
        confidence=Confidence.PROVEN,
        summary=f"{len(unlikely)} of {len(labels.classes)} classes are trained and never validated: {names}",
        where=f"{count:,} validation samples, none of {labels.classes[first]}; training has {train[first]:,}",
        why=f"a random split would leave {labels.classes[first]} out with a probability of {chances[first]:.1e}",
        fix=Fix("split by class (stratified), or shuffle before splitting"),
        figures={"absent": len(unlikely), "validation": count},
        because=("D103", "L203"),
    )
