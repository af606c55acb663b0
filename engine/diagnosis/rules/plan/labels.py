"""L203: labels that cannot be right, whatever the network. Pure functions of evidence."""

from __future__ import annotations

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.data import LabelFacts, SplitLabels
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity


@rule(
    "L203",
    "labels outside the classes",
    section="labels",
    severity=Severity.ERROR,
    precedence=Precedence.SAMPLER,
    cost=Cost.DATA,
)
def labels_outside(labels: LabelFacts) -> Answer:
    """Labels below 0 or from C on, in any split."""
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
