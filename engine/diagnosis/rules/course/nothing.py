"""L201, E1017, C302 of a log: a validation that knows nothing, and boxes that match no label. Pure functions."""

from __future__ import annotations

import math

import numpy as np

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.foreign import AnswerFacts, ForeignFacts
from trainctl.engine.diagnosis.facts.run import RecordFacts
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked
from trainctl.engine.diagnosis.logs.course import ends, is_by_epoch, training_loss, validation_loss
from trainctl.engine.diagnosis.logs.facts import LogFacts, Series
from trainctl.engine.diagnosis.logs.metrics import accuracies, is_of_batches, jitter, levels
from trainctl.engine.diagnosis.logs.names import TEST, TRAIN, VAL, Kind
from trainctl.engine.diagnosis.logs.vocabulary import DETERMINATIONS

EPOCHS = 15
"""Validations after which a network that learns is no longer at chance."""
MOST_CLASSES = 100
NEAR_SHARE, NEAR_LOSS = 0.15, 0.03
"""How near to 1/C, relative to it, an accuracy stays, and to ln C a loss, where C is read off both."""
BOXES = frozenset({"box", "bbox", "iou", "giou", "ciou", "diou", "dfl", "reg"})
FEW = 4
NO_MORE, EVER = 0.02, 0.1
"""A coefficient of determination that says nothing, and one that was something; and the share of a loss that knowing
nothing gives, by which one that knows something is lower."""
BY_HEART, VALIDATIONS, STEPS = 0.03, 5, 200
WITHIN = 0.25
"""Of what a loss falls, the share that falls within epochs, below which it is learned by heart. Of three programs it
was .97 to 1.6 as they are, and -1.3 to .1 with labels of others."""
NOTHING_OF_USE = "nothing of the inputs is of use for the answers: they may stand beside other inputs than their own"
BY_HEART_ALONE = (
    "the samples are learned by heart, and nothing that holds for others: answers may stand beside other inputs than "
    "their own"
)
BECAUSE = ("N901", "N902", "O601", "O602", "G701")


@rule(
    "L201",
    "validation at chance",
    section="labels",
    severity=Severity.WARNING,
    precedence=Precedence.SAMPLER,
    cost=Cost.RECORDS,
    of_log=True,
)
def at_chance(log: LogFacts, foreign: ForeignFacts | None = None, records: RecordFacts | None = None) -> Answer:
    """The accuracy of the validation never leaves 1/C by more than three deviations of its noise, and at most by 15 %
    of itself, over 15 epochs or more.

    C is the one that was given; else it is read off, where a loss stands within .03 of ln C too: two witnesses.

    Of a watched loop it is known what a cross-entropy is worth to a network that knows the frequencies of the classes
    and nothing of its inputs: the entropy of the answers in the first steps. In five validations or more none is 2 %
    below it, while the training loss falls by 3 % and two standard errors below its own: the samples are learned by
    heart, one by one. Or neither ever comes below, in 200 steps or more of a training that is over. Or, where nothing
    is validated, a loss whose first epoch was no lower falls by 3 % from epoch to epoch and not within them (less than
    a quarter of it, and two standard errors): only samples that come again are answered better.

    Costs: the network has learned nothing that holds outside of its samples, or nothing at all.
    Do: where the training loss falls, compare inputs and labels of the validation with those of the training (order,
    ids, normalisation); else look at labels, gradient and rate.
    Follows from: N901, N902, O601, O602, G701, D101, D102, G702, G706, G711, O612, O613.
    """
    if (blind := _blind(log, foreign, records)) is not None:
        return blind
    judged = [one for one in _of_validation(log) if len(one.finite) >= EPOCHS and is_by_epoch(log, one)]
    if not judged:
        return Unchecked(f"needs the accuracies of {EPOCHS} epochs")
    series = max(judged, key=lambda one: one.meaning.split == VAL)
    values = series.finite / (100 if series.column.is_percent or series.finite.max() > 1.5 else 1)
    classes = log.num_classes or _classes(log, float(np.median(values)))
    if classes is None or classes < 2:
        return Unchecked("the number of classes is not known: --classes K names it")
    level, chance = levels(values), 1 / classes
    width = min(NEAR_SHARE * chance, max(3 * jitter(values), 0.02 * chance))
    if np.abs(level - chance).max() > width:
        return None
    train = training_loss(log)
    told = ""
    if train is not None and len(train.finite) > 1:
        first, last = ends(train.finite)
        told = f"; {train.name} {first:.4g} to {last:.4g}" + (": it learns its samples" if last < 0.9 * first else "")
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"{series.name} stays at {float(np.median(values)):.3f}, chance is 1/{classes} = {chance:.3f}",
        where=f"{log.where(series, 0)} to {log.where(series, len(series.values) - 1)}; {len(values)} epochs",
        why=f"a network that guesses answers one in {classes} rightly{told}",
        fix=Fix(
            "compare inputs and labels of validation and training by hand (order, class ids, normalisation, eval()); "
            "then the labels' order in training, gradient and rate"
        ),
        figures={"accuracy": float(np.median(values)), "chance": chance, "epochs": len(values)},
        because=BECAUSE,
    )


def _of_validation(log: LogFacts) -> list[Series]:
    return [one for one in accuracies(log) if one.meaning.split != TRAIN and not is_of_batches(one)]


def _blind(log: LogFacts, foreign: ForeignFacts | None, records: RecordFacts | None) -> Hit | None:
    """The same by what the frequencies of the answers are worth, where they were counted."""
    answers, train, val = None if foreign is None else foreign.answers, training_loss(log), validation_loss(log)
    if answers is None or records is None or train is None or len(train.finite) < 2 * FEW:
        return None
    level, last = float(levels(train.finite).min()), ends(train.finite)[1]
    is_told = val is not None and len(val.finite) >= VALIDATIONS
    if is_told and val is not None and float(levels(val.finite).min()) < (1 - NO_MORE) * answers.entropy:
        return None
    is_blind = level > (1 - NO_MORE) * answers.loss and records.is_over and records.num_steps >= STEPS
    tenth = max(len(train.finite) // 10, 1)
    fallen = answers.loss - last
    has_fallen = fallen > BY_HEART * answers.loss and fallen > 2 * jitter(train.finite) / math.sqrt(tenth)
    is_by_heart = has_fallen if is_told else _falls_between(foreign, answers)
    if not is_blind and not is_by_heart:
        return None
    held = f"{val.name} is {val.finite.min():.4g} at best" if is_told and val is not None else "nothing is validated"
    counted = f"{records.num_steps:,} steps; {answers.count:,} answers of {answers.classes:,} classes were counted"
    stairs = None if foreign is None or is_told else foreign.stairs
    if is_blind:
        summary = f"the loss is {level:.4g} at best: the frequencies of the answers alone give {answers.loss:.4g}"
    elif stairs is None:
        summary = f"{held}: the frequencies of the answers alone give {answers.entropy:.4g}"
    else:
        summary = (
            f"{train.name} fell by {stairs.fallen:.3g} between {stairs.epochs} epochs, {stairs.within:.3g} in them"
        )
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=summary,
        where=f"{counted}; {held}" if is_blind else f"{counted}; {train.name} is {last:.4g} at the end",
        why=NOTHING_OF_USE if is_blind else BY_HEART_ALONE,
        fix=Fix("check how inputs and labels are joined (order, ids, sorting); look at eight samples; then the rate"),
        figures={"loss": level, "chance": answers.loss, "answers": answers.count},
        because=(*BECAUSE, "D101", "D102", "G702", "G706", "G711", "O612", "O613"),
    )


def _falls_between(foreign: ForeignFacts | None, answers: AnswerFacts) -> bool:
    """Whether a loss that began at what knowing nothing gives fell from epoch to epoch, and within none of them."""
    stairs = None if foreign is None else foreign.stairs
    if stairs is None or stairs.first < (1 - NO_MORE) * answers.loss or stairs.fallen <= BY_HEART * answers.loss:
        return False
    return stairs.within < WITHIN * stairs.fallen and stairs.fallen - stairs.within > 2 * stairs.error


def _classes(log: LogFacts, share: float) -> int | None:
    """The number of classes that both an accuracy and a loss tell; None: they do not agree."""
    if not 1 / MOST_CLASSES <= share <= 0.6:
        return None
    count = round(1 / share)
    losses = [one.finite for one in log.of(Kind.TOTAL) if len(one.finite) >= FEW]
    is_told = any(abs(float(np.median(one)) - math.log(count)) <= NEAR_LOSS for one in losses)
    return count if is_told and abs(share - 1 / count) <= NEAR_SHARE / count else None


@rule(
    "E1017",
    "no better than one constant answer",
    section="evaluation",
    severity=Severity.WARNING,
    precedence=Precedence.CAPACITY,
    cost=Cost.RECORDS,
    of_log=True,
)
def no_better_than_constant(log: LogFacts) -> Answer:
    """A coefficient of determination (R²) that was never above .1, and at most .02 in the newest three of five
    evaluations or more: 1 − R² is the error in units of that of the mean, answered always.

    Costs: what the network says of a sample does not depend on the sample.
    Do: scale the targets, look at the gradient and the learning rate, then at what belongs to which sample.
    Follows from: N901, N902, O601, O602, O604, G701.
    """
    named = [one for one in log.of(Kind.SCORE) if one.meaning.words & DETERMINATIONS and len(one.finite) >= FEW + 1]
    judged = [one for one in named if one.meaning.split != TRAIN] or named
    if not judged:
        return Unchecked("no coefficient of determination is named, which says what a constant answer is worth")
    series = max(judged, key=lambda one: one.meaning.split == VAL)
    newest = series.finite[-3:]
    if float(newest.max()) > NO_MORE or float(series.finite.max()) > EVER:
        return None
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"{series.name} is {float(newest[-1]):.3g}: no better than the mean, answered always",
        where=f"{log.where(series, 0)} to {log.where(series, len(series.values) - 1)}; best {series.finite.max():.3g}",
        why="R² = 1 − error/variance of the targets: at 0 the answers do not depend on the samples, below they mislead",
        fix=Fix("scale the targets, look at gradient and learning rate, then at which target belongs to which sample"),
        figures={"last": float(newest[-1]), "best": float(series.finite.max())},
        because=("N901", "N902", "O601", "O602", "O604", "G701"),
    )


@rule(
    "C302",
    "no box is matched",
    section="labels",
    severity=Severity.WARNING,
    precedence=Precedence.SAMPLER,
    cost=Cost.RECORDS,
    of_log=True,
)
def no_boxes(log: LogFacts) -> Answer:
    """Every term of a detector's loss on boxes is exactly 0 in each of four rows or more while another term is not.

    Terms of another name may be 0 because they are switched off, and are not judged.

    Costs: the detector learns that there is nothing to detect.
    Do: check that labels are found and read (paths, format, class ids), and that their boxes lie inside the image.
    Follows from: N901.
    """
    terms = [one for one in log.of(Kind.TERM) if one.meaning.split not in (VAL, TEST)]
    boxes = [one for one in terms if one.meaning.words & BOXES]
    if not boxes:
        return Unchecked("no loss on boxes is named")
    others = [one for one in terms if one not in boxes and _is_something(one)]
    judged = [one for one in boxes if len(one.values) >= FEW]
    if len(judged) < len(boxes) or not others or not any(one.meaning.words & BOXES - {"reg"} for one in boxes):
        return None
    if any(np.nan_to_num(one.values, nan=1.0).any() for one in boxes):
        return None
    first = boxes[0]
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"{', '.join(one.name for one in boxes)} {'are' if len(boxes) > 1 else 'is'} exactly 0",
        where=f"{log.where(first, 0)} to {log.where(first, len(first.values) - 1)}; {len(first.values):,} values",
        why=f"{others[0].name} is {others[0].finite[-1]:.4g}: only a batch without any matched box has none of theirs",
        fix=Fix("check that label files are found and read: paths, format, class ids, boxes relative to the image"),
        figures={"values": len(first.values)},
        because=("N901",),
    )


def _is_something(series: Series) -> bool:
    return len(series.finite) >= FEW and bool((series.finite != 0).all())
