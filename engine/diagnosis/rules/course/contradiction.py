"""E1008 of a log: metrics that contradict the loss beside them. Pure functions of a log.

A sample that is answered wrongly gives its class at most half of the probability, which costs ln 2 or more.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked
from trainctl.engine.diagnosis.logs.course import ends, is_by_epoch, training_loss
from trainctl.engine.diagnosis.logs.facts import LogFacts, Series
from trainctl.engine.diagnosis.logs.metrics import ACCURACIES, accuracies, is_of_policy
from trainctl.engine.diagnosis.logs.names import TRAIN, VAL, Kind
from trainctl.engine.diagnosis.logs.table import Floats
from trainctl.engine.diagnosis.rules.course.measured import is_of_rivals

EQUAL, NEWEST = 5, 3
"""Evaluations of an accuracy, and newest values of both, that are judged."""
HARDLY_ANY = 0.02
OF_SEQUENCES = frozenset({"seq", "sequence", "sentence", "word", "words", "line", "exact", "match", "string"})
ALL_ZERO, FALLEN = 8, 0.8
"""Evaluations of exactly 0, and what of the loss is left meanwhile, that together say it is no figure."""
OVERLAPS = frozenset({"dice", "miou", "jaccard", "f1", "fscore", "fmeasure"})
"""Shares that are 0 where nothing is found; not of boxes, which come late."""
LONG, FINE = 10, 5e-5
"""Epochs in which nothing was ever found from which on it is no slow beginning, and the rounding of that 0."""
SURE = 1.4
"""Cross-entropy below which the right class has a quarter of the probability: never to be the first is no accuracy."""
ENTROPIES, SPELLED_OUT = frozenset({"ce", "crossentropy", "xent", "nll", "mlogloss"}), frozenset({"cross", "entropy"})
OF_LABELS = frozenset({"binary", "bce"})
"""Words of a loss that may be of many labels a sample, of which an accuracy may count those with all of them right."""
OTHERS = frozenset({"focal", "mse", "mae", "l1", "l2", "hinge", "triplet", "margin", "dice", "contrastive", "huber"})
PERPLEXITIES = frozenset({"ppl", "perplexity"})
SOME_WRONG, FAR, FARTHER = 0.05, 50.0, 200.0
"""Share that is answered wrongly, by how much less than that costs a loss is, and a cross-entropy: where a sample is a
sequence, its loss may be a mean over as many parts."""


@rule(
    "E1008",
    "metric contradicts the loss",
    section="evaluation",
    severity=Severity.WARNING,
    precedence=Precedence.SAMPLER,
    cost=Cost.RECORDS,
    of_log=True,
)
def contradicting_metric(log: LogFacts) -> Answer:
    """An accuracy that is never above 2 % in five evaluations or more, beside a loss that no network so bad can have.

    A sample that is answered wrongly gives its class at most half of the probability, so that a mean cross-entropy L
    leaves at least 1 − L/ln 2 of the samples answered rightly. Judged at the median of the newest three losses, or
    logarithms of a perplexity, of the same split where it has any, where that share is above 10 %: then it is no
    cross-entropy, and an accuracy means nothing, or the accuracy is counted wrongly.

    An accuracy that is exactly 0 in all of eight values while the loss falls by a fifth counts as well: of a validation
    one of any name (not of sequences, which come late) that is the only figure of its kind; else a plain one beside a
    cross-entropy below 1.4.

    A share of what is to be found, not of boxes (Dice, mean IoU, F1), that is exactly 0 in all of five epochs, and each
    other one of its split with it, while the loss falls: information; a warning in ten, of four digits, while it falls
    by a fifth.

    The other way round 5 % or more that are answered wrongly cost ln 2 each at least: a loss whose median of the newest
    three values is below a fiftieth of that is hardly of the same samples (information); a cross-entropy below a two
    hundredth is not.

    Costs: the metric says nothing; a checkpoint that is chosen by it is any.
    Do: for a regression a mean error instead; else compare answers and labels by hand (types, shapes, whole division).
    Follows from: N901, N902, O604.
    """
    judged = [one for one in accuracies(log) if len(one.finite) >= EQUAL and not is_of_rivals(log, one)]
    pairs = [(one, loss) for one in judged if (loss := _loss_beside(log, one)) is not None]
    hits = [_contradiction(log, one, *loss) for one, loss in pairs]
    hits += [_nothing_at_all(log), *(_never_right(log, one) for one in judged), _finds_nothing(log), _too_cheap(log)]
    hit = next((hit for hit in hits if hit is not None), None)
    if hit is None and not judged:
        return Unchecked(f"needs {EQUAL} values of an accuracy")
    if hit is None and not pairs:
        return Unchecked("no loss of the accuracy's split is named")
    return hit


def _nothing_at_all(log: LogFacts) -> Hit | None:
    """The one figure of how good the validation is, where it is 0 throughout though the network learns."""
    told, losses = log.of(Kind.RATE, Kind.CORRELATION, split=VAL), log.of(Kind.TOTAL, split=VAL)
    if len(told) != 1 or not losses or len(told[0].values) < ALL_ZERO or (told[0].values != 0).any():
        return None
    if not told[0].meaning.words & ACCURACIES or told[0].meaning.words & OF_SEQUENCES:
        return None
    series, (first, last) = told[0], ends(losses[0].finite) if len(losses[0].finite) > 1 else (0.0, 0.0)
    if not 0 <= last <= FALLEN * first or first <= 0:
        return None
    return _zero(log, series, losses[0], first, last)


def _zero(log: LogFacts, series: Series, loss: Series, first: float, last: float) -> Hit:
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"{series.name} is exactly 0 in all {len(series.values):,} evaluations",
        where=f"{log.where(series, 0)} to {log.where(series, len(series.values) - 1)}",
        why=f"{loss.name} went from {first:.4g} to {last:.4g} meanwhile: the network learns, the metric does not "
        "see it",
        fix=Fix("compare answers and truth of one batch by hand: type, shape, order, threshold, whole division"),
        figures={"evaluations": len(series.values), "first": first, "last": last},
    )


def _loss_beside(log: LogFacts, series: Series) -> tuple[Series, Floats] | None:
    """A loss and its finite values, of the split of a metric; else the logarithm of a perplexity.

    Where the metric names no split and no such loss is logged, that of the training if it is the only one.
    """
    split = series.meaning.split
    losses, every = log.of(Kind.TOTAL, split=split), log.of(Kind.TOTAL)
    if not losses and not split and {one.meaning.split for one in every} == {TRAIN}:
        losses = every
    loss = max(losses, key=lambda one: len(one.finite), default=None)
    if loss is not None:
        return loss, loss.finite
    found = [one for one in log.of(Kind.ERROR, split=split) if one.meaning.words & PERPLEXITIES]
    perplexity = max(found, key=lambda one: len(one.finite), default=None)
    if perplexity is None or not len(perplexity.finite) or perplexity.finite.min() < 1:
        return None
    return perplexity, np.log(perplexity.finite)


def _never_right(log: LogFacts, accuracy: Series) -> Hit | None:
    """A plain accuracy of exactly 0 throughout though a cross-entropy says that right classes are likely."""
    values = accuracy.values
    if len(values) < ALL_ZERO or (values != 0).any():
        return None
    beside = [one for one in log.of(Kind.TERM, Kind.TOTAL) if _is_entropy(one) and len(one.finite) >= ALL_ZERO]
    for loss in (one for one in beside if one.meaning.split in (accuracy.meaning.split, "")):
        (first, last), newest = ends(loss.finite), loss.finite[-NEWEST:]
        if first <= 0 or last > FALLEN * first or newest.min() < 0 or last >= SURE:
            continue
        return _zero(log, accuracy, loss, first, last)
    return None


def _finds_nothing(log: LogFacts) -> Hit | None:
    """Overlaps and shares of what is to be found that are 0 from the beginning on, while the loss falls."""
    for split in (VAL, TRAIN, ""):
        told = [one for one in log.of(Kind.RATE, split=split) if one.meaning.words & OVERLAPS]
        told = [one for one in told if not is_of_rivals(log, one)]
        loss = training_loss(log)
        if not told or loss is None or any(len(one.values) < EQUAL or (one.values != 0).any() for one in told):
            continue
        first, last = ends(loss.finite) if len(loss.finite) > 1 else (0.0, 0.0)
        if not is_by_epoch(log, told[0]) or not 0 <= last < first:
            continue
        half_unit = max(float(one.column.half_units.max(initial=0.0)) for one in told)
        is_long = min(len(one.values) for one in told) >= LONG and half_unit <= FINE and last <= FALLEN * first
        hit = _zero(log, told[0], loss, first, last)
        why = f"{loss.name} went from {first:.4g} to {last:.4g} meanwhile, and nothing that is to be found ever was"
        do = (
            "look at a few targets beside the answers: empty masks, other class ids or scale of the masks "
            "(0/255), a threshold never reached; few positives need a weight of their own"
        )
        return replace(hit, severity=Severity.WARNING if is_long else Severity.INFO, why=why, fix=Fix(do))
    return None


def _is_entropy(loss: Series) -> bool:
    """Whether a name says that a loss is the mean cross-entropy of one class a sample."""
    words = loss.meaning.words
    return bool(words & ENTROPIES or words >= SPELLED_OUT) and not words & (OTHERS | OF_LABELS)


def _contradiction(log: LogFacts, accuracy: Series, loss: Series, values: Floats) -> Hit | None:
    best = float(accuracy.finite.max())
    newest = values[-NEWEST:]
    if len(newest) < NEWEST or best > HARDLY_ANY or newest.min() < 0 or not newest.any():
        return None
    if (accuracy.column.is_percent and best > 0) or _is_nothing(loss):
        return None
    level = float(np.median(newest))
    least = 1 - level / math.log(2)
    name = loss.name if loss.meaning.kind is not Kind.ERROR else f"ln {loss.name}"
    if least < 0.1:
        return None
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"{accuracy.name} is never above {best:.4g} while {name} is {level:.4g}",
        where=f"{log.where(accuracy, 0)} to {log.where(accuracy, len(accuracy.values) - 1)}",
        why=f"were {name} a mean of −ln p of the right class, at least 1 − {level:.4g}/ln 2 = {least:.1%} of the "
        "samples would be answered rightly: it is a regression's, or the accuracy is counted wrongly",
        fix=Fix(
            "a regression: its mean error instead of accuracy; classes: compare answers and labels of one batch by "
            "hand (type, shape, order; a whole division gives 0)"
        ),
        figures={"best": best, "loss": level, "least_accuracy": least},
    )


def _is_nothing(loss: Series) -> bool:
    """Whether a loss is 0 to its last digit: it may be anything, NaN too."""
    return bool((np.abs(loss.finite[-3:]) <= loss.column.half_units[-1]).all())


def _too_cheap(log: LogFacts) -> Hit | None:
    """A cross-entropy far below what the samples that are answered wrongly cost at least."""
    if is_of_policy(log):
        return None
    for accuracy in log.of(Kind.RATE):
        words = accuracy.meaning.words
        if not words & ACCURACIES or words & OF_SEQUENCES or len(accuracy.finite) < NEWEST:
            continue
        split = accuracy.meaning.split
        losses = log.of(Kind.TOTAL, split=split) or [one for one in log.of(Kind.TERM, split=split) if _is_entropy(one)]
        if len(losses) != 1 or len(losses[0].finite) < NEWEST or is_of_rivals(log, accuracy):
            continue
        hit = _cheap(log, accuracy, losses[0])
        if hit is not None:
            return hit
    return None


def _cheap(log: LogFacts, accuracy: Series, loss: Series) -> Hit | None:
    top = 100.0 if accuracy.column.is_percent or accuracy.finite.max() > 1.5 else 1.0
    right, newest = accuracy.finite[-NEWEST:] / top, loss.finite[-NEWEST:]
    dear = float(np.median(newest)) + float(loss.column.half_units.max(initial=0.0))
    wrong = 1 - float(right.max())
    named = {word for one in log.of(Kind.TOTAL, Kind.TERM) for word in one.meaning.words}
    is_entropy = _is_entropy(loss) and log.weight_of(loss) == 1
    least = wrong * math.log(2)
    if newest.min() < 0 or wrong < SOME_WRONG or named & OTHERS or dear >= least / FAR:
        return None
    last = int(np.flatnonzero(np.isfinite(accuracy.values))[-1])
    at = int(np.flatnonzero(np.isfinite(loss.values))[-1])
    return Hit(
        severity=Severity.WARNING if is_entropy and dear < least / FARTHER else Severity.INFO,
        confidence=Confidence.LIKELY,
        summary=f"{loss.name} is {loss.say(at)} while {accuracy.name} is {accuracy.say(last)}",
        where=f"{log.where(loss, at)}; the newest {NEWEST} values of both",
        why=f"were {loss.name} a mean of −ln p of the right class, {wrong:.1%} of wrong answers would cost at least "
        f"{wrong:.3f}·ln 2 = {least:.3g}: both are not of the same samples, or most labels do not count",
        fix=Fix(
            "compare answers and labels of one batch by hand: how many labels are ignored, and what the loss divides"
        ),
        figures={"loss": float(newest[-1]), "least": least, "wrong": wrong},
        because=("N901", "N902", "O604"),
    )
