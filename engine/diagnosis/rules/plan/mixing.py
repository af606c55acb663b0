"""G710: samples of a batch that reach each other's results. Pure functions of facts."""

from __future__ import annotations

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.network import BatchFacts
from trainctl.engine.diagnosis.facts.watched.mixing import MOVED, MixingFacts
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked

LOOK = "look for view or reshape where permute is meant, softmax(0), a sequence model that wants batch_first=True"


@rule(
    "G710",
    "samples mixed with each other",
    section="gradient flow",
    severity=Severity.ERROR,
    precedence=Precedence.MECHANICS,
    cost=Cost.BATCH,
)
def mixed_samples(batch: BatchFacts) -> Answer:
    """Results of a sample that change by more than a thousandth of what its own would, when another sample of the batch
    is exchanged, in evaluation mode and under the same random numbers. Or a softmax over the samples of the batch.

    The results are the network's outputs, where it is called as a whole, else the columns of the step. Where a term of
    the loss is contrastive nothing is said, and a table of all pairs may have a column for each sample.

    Costs: what is learnt is an answer to the batch; with other samples beside it, a sample gets another answer.
    Do: look for view or reshape where permute is meant, softmax(0), a sequence model that wants batch_first=True.
    """
    if batch.contrast is not None:
        return Unchecked("a term of the loss compares the samples of a batch")
    mixing = batch.mixing
    if mixing is not None and not mixing.missing and mixing.moved > MOVED:
        return _hit(batch, mixing)
    if batch.softmaxes:
        return _softmax(batch)
    if mixing is None or mixing.missing:
        return Unchecked(mixing.missing if mixing else "not tried")
    return None


def _hit(batch: BatchFacts, mixing: MixingFacts) -> Hit:
    by = f"; softmax over the batch in {batch.softmaxes[0].place}" if batch.softmaxes else ""
    others = mixing.num_samples - 1
    return Hit(
        severity=Severity.ERROR,
        confidence=Confidence.PROVEN,
        summary=f"exchanging one sample changes the results of {mixing.num_moved} of the {others} others",
        where=f"{mixing.num_samples} samples, evaluation mode: by up to {mixing.moved:.1%} of its own change{by}",
        why="an operation runs over the samples where it should run within one: the answer depends on the company",
        fix=Fix(LOOK),
        figures={"moved": mixing.moved, "samples_moved": mixing.num_moved, "samples": mixing.num_samples},
    )


def _softmax(batch: BatchFacts) -> Hit:
    softmax = batch.softmaxes[0]
    rows, columns = softmax.shape
    return Hit(
        severity=Severity.ERROR,
        confidence=Confidence.LIKELY,
        summary=f"a softmax runs over the {rows} samples of the batch, not over the {columns} classes",
        where=f"{softmax.place}: shape ({rows}, {columns}), dimension 0",
        why="each sample's probability then depends on the others, and those of one sample do not add up to 1",
        fix=Fix("softmax over the classes: dim=1, or dim=-1"),
        figures={"samples": rows, "classes": columns},
    )
