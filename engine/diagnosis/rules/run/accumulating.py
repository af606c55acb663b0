"""O612: gradients that are never cleared, as the norms of a run show them. Pure functions of evidence."""

from __future__ import annotations

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.foreign import ForeignFacts
from trainctl.engine.diagnosis.facts.norms import NormFacts
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked

GROWN, SMOOTH = 8.0, 0.02
"""Of 450 trainings, healthy and faulty: those that never clear have grown 24 to 1,000 times at a roughness of at most
.003; of the others none that had grown 8 times was smoother than .05, and none smoother than .018 had grown."""

CLEAR = Fix("call optimizer.zero_grad() at every step, before backward; accumulate on purpose only over a few")


@rule(
    "O612",
    "gradients are never cleared",
    section="optimiser and schedule",
    severity=Severity.ERROR,
    precedence=Precedence.MECHANICS,
    cost=Cost.RECORDS,
)
def never_cleared(norms: NormFacts | None = None, foreign: ForeignFacts | None = None) -> Answer:
    """Each of the steps of a watched loop that were looked at, three or more, began with the gradients that the step
    before it had used: neither gone nor 0.

    Where that was not seen: the gradient norm has grown more than 8 times since the first two steps, and from one step
    to the next it changes by less than 2 % (median of the newest 200).

    The norm of a batch's own gradient differs from that of the next batch by far more: so little is what is left of one
    batch in a sum over all batches so far.

    Costs: each update follows a sum over the whole past, like a momentum that never forgets; the rate has to be tiny,
    and the network circles.
    Do: optimizer.zero_grad() at every step, before backward.
    """
    is_kept = None if foreign is None else foreign.is_never_cleared
    if is_kept is not None:
        return _seen(foreign) if is_kept else None
    if norms is None:
        return Unchecked("the run has too few steps with a gradient")
    if norms.last <= GROWN * norms.first or norms.roughness >= SMOOTH:
        return None
    return Hit(
        severity=Severity.ERROR,
        confidence=Confidence.LIKELY,
        summary=f"the gradient norm has grown from {norms.first:.3g} to {norms.last:.3g} "
        f"and changes by {norms.roughness:.2%} a step",
        where=f"to step {norms.num_steps:,}",
        why="gradients of single batches differ by far more from one step to the next: these are sums over all batches",
        fix=CLEAR,
        figures={"first": norms.first, "last": norms.last, "roughness": norms.roughness},
    )


def _seen(foreign: ForeignFacts | None) -> Hit:
    assert foreign is not None and foreign.uncleared is not None
    kept, count = foreign.uncleared
    return Hit(
        severity=Severity.ERROR,
        confidence=Confidence.PROVEN,
        summary="each step begins with the gradients of the step before",
        where=f"{kept} of the {count} steps that were looked at",
        why="what backward adds is added to the sum over all batches so far",
        fix=CLEAR,
        figures={"uncleared": kept, "steps": count},
    )
