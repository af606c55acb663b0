"""C306, C310: whether the loss is what it should be before the first update. Pure functions of evidence."""

from __future__ import annotations

import math

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.evidence import BatchFacts
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked


@rule(
    "C306",
    "implausible initial loss",
    section="loss",
    severity=Severity.WARNING,
    precedence=Precedence.LOSS,
    cost=Cost.BATCH,
    rivals=("D107", "L203"),
)
def implausible_initial_loss(batch: BatchFacts) -> Answer:
    """A term at more than twice what a network that knows nothing would have (closed form)."""
    known = {name: expected for name, expected in batch.expected.items() if expected.value > 0}
    if not known:
        return Unchecked(f"no closed form is known for the loss ({', '.join(batch.terms)})")
    if not all(math.isfinite(batch.terms[name]) for name in known):
        return Unchecked("the loss is not finite, see N901")
    excess = {name: batch.terms[name] / expected.value for name, expected in known.items()}
    worst = max(excess, key=lambda name: excess[name])
    if excess[worst] - 1 <= 1:
        return None
    value, expected = batch.terms[worst], known[worst]
    outputs = "; ".join(f"{t.name} {t.minimum:.3g} to {t.maximum:.3g}" for t in batch.outputs[:3])
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.PROVEN,
        summary=f"{worst} starts at {value:.4g}, {excess[worst]:.1f} times {expected.formula}",
        where=f"first batch of {batch.batch_size}, untrained network" + (f"; {outputs}" if outputs else ""),
        why="a network that knows nothing cannot be that wrong: its outputs are too large, or targets and outputs "
        "do not belong together",
        fix=Fix("scale down the last layer's initial weights, and look at targets and outputs of one batch"),
        figures={"initial_loss": value, "expected_loss": expected.value, "ratio": excess[worst]},
    )


@rule(
    "C310",
    "loss does not depend on the parameters",
    section="loss",
    severity=Severity.ERROR,
    precedence=Precedence.MECHANICS,
    cost=Cost.BATCH,
    rivals=("G702",),
)
def loss_without_parameters(batch: BatchFacts) -> Answer:
    """A term that is no scalar, or no term that has a gradient although there are trainable parameters."""
    if batch.not_scalar:
        return _not_scalar(batch)
    if not batch.trainable:
        return Unchecked("no parameter is trainable, see G701")
    if any(batch.term_depends.values()):
        return None
    return Hit(
        severity=Severity.ERROR,
        confidence=Confidence.PROVEN,
        summary="no loss term depends on a parameter",
        where=f"{', '.join(batch.terms)}: requires_grad is False; {len(batch.trainable)} trainable parameter tensors",
        why="the loss was cut off from the network, so that backward() reaches nothing",
        fix=Fix("remove .detach(), .item(), .data, torch.no_grad() or a trip through NumPy between network and loss"),
        figures={"terms": len(batch.terms), "trainable": len(batch.trainable)},
    )


def _not_scalar(batch: BatchFacts) -> Hit:
    return Hit(
        severity=Severity.ERROR,
        confidence=Confidence.PROVEN,
        summary=f"{', '.join(batch.not_scalar)} is not a scalar",
        where=f"first batch of {batch.batch_size}",
        why="backward() needs one number to start from",
        fix=Fix("average the term over the batch"),
        figures={"terms": len(batch.not_scalar)},
    )
