"""E1010, E1014 of a log: evaluations of the samples of the training, and of no samples. Pure functions of a log."""

from __future__ import annotations

import numpy as np

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked
from trainctl.engine.diagnosis.logs.facts import LogFacts, Series
from trainctl.engine.diagnosis.logs.metrics import ACCURACIES, is_of_policy
from trainctl.engine.diagnosis.logs.names import TEST, TRAIN, VAL, Kind
from trainctl.engine.diagnosis.logs.table import Floats

ROWS, DIFFERENT, FINE = 5, 4, 5e-4
"""Rows in which a figure of the training and one of the validation are the same, how many different values those are,
and their rounding."""
FOUND = frozenset({"p", "r", "f", "f1", "precision", "recall", "fscore", "score", "measure"})
GOLD, COUNTS = frozenset({"gold", "golds"}), frozenset({"num", "number", "count", "counts", "total", "n"})
UNDEFINED = -1.0


@rule(
    "E1010",
    "training and validation are measured alike",
    section="evaluation",
    severity=Severity.WARNING,
    precedence=Precedence.CAPACITY,
    cost=Cost.RECORDS,
    of_log=True,
)
def measured_alike(log: LogFacts) -> Answer:
    """A figure of the training and the same one of the validation or test, a loss, an accuracy or another share, are
    equal to all their digits, three or more, in every row that has both: five or more, of four different values at
    least that are neither 0 nor all there is.

    Means over other samples, or of another mode of the network, differ in the last digits.

    Costs: the validation says nothing of samples that were not trained on; the best epoch is that of the training.
    Do: print how many samples each of the two has, and the first names of both; look at which loader each is given.
    Follows from: N901.
    """
    kinds = (Kind.TOTAL, Kind.RATE, Kind.ERROR)
    trained = [one for one in log.of(*kinds, split=TRAIN) if len(one.values) >= ROWS]
    tested = [one for split in (VAL, TEST) for one in log.of(*kinds, split=split) if len(one.values) >= ROWS]
    pairs = [(one, other) for one in trained for other in tested if _is_of_a_kind(one, other)]
    if log.is_run:
        return Unchecked("what a run trains on and validates on is recorded: D104 looks at it")
    if not pairs or is_of_policy(log):
        return Unchecked("needs the same figure of training and validation")
    alike = [(one, other, rows) for one, other in pairs if (rows := _equal_rows(one, other))]
    if not alike:
        return None
    one, other, count = alike[0]
    last = len(other.values) - 1
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"{one.name} and {other.name} are equal in all {count:,} rows",
        where=f"{log.where(other, 0)} to {log.where(other, last)}: {other.say(0)} to {other.say(last)}",
        why="to the last digit: both are measured on the same samples, or one is printed twice",
        fix=Fix("count the samples of both and compare a few; look at which loader and which variable each is given"),
        figures={"rows": count, "value": float(other.values[last])},
        because=("N901",),
    )


def _is_of_a_kind(one: Series, other: Series) -> bool:
    """Whether two figures are the same one: losses, or plain accuracies, or of the same words."""
    if one.meaning.kind is not other.meaning.kind:
        return False
    mine, others = one.meaning.words, other.meaning.words
    return one.meaning.kind is Kind.TOTAL or mine == others or (mine <= ACCURACIES and others <= ACCURACIES)


def _equal_rows(one: Series, other: Series) -> int:
    """How many rows have both, if they are equal in each of them and say something; else 0."""
    rows, at, there = np.intersect1d(one.rows, other.rows, return_indices=True)
    mine, others = one.values[at], other.values[there]
    if len(rows) < ROWS or not (mine == others).all() or not np.isfinite(mine).all():
        return 0
    told = np.unique(mine[~np.isin(mine, (0.0, 1.0, 100.0))])
    whole = 100.0 if np.abs(mine).max() > 1.5 and one.meaning.kind is Kind.RATE else 1.0
    # A last 0 is left out by some programs: the usual number of digits counts.
    half_unit = max(float(np.median(series.column.half_units)) for series in (one, other))
    return len(rows) if len(told) >= DIFFERENT and half_unit <= FINE * whole else 0


@rule(
    "E1014",
    "evaluated on no labels",
    section="evaluation",
    severity=Severity.WARNING,
    precedence=Precedence.SAMPLER,
    cost=Cost.RECORDS,
    of_log=True,
)
def evaluated_on_nothing(log: LogFacts) -> Answer:
    """At least two of precision, recall and F of one part are −1 in their newest value, which programs write for what
    is not defined: a warning where the log also counts the labels, as `gold_num`, and has 0; else an information.

    An average precision of −1 is COCO's word for sizes that the data has not, and no finding.

    Costs: nothing is measured; a best epoch by it is any.
    Do: look whether the file of the evaluation has labels, in the scheme that the scorer expects.
    Follows from: N901.
    """
    shares = [one for one in log.series if one.meaning.words and one.meaning.words <= FOUND and len(one.values)]
    if not shares:
        return Unchecked("no precision, recall or F is named")
    for split in (VAL, TEST, ""):
        undefined = [one for one in shares if one.meaning.split == split and one.values[-1] == UNDEFINED]
        if len(undefined) < 2:
            continue
        empty = next((one for one in log.series if _counts_gold(one) and _is_zero(one.values)), None)
        first = undefined[0]
        last = len(first.values) - 1
        counted = "" if empty is None else f"; {empty.name} is 0: there is no label to find"
        return Hit(
            severity=Severity.INFO if empty is None else Severity.WARNING,
            confidence=Confidence.LIKELY,
            summary=f"{', '.join(one.name for one in undefined)} are −1: not defined",
            where=log.where(first, last),
            why="a share of no samples" + counted,
            fix=Fix("look whether the file of that evaluation has labels, in the scheme that the scorer expects"),
            figures={"undefined": len(undefined)},
            because=("N901",),
        )
    return None


def _counts_gold(one: Series) -> bool:
    return bool(one.meaning.words & GOLD and one.meaning.words & COUNTS)


def _is_zero(values: Floats) -> bool:
    return len(values) > 0 and values[-1] == 0
