"""E1007, E1008, E1005 of a log: metrics that say that every sample gets the same answer, that contradict the loss, or
that are of a handful of samples. Pure functions of a log.
"""

from __future__ import annotations

import math

import numpy as np

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.plan import PlanFacts
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked
from trainctl.engine.diagnosis.logs.course import ends, is_by_epoch, training_loss
from trainctl.engine.diagnosis.logs.facts import LogFacts, Series
from trainctl.engine.diagnosis.logs.metrics import (
    ACCURACIES,
    AREAS,
    accuracies,
    is_of_batches,
    smallest_denominator,
)
from trainctl.engine.diagnosis.logs.names import TRAIN, VAL, Kind
from trainctl.engine.diagnosis.logs.table import Floats

UNDEFINED = 3
"""Last values of a correlation that are NaN from which on it is a finding."""
EQUAL = 5
"""Evaluations that give the same figure to the last digit."""
MANY_SAMPLES = 100
"""A share whose least denominator is below is one of few samples, and may repeat by itself."""
FEW_WRONG, FINE = 10, 5e-4
"""Samples that are answered wrongly, or rightly, below which a share may repeat by itself; and the rounding above."""
HARDLY = 1e-3
"""Share of its level by which a metric moves that does not move."""
HARDLY_ANY = 0.02
OF_SEQUENCES = frozenset({"seq", "sequence", "sentence", "word", "words", "line", "exact", "match", "string"})
ALL_ZERO, FALLEN = 8, 0.8
"""Evaluations of exactly 0, and what of the validation loss is left meanwhile, that together say it is no figure."""
MOST_HELD_OUT = 1 / 3
FEW_SAMPLES, SOME_SAMPLES = 24, 50
"""Samples of a validation below which it is a warning, and information."""
BY_CHANCE = 1e-4
"""Probability that values of any size are all multiples of 1/n to their last digit, over all n that are tried."""


@rule(
    "E1007",
    "constant predictions",
    section="evaluation",
    severity=Severity.WARNING,
    precedence=Precedence.CAPACITY,
    cost=Cost.RECORDS,
    of_log=True,
)
def constant_predictions(log: LogFacts) -> Answer:
    """The figure of a network that answers the same whatever it sees.

    A correlation whose last three values are NaN: one side does not vary. An area under the curve of exactly .5. An
    accuracy or error that is the same to all its digits, three or more, in every one of five evaluations or more, or
    moves by less than a thousandth of itself in ten from the beginning of the training on: the share of one class.

    A share that fewer than a hundred samples, or ten that are answered wrongly, explain (by its least denominator) may
    repeat by itself, and so may one that has been good before: neither is a finding. One of 0 or 1 is none either.

    Costs: the network has learned no more than which answer is the most frequent.
    Do: count the answers by class; then look at the loss, the learning rate, the labels' order and the classes' sizes.
    Follows from: N901, N902, O601, O602, O604.
    """
    correlations, shares = log.of(Kind.CORRELATION), log.of(Kind.RATE, Kind.ERROR)
    if not correlations and not shares:
        return Unchecked("no correlation, share or error is named")
    undefined = [one for one in correlations if len(one.values) >= UNDEFINED and _is_undefined(one)]
    if undefined:
        return _undefined(log, undefined[0])
    areas = [one for one in shares if one.meaning.words & AREAS and _is_half(one)]
    if areas:
        return _constant(log, areas[0], "an area of exactly .5: all scores are equal, or tell nothing")
    frozen = [one for one in shares if _is_frozen(log, one)]
    frozen.sort(key=lambda one: one.meaning.split == TRAIN)
    if not frozen:
        return None
    return _constant(log, frozen[0], "so it is from the first evaluation on: the share of the one answer that it gives")


def _is_undefined(series: Series) -> bool:
    return bool(np.isnan(series.values[-UNDEFINED:]).all())


def _undefined(log: LogFacts, series: Series) -> Hit:
    count = int(np.isnan(series.values).sum())
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"{series.name} is NaN at the end",
        where=f"{log.where(series, len(series.values) - 1)}: {count:,} of {len(series.values):,} values",
        why="a correlation divides by the spread of both sides: the network gives every sample the same answer",
        fix=Fix("look at the predictions themselves, then at the loss and the learning rate"),
        figures={"values_undefined": count},
        because=("N901",),
    )


def _is_half(series: Series) -> bool:
    values = series.values
    is_fine = float(series.column.half_units.max(initial=0)) < 1e-3 or series.column.half_units.max() == 0
    return len(values) >= EQUAL and is_fine and bool((values[-max(EQUAL, len(values) // 2) :] == 0.5).all())


def _is_frozen(log: LogFacts, series: Series) -> bool:
    """Whether a share never moves though it was measured anew, and not because few samples were asked or are wrong."""
    values = series.values
    if len(values) < EQUAL or not np.isfinite(values).all() or not _is_measured_anew(log, series):
        return False
    level = float(np.median(values))
    share = _fraction(series, level)
    is_still = np.ptp(values) == 0 or (len(values) >= 2 * EQUAL and np.ptp(values) <= HARDLY * level and _is_whole(log))
    if not is_still or not 0 < share < 1:
        return False
    half_unit = float(series.column.half_units.max()) * share / level
    count = smallest_denominator(share, half_unit, MANY_SAMPLES * 10)
    if count is None:
        return half_unit <= FINE
    return half_unit <= FINE and count >= MANY_SAMPLES and FEW_WRONG <= round(share * count) <= count - FEW_WRONG


def _is_measured_anew(log: LogFacts, series: Series) -> bool:
    """Whether each value is an evaluation of its own: some print the last one in every line."""
    losses = [one for one in log.of(Kind.TOTAL, Kind.TERM, split=series.meaning.split) if len(one.values) >= EQUAL]
    if losses:
        return any(len(np.unique(one.values)) >= EQUAL for one in losses)
    return is_by_epoch(log, series) or not log.of(Kind.TOTAL, Kind.TERM)


def _is_whole(log: LogFacts) -> bool:
    """Whether a log has the beginning of its training, as far as it tells."""
    for told in (log.table.epochs, log.table.steps):
        known = told[np.isfinite(told)]
        if len(known):
            return bool(known.min() <= 1)
    return False


def _fraction(series: Series, value: float) -> float:
    """A share as a fraction of 1."""
    return value / 100 if series.column.is_percent or value > 1.5 else value


def _constant(log: LogFacts, series: Series, why: str) -> Hit:
    values, loss = series.values, training_loss(log)
    moved = ""
    if loss is not None and len(loss.finite) > 1:
        first, last = ends(loss.finite)
        moved = f"; {loss.name} went from {first:.4g} to {last:.4g} meanwhile"
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"{series.name} is {series.say(len(values) - 1)} in {int((values == values[-1]).sum()):,} of "
        f"{len(values):,} evaluations",
        where=f"{log.where(series, 0)} to {log.where(series, len(values) - 1)}",
        why=why + moved,
        fix=Fix("count the answers by class and the classes by sample; then the loss, the rate and the labels' order"),
        figures={"value": float(values[-1]), "evaluations": len(values)},
        because=("N901", "N902", "O601", "O602", "O604"),
    )


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
    leaves at least 1 − L/ln 2 of the samples answered rightly. Judged at the median of the newest three losses, of the
    same split where it has any, where that share is above 10 %: then it is no cross-entropy, and an accuracy means
    nothing, or the accuracy is counted wrongly. An accuracy of any name (not of sequences, which come late) that is the
    only figure of its kind and exactly 0 in all of eight validations while their loss falls by a fifth counts as well.

    Costs: the metric says nothing; a checkpoint that is chosen by it is any.
    Do: for a regression a mean error instead; else compare answers and labels by hand (types, shapes, whole division).
    """
    judged = [one for one in accuracies(log) if len(one.finite) >= EQUAL]
    if not judged:
        return _nothing_at_all(log) or Unchecked(f"needs {EQUAL} values of an accuracy")
    pairs = [(one, loss) for one in judged if (loss := _loss_beside(log, one)) is not None]
    if not pairs:
        return Unchecked("no loss of the accuracy's split is named")
    hits = [hit for one, loss in pairs if (hit := _contradiction(log, one, loss)) is not None]
    return hits[0] if hits else None


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
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"{series.name} is exactly 0 in all {len(series.values):,} evaluations",
        where=f"{log.where(series, 0)} to {log.where(series, len(series.values) - 1)}",
        why=f"{losses[0].name} went from {first:.4g} to {last:.4g} meanwhile: the network learns, the metric does not "
        "see it",
        fix=Fix("compare answers and truth of one batch by hand: type, shape, order, threshold, whole division"),
        figures={"evaluations": len(series.values), "first": first, "last": last},
    )


def _loss_beside(log: LogFacts, series: Series) -> Series | None:
    """Of its split; where it names none and no such loss is logged, that of the training if it is the only one."""
    losses, every = log.of(Kind.TOTAL, split=series.meaning.split), log.of(Kind.TOTAL)
    if not losses and not series.meaning.split and {one.meaning.split for one in every} == {TRAIN}:
        losses = every
    return max(losses, key=lambda one: len(one.finite), default=None)


def _contradiction(log: LogFacts, accuracy: Series, loss: Series) -> Hit | None:
    best = float(accuracy.finite.max())
    newest = loss.finite[-3:]
    if len(newest) < 3 or best > HARDLY_ANY or newest.min() < 0 or not newest.any():
        return None
    if (accuracy.column.is_percent and best > 0) or _is_nothing(loss):
        return None
    level = float(np.median(newest))
    least = 1 - level / math.log(2)
    if least < 0.1:
        return None
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"{accuracy.name} is never above {best:.4g} while {loss.name} is {level:.4g}",
        where=f"{log.where(accuracy, 0)} to {log.where(accuracy, len(accuracy.values) - 1)}",
        why=f"were {loss.name} a mean of −ln p of the right class, at least 1 − {level:.4g}/ln 2 = {least:.1%} of the "
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


@rule(
    "E1005",
    "validation of a handful of samples",
    section="evaluation",
    severity=Severity.WARNING,
    precedence=Precedence.CAPACITY,
    cost=Cost.RECORDS,
    of_log=True,
)
def few_samples(log: LogFacts, plan: PlanFacts | None = None) -> Answer:
    """Accuracies of the validation that are all multiples of 1/n for an n of at most 24 (50: information).

    Asked of ten evaluations with four different values or more (fewer may all be even by chance); and only if values of
    any size would come to lie on such multiples, to their last digit, less than once in 10,000 cases. The standard
    error of such a share is sqrt(p(1 − p)/n).

    Costs: neither the best checkpoint nor any comparison means much: one sample more or less is several percent.
    Do: a larger validation split, or cross-validation over all samples.
    """
    judged = [one for one in accuracies(log, VAL) if not is_of_batches(one)]
    judged = [one for one in judged if len(one.finite) >= 2 * EQUAL and len(np.unique(one.finite)) >= 4]
    if not judged:
        return Unchecked(f"needs {2 * EQUAL} validations with an accuracy of four different values")
    for series in judged:
        values, half_units = _distinct(series)
        count = _samples(values, half_units)
        if count is not None:
            return _few(log, series, count, plan)
    return None


def _distinct(series: Series) -> tuple[Floats, Floats]:
    finite = np.isfinite(series.values)
    top = float(series.finite.max())
    scale = 100.0 if series.column.is_percent or top > 1.5 else 1.0
    values, at = np.unique(series.values[finite], return_index=True)
    return values / scale, series.column.half_units[finite][at] / scale


def _samples(values: Floats, half_units: Floats) -> int | None:
    """The least n of which all values are multiples, if that is no accident."""
    slack = half_units + 1e-6
    for count in range(2, SOME_SAMPLES + 1):
        gaps = np.abs(values * count - np.round(values * count))
        if (gaps <= count * slack).all():
            inner = (values > slack) & (values < 1 - slack)
            chance = float(np.prod(np.minimum(2 * count * slack[inner], 1.0))) * SOME_SAMPLES
            return count if inner.sum() >= 3 and chance < BY_CHANCE else None
    return None


def _few(log: LogFacts, series: Series, count: int, plan: PlanFacts | None) -> Hit:
    level = float(np.median(_distinct(series)[0]))
    error = math.sqrt(max(level * (1 - level), 0.25 / count) / count)
    return Hit(
        severity=Severity.WARNING if count <= FEW_SAMPLES else Severity.INFO,
        confidence=Confidence.LIKELY,
        summary=f"{series.name} moves in steps of 1/{count}: the validation has {count} samples",
        where=f"{log.where(series, 0)} to {log.where(series, len(series.values) - 1)}",
        why=f"one sample is {1 / count:.1%}, the standard error at {level:.2f} is {error:.1%}",
        fix=Fix("a larger validation split (hundreds of samples), or cross-validation", _held_out(plan, count)),
        figures={"samples": count, "standard_error": error},
    )


def _held_out(plan: PlanFacts | None, count: int) -> dict[str, float] | None:
    """A larger share held out: as much as makes a hundred samples, at most a third."""
    share = plan.settings.get("data.val_fraction") if plan else None
    if not isinstance(share, float) or not 0 < share < MOST_HELD_OUT:
        return None
    return {"data.val_fraction": round(min(share * MANY_SAMPLES / count, MOST_HELD_OUT), 2)}
