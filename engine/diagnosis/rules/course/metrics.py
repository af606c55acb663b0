"""E1007 of a log: metrics that say that every sample gets the same answer. Pure functions of a log."""

from __future__ import annotations

import numpy as np

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked
from trainctl.engine.diagnosis.logs.course import ends, is_by_epoch, training_loss
from trainctl.engine.diagnosis.logs.facts import LogFacts, Series
from trainctl.engine.diagnosis.logs.metrics import AREAS, smallest_denominator
from trainctl.engine.diagnosis.logs.names import TRAIN, Kind
from trainctl.engine.diagnosis.rules.course.measured import is_of_rivals

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
OFTEN, SOME_WRONG = 20, 5
"""Evaluations with the same figure that few samples do not explain, and samples of both answers that they have."""


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
    repeat by itself, unless it does in each of twenty evaluations and five are answered rightly and five wrongly. One
    that has been good before may repeat too, one of 0 or 1 is no finding either, and rivals' shares are not judged.

    Costs: the network has learned no more than which answer is the most frequent.
    Do: count the answers by class; then look at the loss, the learning rate, the labels' order and the classes' sizes.
    Follows from: N901, N902, O601, O602, O604.
    """
    correlations = log.of(Kind.CORRELATION)
    shares = [one for one in log.of(Kind.RATE, Kind.ERROR) if not is_of_rivals(log, one)]
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
    right, is_few = round(share * count), count < MANY_SAMPLES
    if is_few and (len(values) < OFTEN or np.ptp(values) > 0):
        return False
    least = SOME_WRONG if is_few else FEW_WRONG
    return half_unit <= FINE and least <= right <= count - least


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
