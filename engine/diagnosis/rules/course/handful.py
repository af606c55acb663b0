"""E1005 of a log: a validation of a handful of samples, told by the steps in which its figures move.

Pure functions of a log.
"""

from __future__ import annotations

import math

import numpy as np

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.plan import PlanFacts
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked
from trainctl.engine.diagnosis.logs.facts import LogFacts, Series
from trainctl.engine.diagnosis.logs.metrics import accuracies
from trainctl.engine.diagnosis.logs.names import VAL, Kind
from trainctl.engine.diagnosis.logs.table import Floats
from trainctl.engine.diagnosis.logs.vocabulary import F_MEASURED
from trainctl.engine.diagnosis.rules.course.measured import is_evaluated

MOST_HELD_OUT = 1 / 3
ENOUGH = 100
"""Samples of a validation to aim at."""
FEW_SAMPLES, SOME_SAMPLES = 24, 50
"""Samples of a validation below which it is a warning, and information."""
BY_CHANCE = 1e-4
"""Probability that values of any size are all multiples of 1/n to their last digit, over all n that are tried."""
OF_MORE = 1e-3
"""Probability that more samples than a limit would have given multiples of 1/n each time."""
EVALUATIONS, DIFFERENT, DRAWS = 10, 4, 2
"""Evaluations with how many different values that show it by themselves, and draws that the probabilities may."""
RECALLS, PRECISIONS = frozenset({"recall", "sensitivity", "r"}), frozenset({"precision", "p"})
WRITTEN_OUT = 1e-6
"""Half a unit of the last digit from which on a writer prints what it has, and a short value is exact."""


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
    """Accuracies or recalls of the validation that are all multiples of 1/n for an n of at most 24 (50: information).

    Only if values of any size would come to lie on such multiples, to their last digit, less than once in 10,000 cases;
    and if ten evaluations have four different values or more, or the least multiple m of n above 24 (50) would have
    given multiples of 1/n less than once in 1000 cases, (n/m)^k over k evaluations of which each differs from the one
    before. A recall counts what there is to find; where a precision beside it is a share of as few, (n/m)^2k. The
    standard error of such a share is sqrt(p(1 − p)/n).

    Costs: neither the best checkpoint nor any comparison means much: one sample more or less is several percent.
    Do: a larger validation split, or cross-validation over all samples.
    """
    judged = [one for one in accuracies(log, VAL) if is_evaluated(log, one)]
    judged += [one for one in log.of(Kind.RATE) if _is_recall(one) and is_evaluated(log, one)]
    judged = [one for one in judged if len(_draws(one)[0]) >= DRAWS]
    if not judged:
        return Unchecked("needs validations whose accuracy or recall moves")
    for series in judged:
        told = _samples(log, series)
        if told is not None:
            return _few(log, series, *told, plan)
    return None


def _is_recall(one: Series) -> bool:
    """Whether a share counts what is found of what there is, all classes together."""
    words = one.meaning.words - F_MEASURED
    return bool(words) and words <= RECALLS and (one.meaning.split == VAL or bool(one.meaning.words & F_MEASURED))


def _draws(series: Series) -> tuple[Floats, Floats]:
    """The values that differ from the one before, as fractions, and half a unit of the last digit of each.

    What is the same again may be of a network that did not change. Where others are written out a short one is exact:
    0.5 is then one half.
    """
    finite = np.isfinite(series.values)
    if not finite.any():
        return np.empty(0), np.empty(0)
    values, half_units = series.values[finite], series.column.half_units[finite]
    is_new = np.concatenate([[True], np.diff(values) != 0])
    scale = 100.0 if series.column.is_percent or values.max() > 1.5 else 1.0
    if 0 < half_units.min() <= WRITTEN_OUT:
        half_units = np.minimum(half_units, WRITTEN_OUT)
    return values[is_new] / scale, half_units[is_new] / scale


def _samples(log: LogFacts, series: Series) -> tuple[int, int] | None:
    """The least n of which all values are multiples, and how many samples there are at most, if that is no accident."""
    values, half_units = _draws(series)
    slack = half_units + 1e-6
    inner = (values > slack) & (values < 1 - slack)
    count = next((count for count in range(2, SOME_SAMPLES + 1) if _are_multiples(values, count, slack)), None)
    if count is None or not inner.any():
        return None
    if float(np.prod(np.minimum(2 * count * slack[inner], 1.0))) * SOME_SAMPLES >= BY_CHANCE:
        return None
    different = np.unique(values)
    has_many = len(series.finite) >= EVALUATIONS and len(different) >= DIFFERENT and _num_inner(different) >= 3
    for limit in (FEW_SAMPLES, SOME_SAMPLES):
        if count <= limit and (has_many or _by_more(log, series, count, limit) < OF_MORE):
            return count, limit
    return None


def _num_inner(values: Floats) -> int:
    return int(((values > 0) & (values < 1)).sum())


def _are_multiples(values: Floats, count: int, slack: Floats) -> bool:
    return bool((np.abs(values * count - np.round(values * count)) <= count * slack).all())


def _by_more(log: LogFacts, series: Series, count: int, limit: int) -> float:
    """Probability that a multiple of `count` above the limit would have given multiples of 1/count each time."""
    values, _ = _draws(series)
    draws = int((values > 0).sum())  # nothing at all is of a network that has not begun
    paired = _paired(log, series, count)
    more = count * (limit // count + 1)
    return (count / more) ** max(draws, 2 * paired)


def _paired(log: LogFacts, series: Series, count: int) -> int:
    """Different pairs of a recall and a precision that is a share of few as well; 0: there is no precision, or not."""
    rest = series.meaning.words - RECALLS
    beside = [
        one
        for one in log.of(Kind.RATE, split=series.meaning.split)
        if one.meaning.words & PRECISIONS and one.meaning.words - PRECISIONS == rest
    ]
    if not beside or not _is_recall(series):
        return 0
    _, at, of = np.intersect1d(series.rows, beside[0].rows, return_indices=True)
    scale = 100.0 if series.column.is_percent or series.finite.max() > 1.5 else 1.0
    recalls, precisions = series.values[at] / scale, beside[0].values[of] / scale
    slack = beside[0].column.half_units[of] / scale + 1e-6
    is_some = np.isfinite(recalls) & np.isfinite(precisions) & (recalls > 0) & (precisions > 0)
    found = np.round(recalls[is_some] * count)
    given = np.round(found / precisions[is_some])
    if (np.abs(found / given - precisions[is_some]) > slack[is_some]).any():
        return 0
    return len(np.unique(np.stack([found, given]), axis=1).T)


def _few(log: LogFacts, series: Series, count: int, limit: int, plan: PlanFacts | None) -> Hit:
    level = float(np.median(np.unique(_draws(series)[0])))
    error = math.sqrt(max(level * (1 - level), 0.25 / count) / count)
    return Hit(
        severity=Severity.WARNING if limit <= FEW_SAMPLES else Severity.INFO,
        confidence=Confidence.LIKELY,
        summary=f"{series.name} moves in steps of 1/{count}: the validation has {count} "
        + ("things to find" if _is_recall(series) else "samples"),
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
    return {"data.val_fraction": round(min(share * ENOUGH / count, MOST_HELD_OUT), 2)}
