"""D109, D115: what training gets of its inputs, and whether the validation gets the same. Pure functions of facts."""

from __future__ import annotations

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.samples.relation import Augmented, Learnt, RelationFacts, Shift
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked

KEPT_NOTHING, KEPT_LITTLE, KEPT_WHOLE = 0.02, 0.15, 0.9
"""Share of what training gets that the stored input explains: where nothing else can be asked; where the answers are
lost too; and from which on one is a mere multiple of the other."""
LOST, GONE = 0.7, 0.6
"""Of the score of the unspoilt, below which it is lost."""
LEARNABLE = 0.3
"""Score from which on the inputs tell what is to be answered."""
FACTOR, DEVIATIONS, OFF_SCALE = 2.0, 2.0, 3.0
"""Of a multiple: how often as large, and by how many deviations moved, training gets its inputs; and how often as large
as those of training the inputs of the validation are stored."""
APART, ALIKE, FAR = 0.95, 0.75, 0.3
"""Area under the curve at which two sets of inputs are of two kinds, below which they are of one; and the distance of
the means."""
ENOUGH = 60
"""Samples of a split without answers from which on its inputs are compared."""


@rule(
    "D109",
    "augmentation that destroys",
    section="data",
    severity=Severity.WARNING,
    precedence=Precedence.DATA,
    cost=Cost.DATA,
)
def destructive_augmentation(relation: RelationFacts) -> Answer:
    """What training gets of its inputs hardly depends on what is stored: less than 15 % of its variance, and a simple
    learner that sees it answers the validation with less than .7 of the score of one that sees what is stored.

    Where there is nothing to answer less than 2 % must be left. Samples that are all alike behind the augmentation
    (2 % of the deviation that is stored) are a finding in any case. Score: 0 at chance, 1 where all is right; from .3
    on it is asked.

    Costs: the network learns from noise; it is as good as its inputs, which say little of what is to be answered.
    Do: look at a few augmented samples beside the stored ones; weaken what cannot be recognised.
    Follows from: D107, D108.
    """
    found = relation.augmented
    if found is None:
        return Unchecked("training gets what is stored, or too few samples")
    if found.alike < KEPT_NOTHING:
        why = "behind the augmentation the samples are all alike: there is nothing left to tell apart"
        return _destroyed(found, f"the deviation that is left is {found.alike:.1%}", why)
    learnt = relation.learnt
    if learnt is None or learnt.across < LEARNABLE:
        why = "what training sees says next to nothing of what is stored, which the validation and the use see"
        return _destroyed(found, _kept(found), why) if found.kept < KEPT_NOTHING else None
    is_lost = found.across < LOST * learnt.across
    is_lost = is_lost and learnt.is_beyond(learnt.across, learnt.num_val, found.across, learnt.num_val)
    if found.kept >= KEPT_LITTLE or not is_lost:
        return None
    why = (
        f"a simple learner that sees what is stored answers the validation with a score of {learnt.across:.2f}, "
        f"one that sees what training gets with {found.across:.2f} (0: chance, 1: all is right)"
    )
    return _destroyed(found, _kept(found), why)


def _kept(found: Augmented) -> str:
    return f"{found.kept:.1%} of what training gets comes from the stored input"


def _destroyed(found: Augmented, summary: str, why: str) -> Hit:
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=summary,
        where=f"train: {found.num_samples} samples behind the augmentation beside those before it",
        why=why,
        fix=Fix("look at a few augmented samples beside the stored ones, and weaken what cannot be recognised"),
        figures={"kept": found.kept, "alike": found.alike, "across": found.across},
        because=("D107", "D108"),
    )


@rule(
    "D115",
    "validation from elsewhere",
    section="data",
    severity=Severity.WARNING,
    precedence=Precedence.DATA,
    cost=Cost.DATA,
)
def validation_from_elsewhere(relation: RelationFacts) -> Answer:
    """The validation does not get what training gets, in one of three ways.

    Training gets each input as a multiple, by 2 or more or less than ½ (or moved by 2 deviations), of what is stored,
    and the validation what is stored; or what is stored for the validation is 3 times as large, or as small. Or what a
    simple learner learns from the training samples does not hold for those of the validation: less than .6 of the score
    that either split reaches by itself, a stretch of it from the rest, so that persons or days of their own explain it
    not. Or, where there is nothing to answer, a learner tells the inputs of the splits apart (area .95) and those of
    the halves of training not, and their means are .3 deviations apart. Where the halves of training are told apart
    themselves (area above .75), as photographs of different things, only the first is said.

    Costs: the validation measures something else than what is learnt; the best checkpoint is chosen by it.
    Do: print one batch of each side by side: range, order of columns, units, preprocessing, source.
    Follows from: D103, D107, D108.
    """
    if relation.augmented is not None and (hit := _multiple(relation.augmented)) is not None:
        return hit
    learnt, shift = relation.learnt, relation.shift
    if shift is None:
        return Unchecked("too few samples, or inputs that cannot be compared")
    if shift.within > ALIKE:
        return Unchecked("the halves of training are as different: its samples are of several origins")
    if min(relation.total_train, relation.total_val) >= ENOUGH and not 1 / OFF_SCALE < shift.scale < OFF_SCALE:
        return _elsewhere(shift, f"its inputs deviate {shift.scale:.3g} times as much as those of training; ")
    if learnt is not None and learnt.within >= LEARNABLE:
        return _untransferred(learnt, shift)
    if learnt is not None or min(relation.total_train, relation.total_val) < ENOUGH:
        return Unchecked("a simple learner cannot answer from these inputs")
    is_elsewhere = shift.area >= APART and shift.within <= ALIKE and shift.distance >= FAR
    return _elsewhere(shift, "") if is_elsewhere else None


def _multiple(found: Augmented) -> Hit | None:
    is_multiple = found.kept >= KEPT_WHOLE and not 1 / FACTOR < found.gain < FACTOR
    if found.kept < KEPT_WHOLE or not (is_multiple or found.offset > DEVIATIONS):
        return None
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.PROVEN,
        summary=f"training gets its inputs {found.gain:.3g} times as large and {found.offset:.2g} deviations moved",
        where=f"train: {found.num_samples} samples behind the augmentation beside those before it",
        why="validation and use get them as they are stored: what is scaled for training only is another input there",
        fix=Fix("scale in `prepare`, which training, validation and use go through, not in `augment`"),
        figures={"gain": found.gain, "offset": found.offset, "kept": found.kept},
        because=("D107", "D108"),
    )


def _untransferred(learnt: Learnt, shift: Shift) -> Hit | None:
    is_lost = learnt.across < GONE * learnt.within and learnt.renumbered < GONE * learnt.within
    if not is_lost or not learnt.is_beyond(learnt.within, learnt.num_val, learnt.across, learnt.num_val):
        return None
    told = (
        f"a simple learner answers within each split with a score of {learnt.within:.2f} and more, the validation from "
        f"the training samples with {learnt.across:.2f} (0: chance, 1: all is right); "
    )
    return _elsewhere(shift, told)


def _elsewhere(shift: Shift, told: str) -> Hit:
    is_other = shift.area >= ALIKE or not 1 / OFF_SCALE < shift.scale < OFF_SCALE
    what = "the inputs of the two are of two kinds" if is_other else "the same inputs have other answers"
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary="what holds in training does not hold in the validation"
        if told
        else "the validation is of another kind",
        where=f"the splits are told apart with an area of {shift.area:.2f} (.5: alike), "
        f"the halves of training with {shift.within:.2f}; means {shift.distance:.2f} deviations apart",
        why=f"{told}{what}",
        fix=Fix("print one batch of each side by side: range, order of columns, units, preprocessing, source"),
        figures={"area": shift.area, "within": shift.within, "distance": shift.distance, "scale": shift.scale},
        because=("D103", "D107", "D108"),
    )
