"""C306, C307, C310, C313: whether the loss is what it should be before the first update. Pure functions of facts."""

from __future__ import annotations

import math

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.network import BatchFacts
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked

DOUBLE = 0.02
"""How near to 2 the ratio counts as a doubling."""
MOVED = 1e-3
"""Relative change beyond what adding up in another order does to float32."""
NO_REDUCTION = "the step draws random numbers, has fewer than three samples, or does not work on other batches"


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
    "C307",
    "loss is a sum over the batch",
    section="loss",
    severity=Severity.WARNING,
    precedence=Precedence.LOSS,
    cost=Cost.BATCH,
)
def summed_loss(batch: BatchFacts) -> Answer:
    """A term that doubles when every sample of the batch stands in it twice."""
    facts = batch.reduction
    if facts is None:
        return Unchecked(NO_REDUCTION)
    summed = {name: ratio for name, ratio in facts.doubled.items() if abs(ratio - 2) < DOUBLE}
    if not summed:
        return None
    names = ", ".join(summed)
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.PROVEN,
        summary=f"{names} doubles with the batch: a sum over its samples, not their mean",
        where=f"{facts.num_samples} samples, and the same twice: "
        + ", ".join(f"{ratio:.3f} times" for ratio in summed.values()),
        why="gradient and best learning rate then grow with the batch, and a smaller last batch weighs less",
        fix=Fix("take the mean over the samples (reduction='mean')"),
        figures={f"doubled.{name}": ratio for name, ratio in facts.doubled.items()},
    )


@rule(
    "C313",
    "loss depends on the order of the batch",
    section="loss",
    severity=Severity.ERROR,
    precedence=Precedence.LOSS,
    cost=Cost.BATCH,
)
def order_of_the_batch(batch: BatchFacts) -> Answer:
    """A term that changes by more than a thousandth when the same samples stand in another order."""
    facts = batch.reduction
    if facts is None:
        return Unchecked(NO_REDUCTION)
    moved = {name: change for name, change in facts.order_change.items() if change > MOVED}
    if not moved:
        return None
    worst = max(moved, key=lambda name: moved[name])
    return Hit(
        severity=Severity.ERROR,
        confidence=Confidence.PROVEN,
        summary=f"{worst} changes by {moved[worst]:.1%} when its {facts.num_samples} samples stand in another order",
        where="; ".join(f"{name} {batch.terms[name]:.4g}, changes by {change:.1%}" for name, change in moved.items()),
        why="it is taken over a part of the batch, such as the last sample of a loop that sets the loss to zero each "
        "time; from step to step it then jumps by as much, whatever the network does",
        fix=Fix("add up over all samples and divide by their number: the reset belongs before the loop"),
        figures={f"order_change.{name}": change for name, change in facts.order_change.items()},
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
