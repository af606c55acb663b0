"""C307 of a log: a loss that is printed as a sum over the batches of an epoch. Pure functions of a log.

Such a figure is right for itself, but says nothing beside another batch size or another training.
"""

from __future__ import annotations

import math

import numpy as np

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked
from trainctl.engine.diagnosis.logs.course import is_by_epoch
from trainctl.engine.diagnosis.logs.facts import LogFacts, Series
from trainctl.engine.diagnosis.logs.names import VAL, Kind
from trainctl.engine.diagnosis.logs.table import Floats
from trainctl.engine.diagnosis.logs.vocabulary import ADVERSARIAL
from trainctl.engine.diagnosis.rules.course.training.stalled import NOT_OVER_CLASSES

LEAST_BATCHES = 3
"""Two batches make a sum that a poor first epoch reaches by itself."""
NEAR_CHANCE = (0.6, 1.15)
"""Mean of the first epoch in ln C: below, where it is learned from the first batch on; above, where the first updates
hurt. Emotion presets: .76 to 1.02."""
TOO_HIGH = 1.5
"""A first epoch above so many ln C is no mean of a cross-entropy that is healthy."""
SAME_SUM = 0.01
LEAST_EPOCHS = 2
AS_MEAN = Fix("print the mean: divide by the number of batches (or by the samples, each batch times its size)")


@rule(
    "C307",
    "loss is printed as a sum over batches",
    section="loss",
    severity=Severity.WARNING,
    precedence=Precedence.LOSS,
    cost=Cost.RECORDS,
    of_log=True,
)
def printed_sum(log: LogFacts) -> Answer:
    """A loss of an epoch that is the sum of those of its batches (proven: the log has both), or whose first value is
    several ln C and, divided by the number of batches, .6 to 1.15 ln C (likely).

    Asked only where the log tells how many batches an epoch has, and for the second the user how many classes.

    Costs: nothing in the training; the figure says nothing beside another batch size or another run.
    Do: print the mean: divide by the number of batches.
    Follows from: N901.
    """
    losses = [one for one in log.of(Kind.TOTAL, Kind.TERM) if one.meaning.split != VAL and len(one.finite)]
    by_epoch = [one for one in losses if is_by_epoch(log, one)]
    if not by_epoch:
        return Unchecked("the log has no training loss by epoch")
    batches = log.table.batches or _batches(log)
    if batches is None:
        return Unchecked("the log does not tell how many batches an epoch has")
    hit = next((hit for one in by_epoch if (hit := _adds_up(log, one, losses)) is not None), None)
    if hit is not None:
        return hit
    if not log.num_classes:
        return Unchecked("the number of classes is not known: --classes K names it")
    hits = [_many_times_chance(log, one, batches, log.num_classes) for one in by_epoch]
    return next((hit for hit in hits if hit is not None), None)


def _batches(log: LogFacts) -> int | None:
    """Batches of an epoch, where the steps tell: counted anew in each epoch with none left out, or on and on in equal
    parts of an epoch."""
    epochs, steps = log.table.epochs, log.table.steps
    is_known = np.isfinite(epochs) & np.isfinite(steps)
    numbers = np.unique(epochs[is_known])
    if not len(numbers):
        return None
    of_epoch = [np.unique(steps[is_known & (epochs == number)]) for number in numbers]
    ends = np.array([found[-1] for found in of_epoch])
    starts = np.array([found[0] for found in of_epoch])
    if (starts <= 1).all() and (ends == ends[0]).all() and all((np.diff(found) == 1).all() for found in of_epoch):
        return int(ends[0] - starts[0]) + 1
    parts = np.diff(ends)
    if len(parts) >= LEAST_EPOCHS and (np.diff(numbers) == 1).all() and parts[0] > 0 and (parts == parts[0]).all():
        return int(parts[0])
    return None


def _adds_up(log: LogFacts, whole: Series, losses: list[Series]) -> Hit | None:
    """The values of another series within each epoch add up to this one's."""
    for part in losses:
        if part is whole or part.meaning.term != whole.meaning.term or is_by_epoch(log, part):
            continue
        sums, counts, totals = _sums(log, part, whole)
        is_many = len(totals) >= LEAST_EPOCHS and counts.min() >= LEAST_BATCHES
        if is_many and (np.abs(sums - totals) <= SAME_SUM * np.abs(totals)).all() and (totals > 0).all():
            return _hit(
                Confidence.PROVEN,
                f"{whole.name} is the sum of {part.name} over {counts[0]:.0f} batches",
                f"{len(totals)} epochs: sum of {part.name} {sums[0]:.4g}, {whole.name} {totals[0]:.4g}",
                {"batches": float(counts[0]), "sum": float(sums[0]), "value": float(totals[0])},
            )
    return None


def _sums(log: LogFacts, part: Series, whole: Series) -> tuple[Floats, Floats, Floats]:
    """Of each epoch that has both: sum and number of the parts, and the whole."""
    part_epochs, whole_epochs = log.table.epochs[part.rows], log.table.epochs[whole.rows]
    shared = [number for number in np.unique(whole_epochs) if (part_epochs == number).any()]
    values = [part.values[part_epochs == number] for number in shared]
    return (
        np.array([found.sum() for found in values]),
        np.array([len(found) for found in values], np.float64),
        np.array([whole.values[whole_epochs == number][-1] for number in shared]),
    )


def _many_times_chance(log: LogFacts, series: Series, batches: int, num_classes: int) -> Hit | None:
    words = series.meaning.words.union(*(term.meaning.words for term in log.of(Kind.TERM)))
    chance, first = math.log(num_classes), float(series.finite[0])
    if batches < LEAST_BATCHES or chance <= 0 or words & (NOT_OVER_CLASSES | ADVERSARIAL):
        return None
    low, high = NEAR_CHANCE
    if not (first > TOO_HIGH * chance and low * chance <= first / batches <= high * chance):
        return None
    return _hit(
        Confidence.LIKELY,
        f"{series.name} begins at {series.say(0)} = {batches} · {first / batches:.3g}: a sum over {batches} batches",
        f"{log.where(series, 0)}: {first / chance:.2g} ln {num_classes}; ln {num_classes} = {chance:.4f}, "
        f"{batches} · ln {num_classes} = {batches * chance:.3g}",
        {"first": first, "batches": batches, "mean": first / batches, "chance": chance},
    )


def _hit(confidence: Confidence, summary: str, where: str, figures: dict[str, float]) -> Hit:
    return Hit(
        severity=Severity.WARNING,
        confidence=confidence,
        summary=summary,
        where=where,
        why="the figure grows with the number of batches: another batch size or data set cannot be held against it, "
        "and a smaller last batch weighs as much as the others",
        fix=AS_MEAN,
        figures=figures,
        because=("N901",),
    )
