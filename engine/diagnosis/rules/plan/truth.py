"""L201, L202, R806: whether what is to be answered belongs to its inputs, and whether there is enough of it.

Pure functions of facts. Everything is held against what the other split shows to be possible: where neither split can
be answered the data may just be hard, and nothing is said.
"""

from __future__ import annotations

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.samples.relation import Learnt, RelationFacts
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked

LEARNABLE = 0.3
"""Score from which on the inputs tell what is to be answered."""
NOTHING = 0.05
"""Score up to which they tell nothing, besides what chance gives."""
RENUMBERED = 0.8
"""Of the score within the splits, that an exchange of classes brings back."""
LITTLE, RATHER_LITTLE = 0.35, 0.6
"""Of the score within a split, up to which nothing comes over from the other; of few columns some does by chance."""
MOST_UNLIKE, SIMILAR = 10.0, 5.0
"""Ratio of the shares of a class in the two splits, from which on their scores are of different questions."""
ORIGINS = 0.75
"""Area at which a learner tells the halves of training apart, above which they are of different things."""
SAME_INPUTS = 0.8
"""Area under the curve of a learner that tells the splits apart, up to which their inputs are alike."""
GRAVE_NOISE, SOME_NOISE = 0.15, 0.05
FEW_BESIDE, HALVED = 0.5, 1.5
"""Training samples in terms of the validation's; and how much more is wrong for want of samples."""
CANNOT = "a simple learner cannot answer from these inputs, or there are too few of them"


@rule(
    "L201",
    "answers that do not belong to the inputs",
    section="labels",
    severity=Severity.WARNING,
    precedence=Precedence.SAMPLER,
    cost=Cost.DATA,
)
def mismatched_answers(relation: RelationFacts) -> Answer:
    """One split can be answered from its inputs and the other cannot, or only with the classes exchanged.

    A simple learner is asked left-one-out within each split, and from one to the other; scores are 0 at chance and 1
    where all is right. One side at .3 or more, the other at chance within four standard errors: its labels or targets
    stand beside other inputs than their own. Or both can be answered, one from the other cannot, and after an exchange
    of classes, one for one, it can (.8 of it). Where neither split can be answered nothing is said, nor where the
    halves of training are of different origins (told apart with an area above .75), as photographs of different things.

    Costs: shuffled in training nothing is learnt but by heart; shuffled or numbered otherwise in the validation
    nothing good is seen there.
    Do: check how inputs and labels were joined (order, ids, sorting, class folders); look at eight samples of each.
    Follows from: D101, D103, D107, D108, L203, L207.
    """
    learnt = relation.learnt
    if learnt is None or learnt.unlike > MOST_UNLIKE:
        return Unchecked(CANNOT if learnt is None else "the splits have their classes in too different shares")
    train, val = max(learnt.train, learnt.train_apart), max(learnt.val, learnt.val_apart)
    if relation.shift is not None and relation.shift.within > ORIGINS:
        return Unchecked("the halves of training are of different origins: what one teaches need not hold elsewhere")
    if max(train, val) < LEARNABLE:
        return Unchecked(CANNOT)
    is_renumbered = learnt.renumbered >= RENUMBERED * learnt.within and learnt.across < LITTLE * learnt.renumbered
    if learnt.within >= LEARNABLE and is_renumbered:
        return _renumbered(learnt)
    for split, score, count, other, of_other in (
        ("train", train, learnt.num_train, val, learnt.num_val),
        ("val", val, learnt.num_val, learnt.within_train, learnt.num_train),
    ):
        at_chance = score < NOTHING + 2 * learnt.error(0, count) and learnt.across < RATHER_LITTLE * other
        if at_chance and other >= LEARNABLE and learnt.is_beyond(other, of_other, score, count):
            return _shuffled(learnt, split, score, other)
    return None


def _renumbered(learnt: Learnt) -> Hit:
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary="the classes are numbered otherwise in the validation than in training",
        where=f"{learnt.num_train} training and {learnt.num_val} validation samples, {learnt.num_classes} classes",
        why=f"from the training samples the validation is answered with a score of {learnt.across:.2f}, "
        f"with the classes exchanged one for one with {learnt.renumbered:.2f} (0: chance, 1: all is right)",
        fix=Fix("number the classes by one list for both splits: sorted names, not the order of finding"),
        figures={"across": learnt.across, "renumbered": learnt.renumbered, "within": learnt.within},
        because=("D101", "D103", "L207", "L203"),
    )


def _shuffled(learnt: Learnt, split: str, score: float, other: float) -> Hit:
    what, beside = ("training", "validation") if split == "train" else ("validation", "training")
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"the inputs of the {what} say nothing of its {'labels' if learnt.num_classes else 'targets'}",
        where=f"{split}: {learnt.num_train if split == 'train' else learnt.num_val} samples, each asked of the others",
        why=f"a simple learner answers them with a score of {score:.2f}, those of the {beside} with {other:.2f} "
        "(0: chance, 1: all is right): inputs and answers were joined in another order",
        fix=Fix("check how inputs and labels were joined (order, ids, folders); look at eight samples of each"),
        figures={"score": score, "other": other, "across": learnt.across},
        because=("D101", "D103", "D107", "D108", "L203", "L207"),
    )


@rule(
    "L202",
    "label noise",
    section="labels",
    severity=Severity.WARNING,
    precedence=Precedence.SAMPLER,
    cost=Cost.DATA,
)
def label_noise(relation: RelationFacts) -> Answer:
    """Labels of training that what the training samples teach contradicts, while it is right about the validation.

    The score of a simple learner on training samples left out one by one, beside its score on the validation: with the
    same inputs in both and the classes in similar shares both are the same, but for labels of training that are wrong.
    One less their ratio is the share of those: more than 15 % warns, more than 5 % informs, both only beyond four
    standard errors.

    Costs: a floor of the loss, slower learning, and wrong labels learnt by heart later on.
    Do: look at the samples whose label the others contradict; a robust loss, label smoothing, an early end.
    Follows from: D101, D103, L201, L203, L207.
    """
    learnt, shift = relation.learnt, relation.shift
    if learnt is None or shift is None or not learnt.num_classes:
        return Unchecked(CANNOT if learnt is None else "targets that are no classes may be noisy by nature")
    if learnt.across < LEARNABLE:
        return Unchecked(CANNOT)
    if learnt.unlike > SIMILAR or shift.area > SAME_INPUTS:
        return Unchecked("the splits differ in more than their labels")
    score = max(learnt.train, learnt.train_apart)
    share = 1 - score / learnt.across
    if share < SOME_NOISE or not learnt.is_beyond(learnt.across, learnt.num_val, score, learnt.num_train):
        return None
    return Hit(
        severity=Severity.WARNING if share >= GRAVE_NOISE else Severity.INFO,
        confidence=Confidence.LIKELY,
        summary=f"about {share:.0%} of the training labels contradict what the others teach",
        where=f"train: {learnt.num_train} samples, each asked of the others; {learnt.num_val} of the validation",
        why=f"a simple learner is right about the validation with a score of {learnt.across:.2f}, about training "
        f"samples that it has not seen with {score:.2f} (0: chance, 1: all is right)",
        fix=Fix("look at the samples whose label the others contradict; label smoothing, a robust loss, an early end"),
        figures={"share": share, "across": learnt.across, "train": score},
        because=("D101", "D103", "L201", "L203", "L207"),
    )


@rule(
    "R806",
    "too few samples",
    section="data",
    severity=Severity.WARNING,
    precedence=Precedence.CAPACITY,
    cost=Cost.DATA,
)
def too_few_samples(relation: RelationFacts) -> Answer:
    """A training split less than half as large as the validation, from which less is learnt than from the latter.

    What a simple learner leaves wrong of the validation is 1.5 times as much, and beyond four standard errors, when it
    learns from the training split as when it learns from the other validation samples; the inputs of both are alike,
    and the labels of training no worse.

    Costs: the samples are learnt by heart, and what is new is answered as well as so few allow.
    Do: exchange the splits, or train on most of the data; else fewer parameters, augmentation, a pretrained network.
    Follows from: D101, D103, D109, L201, L202, L207.
    """
    learnt, shift = relation.learnt, relation.shift
    if relation.total_train >= FEW_BESIDE * relation.total_val:
        return None
    if learnt is None or shift is None or shift.area > SAME_INPUTS or learnt.unlike > SIMILAR:
        return Unchecked(CANNOT if learnt is None else "the splits differ in more than their size")
    is_worse = 1 - learnt.across >= HALVED * (1 - learnt.val)
    is_worse = is_worse and learnt.is_beyond(learnt.val, learnt.num_val, learnt.across, learnt.num_val)
    is_noisy = learnt.is_beyond(learnt.across, learnt.num_val, learnt.train, learnt.num_train)
    if not is_worse or is_noisy or learnt.val < LEARNABLE:
        return None
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"{relation.total_train:,} samples train, {relation.total_val:,} validate",
        where=f"a simple learner after {learnt.num_train} training samples, and after {learnt.num_val} of validation",
        why=f"it answers the validation with a score of {learnt.across:.2f} and {learnt.val:.2f} (0: chance, 1: all is "
        "right): more samples would teach more, and a network has these by heart long before",
        fix=Fix("train on most of the data; else fewer parameters, augmentation, or a pretrained network"),
        figures={"train": relation.total_train, "val": relation.total_val, "across": learnt.across},
        because=("D101", "D103", "D109", "L201", "L202", "L207"),
    )
