"""L203, L207: labels that cannot be right, whatever the network. Pure functions of evidence."""

from __future__ import annotations

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.data import LabelFacts, OverlapFacts, SplitLabels
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked

CONTRADICTED_SHARE = 0.005
"""Of all samples, from which equal inputs with different labels are worth a word."""


@rule(
    "L203",
    "labels outside the classes",
    section="labels",
    severity=Severity.ERROR,
    precedence=Precedence.SAMPLER,
    cost=Cost.DATA,
)
def labels_outside(labels: LabelFacts) -> Answer:
    """Labels below 0 or from C on, in any split: one is enough.

    Costs: a loss that looks the class up fails (on a GPU with a device assert); any other learns a class too many.
    Do: count labels from 0, and leave out samples that have none.
    """
    for split in labels.splits:
        if split.num_outside:
            return _outside(split, len(labels.classes))
    return None


def _outside(split: SplitLabels, num_classes: int) -> Hit:
    place = f"e.g. {split.example}" if split.example else f"{split.split} split"
    what = f"{split.num_outside:,} of {split.num_samples:,} {split.split} labels"
    return Hit(
        severity=Severity.ERROR,
        confidence=Confidence.PROVEN,
        summary=f"{what} lie outside 0..{num_classes - 1}",
        where=f"{place}; labels run from {split.lowest} to {split.highest}",
        why="a loss that looks the class up fails on them (on a GPU with a device assert), any other learns them as a "
        "class of their own",
        fix=Fix(
            f"map the labels to 0..{num_classes - 1} (counting from 1 is the usual reason), and leave out "
            "samples that have none"
        ),
        figures={
            "outside": split.num_outside,
            "lowest": split.lowest,
            "highest": split.highest,
            "classes": num_classes,
        },
    )


@rule(
    "L207",
    "conflicting labels for one input",
    section="labels",
    severity=Severity.WARNING,
    precedence=Precedence.DATA,
    cost=Cost.DATA,
)
def labels_contradict(overlap: OverlapFacts) -> Answer:
    """Equal samples with different labels: more than 0.5 % of both splits.

    Costs: the loss cannot fall below what the contradiction costs; the network learns a mean of both.
    Do: look at them and keep one label each, or leave them out.
    """
    leak = overlap.leak
    if leak is None:
        return Unchecked(overlap.leak_missing or "samples were not compared")
    if not leak.num_labelled:
        return Unchecked("labels of equal samples were not compared")
    share = leak.num_contradicted / leak.num_labelled
    if share <= CONTRADICTED_SHARE:
        return None
    example = f", e.g. {leak.contradiction[0]} and {leak.contradiction[1]}" if leak.contradiction else ""
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.PROVEN,
        summary=f"{leak.num_contradicted:,} of {leak.num_labelled:,} samples have an equal with another label "
        f"({share:.1%})",
        where=f"equal byte for byte{example}",
        why="no network can be right about both: the loss has a floor above zero, and what is measured on them is "
        "decided by the label they happen to have",
        fix=Fix("look at them and keep one label each, or leave them out (one file linked into two folders is usual)"),
        figures={"contradicted": leak.num_contradicted, "labelled": leak.num_labelled, "share": share},
    )
