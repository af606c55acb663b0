"""C306, C307, C310, C313: whether the loss is what it should be before the first update. Pure functions of facts."""

from __future__ import annotations

import math

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.network import BatchFacts
from trainctl.engine.diagnosis.facts.plan import PlanFacts
from trainctl.engine.diagnosis.facts.terms import TermCourse, TermsFacts
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked

DOUBLE = 0.02
"""How near to 2 the ratio counts as a doubling."""
MOVED = 1e-3
"""Relative change beyond what adding up in another order does to float32."""
FOLLOWS = 0.9
"""Correlation from which on a term is taken for what it follows. Planted .99 or more, healthy .2 at most."""
SEEN = 0.05
"""Noise of a term below which nothing can be seen in it."""
AS_ONE, CALMER, LEAST_BATCH = 0.4, 5.0, 8
MOST = 700.0
"""Logarithm of the largest factor that is said."""
MEANS = frozenset({"reconstruction", "cross_entropy", "binary_cross_entropy"})
"""Kinds of terms that are means over samples, none of which is worth many times the others before much is learned."""
NEITHER = "needs a batch through the network or the records of a run"
WHY_SUM = "gradient and best learning rate then grow with the batch, and a smaller last batch weighs less"
MEAN = Fix("take the mean over the samples (reduction='mean')")
BEFORE_THE_LOOP = "add up over all samples and divide by their number: the reset belongs before the loop"
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
    """A term at more than twice what a network that knows nothing would have (closed form).

    Costs: the first updates undo the initial weights instead of learning; or labels and outputs do not fit.
    Do: scale down the initial weights of the last layer; look at targets and outputs of one batch.
    """
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
def summed_loss(batch: BatchFacts | None = None, terms: TermsFacts | None = None) -> Answer:
    """A term that doubles when every sample of the batch stands in it twice; of a run, one that goes with the number
    of things in the batch (correlation of the logarithms above .9, as in C313).

    Costs: the step grows with the batch: the learning rate means another thing at another batch size.
    Do: take the mean over the samples (reduction='mean').
    Follows from: N901.
    """
    if batch is None:
        return _recorded_sum(terms) if terms is not None else Unchecked(NEITHER)
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
        why=WHY_SUM,
        fix=MEAN,
        figures={f"doubled.{name}": ratio for name, ratio in facts.doubled.items()},
    )


def _recorded_sum(terms: TermsFacts) -> Answer:
    told = [term for term in terms.terms if not math.isnan(term.by_all)]
    if not told:
        return Unchecked("the batches of the run are all of one size")
    summed = [term for term in told if term.by_all > FOLLOWS and term.noise > SEEN and term.by_all > _last(term)]
    if not summed:
        return None
    worst = max(summed, key=lambda term: term.by_all)
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"{worst.name} goes with the size of the batch: a sum over it, not its mean",
        where=f"{worst.num_noise} steps: correlation {worst.by_all:.2f} of ln {worst.name} with ln of the batch's size",
        why=WHY_SUM,
        fix=MEAN,
        figures={f"by_all.{term.name}": term.by_all for term in told},
        because=("N901",),
    )


def _last(term: TermCourse) -> float:
    return 0.0 if math.isnan(term.by_last) else term.by_last


@rule(
    "C313",
    "loss depends on the order of the batch",
    section="loss",
    severity=Severity.ERROR,
    precedence=Precedence.LOSS,
    cost=Cost.BATCH,
)
def order_of_the_batch(
    batch: BatchFacts | None = None, terms: TermsFacts | None = None, plan: PlanFacts | None = None
) -> Answer:
    """A term that changes by more than a thousandth when the same samples stand in another order; of a run, one that
    is of the last sample alone.

    A mean over a batch follows no single sample. Where the step records how many things its last sample holds
    (scalar `units.last`), the correlation of the logarithms tells: above .9. Elsewhere the noise does, of terms that
    are known to be means: the robust deviation of ln term about its running median, above .4 in batches of 8 or more,
    and five times that of another term of the same steps. Measured on the emotion task, seeds 1 to 5, 40 to 80 steps:
    planted .54 to .83 and a correlation of .99 to 1.00, healthy reconstructions .006 to .012 and .04 at most; the
    largest of healthy cross-entropies, in batches of 16, .25.

    Costs: all but a few samples of a batch are not learned from, and the loss jumps from step to step.
    Do: add up over all samples and divide by their number: the reset belongs before the loop.
    Follows from: N901.
    """
    if batch is None:
        return _recorded_last(terms, plan) if terms is not None else Unchecked(NEITHER)
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
        fix=_over_all(plan),
        figures={f"order_change.{name}": change for name, change in facts.order_change.items()},
    )


def _over_all(plan: PlanFacts | None) -> Fix:
    """The mean over all samples; where the task has an option for what a loss is taken over, that."""
    has_option = plan is not None and plan.settings.takes("loss.over", "batch")
    return Fix(BEFORE_THE_LOOP, {"loss.over": "batch"} if has_option else None)


def _recorded_last(terms: TermsFacts, plan: PlanFacts | None) -> Answer:
    """Of a run: by the size of the last sample, else by the noise."""
    following = [term for term in terms.terms if term.by_last > FOLLOWS and term.noise > SEEN]
    noisy = [term for term in terms.terms if _is_of_one(term, terms)]
    told = [term for term in terms.terms if not math.isnan(term.noise)]
    if not following and not noisy:
        return None if told else Unchecked("too few steps to tell the noise of a term")
    worst = max(following or noisy, key=lambda term: term.noise)
    calm = min(told, key=lambda term: term.noise)
    by_last = f"; correlation {worst.by_last:.2f} with the size of the last sample of the batch" if following else ""
    return Hit(
        severity=Severity.ERROR if following else Severity.WARNING,
        confidence=Confidence.PROVEN if following else Confidence.LIKELY,
        summary=f"{worst.name} jumps by a factor of {math.exp(min(worst.noise, MOST)):.2g} from step to step, as one "
        "sample does",
        where=f"{worst.num_noise} steps in batches of {terms.batch_size}: deviation of ln {worst.name} "
        f"{worst.noise:.2g}, of ln {calm.name} {calm.noise:.2g}{by_last}",
        why=f"a mean over {terms.batch_size} samples of such a noise would need single ones that differ by "
        f"{worst.noise * math.sqrt(terms.batch_size):.1f} of their mean; a loop that sets the loss to zero each time "
        f"leaves the last sample alone",
        fix=_over_all(plan),
        figures={
            **{f"noise.{term.name}": term.noise for term in told},
            **{f"by_last.{term.name}": term.by_last for term in told if not math.isnan(term.by_last)},
        },
        because=("N901",),
    )


def _is_of_one(term: TermCourse, terms: TermsFacts) -> bool:
    """Whether a term known to be a mean is as noisy as one sample, and another term of the same steps is not."""
    others = [other.noise for other in terms.terms if other is not term and not math.isnan(other.noise)]
    is_mean = term.kind in MEANS and terms.batch_size >= LEAST_BATCH
    # What follows no count that was recorded is noisy for another reason.
    is_refuted = not math.isnan(term.by_last) and term.by_last <= FOLLOWS
    return is_mean and not is_refuted and term.noise > AS_ONE and bool(others) and term.noise > CALMER * min(others)


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
    """A term that is no scalar, or no term that has a gradient although there are trainable parameters.

    Costs: there is nothing to differentiate: no update changes a weight.
    Do: remove .detach(), .item(), .data, no_grad or NumPy between network and loss; average the term.
    """
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
