"""O601: a training that comes apart, as its loss, its updates or its metrics show it.

Pure functions of a log. Nothing is judged by an absolute size, and nothing at all where too few values were logged.
"""

from __future__ import annotations

import math

import numpy as np

from trainctl.engine.diagnosis import remedies
from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.foreign import ForeignFacts
from trainctl.engine.diagnosis.facts.norms import BeginningFacts
from trainctl.engine.diagnosis.facts.plan import PlanFacts
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked
from trainctl.engine.diagnosis.logs.course import (
    IMPROVED,
    ends,
    first_bad,
    rise_before_end,
    training_loss,
)
from trainctl.engine.diagnosis.logs.facts import LogFacts, Series
from trainctl.engine.diagnosis.logs.metrics import (
    WIDTH,
    collapse,
    is_of_policy,
    qualities,
    usual_norm,
)
from trainctl.engine.diagnosis.logs.names import VAL, Kind
from trainctl.engine.diagnosis.rules.course.training.growth import (
    DIVERGED,
    FAR,
    FEWEST,
    beyond_measure,
    blown,
    highest_rate,
    lower_rate,
    risen_again,
)

UNDERFLOWN, UNDERFLOWN_BY = 87.3365, 1e-3
"""−ln of the smallest normal number of single precision."""
FEWEST_OF_ALL, TWICE, FALLEN_BY = 5, 2.0, 0.05
"""Values of which the last two at twice the first two are worth a word, with a metric that fell by so much of all."""
FIRST_UPDATES = 50
FIRST, REPLACING = 10, 0.3
"""First steps in which a rate that is too high does its damage, and the size of an update, relative to the weights,
that replaces what they held. Of 300 small trainings those above it whose loss was thrown up were the harmed ones."""
LARGE, ABOVE = 0.1, 1.1
"""Size of an update from which on it may be what makes a network answer worse than nothing, by so much of the loss."""
CALM_UPDATE = 1e-2
"""Size of an update relative to the weights that is as large as a healthy beginning has."""


@rule(
    "O601",
    "divergence",
    section="optimiser and schedule",
    severity=Severity.ERROR,
    precedence=Precedence.SCHEDULE,
    cost=Cost.RECORDS,
    of_log=True,
)
def divergence(
    log: LogFacts,
    plan: PlanFacts | None = None,
    beginning: BeginningFacts | None = None,
    foreign: ForeignFacts | None = None,
) -> Answer:
    """Median of the last tenth of the training loss above 1.5 times that of the first (above 10 times: an error),
    unless one of its terms fell by a fifth: then another is what rose, and the network learns.

    Of three values or more: the last two a thousand times all of the first half, or the last a million times, of a
    loss or of an objective that is negative (an error). Where it had learned before: a last level of three times the
    lowest, to which it rose steadily (rank correlation .9 over five levels), while the validation rose by half, or
    where nothing is validated, ten times; not while the learning rate doubles, a term falls or a metric gets better.

    The same is said of a loss that rose to twice its lowest level, or in one step tenfold, before it ceased to be
    finite; of one at 87.3365 = −ln(FLT_MIN), where the right class has a probability of 0, or that began there and
    never fell by 2 % from what came next; of updates larger than the
    weights themselves in half of the first fifty steps, or above .3 of them in one of the first ten while the loss is
    thrown to 1.5 times what it was at first; of first updates above .1 after which a cross-entropy that began at what
    the frequencies of the answers give, as they were counted in a watched loop, is a tenth above that for half of the
    training; and of a metric that lost 30 % of its best level for good while
    the training loss did not fall either.

    Of three to ten values two, or the last, that are above 1e10 or below −1e10 and a million times the others: an
    error. An information: of five to nine the last two are twice the first two, and a metric lost .05 of all there is.

    Costs: the weights are driven away from any answer.
    Do: a tenth of the learning rate, a warmup, and clip the gradient.
    Follows from: N901, N902, C313, D106, G712.
    """
    series = training_loss(log)
    told = [*log.of(Kind.UPDATE_RATIO), *qualities(log)]
    sunk = [blown(log, one, -one.finite, plan) for one in log.of(Kind.SCORE)]
    if series is None and not any(sunk) and not any(len(one.finite) >= FEWEST for one in told):
        return Unchecked(log.without_loss)
    hits = [_of_updates(log, plan, beginning), _of_metrics(log, series, plan), *sunk]
    if series is not None:
        risen = _risen(log, series, plan) or risen_again(log, series, plan)
        risen = risen or _risen_in_few(log, series)
        grown = blown(log, series, series.finite, plan) or beyond_measure(log, series, plan)
        hits = [_before_the_end(log, series, plan), _underflown(log, series, plan), grown, risen, *hits]
        hits.append(_worse_than_nothing(log, series, plan, beginning, foreign))
    hit = next((hit for hit in hits if hit is not None), None)
    if hit is None and series is not None and (len(series.finite) < FEWEST or series.finite.min() < 0):
        return Unchecked(f"needs {FEWEST} values of a training loss that is not negative")
    return hit


def _risen(log: LogFacts, series: Series, plan: PlanFacts | None) -> Hit | None:
    values = series.finite
    if len(values) < FEWEST or values.min() < 0 or is_of_policy(log):
        return None
    first, last = ends(values)
    start = max(first, math.log(log.num_classes) if log.num_classes else 0.0)
    if not start or last <= DIVERGED * start or (last <= FAR * start and _falling_term(log)):
        return None
    index = int(np.nanargmin(np.where(np.isfinite(series.values), series.values, np.nan)))
    return Hit(
        severity=Severity.ERROR if last > FAR * start else Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"{series.name} rose from {first:.4g} to {last:.4g}",
        where=f"lowest at {log.where(series, index)}: {series.say(index)}; {len(values):,} values",
        why=f"medians of the first and the last tenth, a factor of {last / start:.3g}{highest_rate(log)}",
        fix=lower_rate(log, plan, int(series.rows[index])),
        figures={"first": first, "last": last, "lowest": float(values.min()), **log.step_of(series, index)},
        because=("N901", "N902", "C313"),
    )


def _risen_in_few(log: LogFacts, series: Series) -> Hit | None:
    """A loss of few values that doubled while fewer answers are right, as where one goes on without its state."""
    values = series.finite
    if not FEWEST_OF_ALL <= len(values) < FEWEST or values.min() <= 0 or is_of_policy(log):
        return None
    first, last = float(values[:2].max()), float(values[-2:].min())
    if last < TWICE * first:
        return None
    for one in qualities(log):
        top = 100.0 if one.column.is_percent or one.finite.max(initial=0.0) > DIVERGED else 1.0
        if one.meaning.split == VAL or len(one.finite) < FEWEST_OF_ALL:
            continue
        then, now = float(one.finite[:2].min()), float(one.finite[-2:].max())
        if then - now >= FALLEN_BY * top:
            return Hit(
                severity=Severity.INFO,
                confidence=Confidence.LIKELY,
                summary=f"{series.name} rose from {series.finite[0]:.4g} to {series.finite[-1]:.4g}",
                where=f"{log.where(series, 0)} to {log.where(series, len(series.values) - 1)}; {len(values)} values",
                why=f"{one.name} went from {then:.4g} to {now:.4g}; so few values show no more: a training that was "
                "resumed without the optimiser's state or at another rate looks like this, and so do other data"
                + highest_rate(log),
                fix=lower_rate(log, None, int(series.rows[0])),
                figures={"first": first, "last": last, **log.step_of(series, 0)},
                because=("N901", "N902", "C313"),
            )
    return None


def _falling_term(log: LogFacts) -> bool:
    """Whether a term of the training loss fell by a fifth: weights that are driven away from any answer lower none."""
    for term in log.of(Kind.TERM):
        if term.meaning.split != VAL and len(term.finite) >= FEWEST and term.finite.min() >= 0:
            first, last = ends(term.finite)
            if last < 0.8 * first:
                return True
    return False


def _before_the_end(log: LogFacts, series: Series, plan: PlanFacts | None) -> Hit | None:
    """A loss that was rising when it ceased to be finite: the divergence is the cause."""
    rise, index = rise_before_end(series), first_bad(series)
    if rise is None or index is None or np.isfinite(series.values[index:]).any():
        return None
    last = float(series.values[index - 1])
    return Hit(
        severity=Severity.ERROR,
        confidence=Confidence.LIKELY,
        summary=f"{series.name} had risen to {last:.4g} when it became {series.values[index]:g}",
        where=f"{log.where(series, index)}; {index:,} finite values before it",
        why=f"{rise:.3g} times its level before: it diverged first{highest_rate(log)}",
        fix=lower_rate(log, plan, int(series.rows[index // 2])),
        figures={"last": last, "rise": rise, **log.step_of(series, index)},
    )


def _underflown(log: LogFacts, series: Series, plan: PlanFacts | None) -> Hit | None:
    late = series.finite[-max(len(series.finite) // 10, WIDTH) :]
    is_late = len(late) >= WIDTH and np.median(np.abs(late - UNDERFLOWN)) <= UNDERFLOWN_BY
    rest = series.finite[1:]
    is_first = len(rest) >= WIDTH and abs(float(series.finite[0]) - UNDERFLOWN) <= UNDERFLOWN_BY
    if not is_late and not (is_first and float(rest.min()) > (1 - IMPROVED) * float(rest[0]) > 0):
        return None
    verb = "stands" if is_late else "began"
    return Hit(
        severity=Severity.ERROR if is_late else Severity.WARNING,
        confidence=Confidence.PROVEN if is_late else Confidence.LIKELY,
        summary=f"{series.name} {verb} at {float(np.median(late) if is_late else series.finite[0]):.4f} = −ln(FLT_MIN)",
        where=f"to {log.where(series, len(series.values) - 1)}; {len(series.values):,} values",
        why="the right class has a probability of 0 to single precision: the scores are huge, or NaN"
        + ("" if is_late else f"; it then stands at {float(np.median(rest)):.4g}: what that threw away did not return")
        + highest_rate(log),
        fix=Fix(
            "a tenth of the learning rate; where it is so from the start, look for NaN and huge values in the data",
            remedies.slower(plan),
        ),
        figures={"last": float(np.median(late))},
    )


def _of_updates(log: LogFacts, plan: PlanFacts | None, beginning: BeginningFacts | None) -> Hit | None:
    hit = _of_first_steps(log, plan) if beginning is None else _of_beginning(log, plan, beginning)
    if hit is not None:
        return hit
    for series in log.of(Kind.UPDATE_RATIO):
        early = series.finite[:FIRST_UPDATES]
        if len(early) >= FEWEST and float(np.median(early)) > 1:
            ratio = float(np.median(early))
            return Hit(
                severity=Severity.WARNING,
                confidence=Confidence.LIKELY,
                summary=f"{series.name} {ratio:.3g}: updates are larger than the weights",
                where=f"median of {len(early)} values from {log.where(series, 0)}",
                why="each of these steps overwrites what was there; healthy ones are near 1e-3" + highest_rate(log),
                fix=Fix(
                    "a tenth of the learning rate, a warmup, and clip the gradient",
                    remedies.by_update(plan, ratio, CALM_UPDATE),
                ),
                figures={"ratio": ratio},
                because=("N901", "N902"),
            )
    return None


def _of_first_steps(log: LogFacts, plan: PlanFacts | None) -> Hit | None:
    """The damage that is done before the optimiser knows the gradient: later updates look small and the loss calm."""
    loss = training_loss(log)
    steps = log.table.steps
    for series in log.of(Kind.UPDATE_RATIO):
        values = series.values[:FIRST]
        is_each = len(values) == FIRST and bool((np.diff(steps[series.rows[:FIRST]]) == 1).all())
        if not is_each or loss is None or not np.isfinite(values).all() or loss.finite.min(initial=0.0) < 0:
            continue
        if not len(loss.finite):
            continue
        ratio, thrown = float(values.max()), float(loss.finite[: 2 * FIRST].max() / max(loss.finite[0], 1e-30))
        if ratio > REPLACING and thrown > DIVERGED:
            return _thrown(log, plan, ratio, thrown, f"{loss.name} was {loss.finite[0]:.4g} before them")
    return None


def _of_beginning(log: LogFacts, plan: PlanFacts | None, beginning: BeginningFacts) -> Hit | None:
    """The same where the first steps are known one by one, of which a long course has means."""
    loss = training_loss(log)
    if loss is None or not beginning.loss > 0:
        return None
    thrown = beginning.highest / beginning.loss
    is_harmed = beginning.ratio > REPLACING and thrown > DIVERGED
    before = f"{loss.name} was {beginning.loss:.4g} before them"
    return _thrown(log, plan, beginning.ratio, thrown, before) if is_harmed else None


def _worse_than_nothing(
    log: LogFacts,
    series: Series,
    plan: PlanFacts | None,
    beginning: BeginningFacts | None,
    foreign: ForeignFacts | None,
) -> Hit | None:
    """Answers that are worse than the frequencies of the classes alone, though the network began with those."""
    answers = None if foreign is None else foreign.answers
    if answers is None or beginning is None or len(series.finite) < FEWEST:
        return None
    half = float(np.median(series.finite[: max(len(series.finite) // 2, FEWEST)]))
    least = ABOVE * answers.loss
    if beginning.ratio <= LARGE or beginning.loss > least or half <= least:
        return None
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"{series.name} is {half:.4g} over half of the training: the frequencies of the answers give "
        f"{answers.loss:.4g}",
        where=f"it was {beginning.loss:.4g} before the first update; updates of up to {beginning.ratio:.2g} of the "
        "weights followed",
        why="the network answers worse than one that knows nothing of its inputs: each update overshoots"
        + highest_rate(log),
        fix=lower_rate(log, plan, None),
        figures={"loss": half, "chance": answers.loss, "ratio": beginning.ratio},
        because=("N901", "N902", "D106", "G712"),
    )


def _thrown(log: LogFacts, plan: PlanFacts | None, ratio: float, thrown: float, before: str) -> Hit:
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"first updates of {ratio:.2g} times the weights threw the loss to {thrown:.3g} times",
        where=f"the first {FIRST} steps; {before}",
        why="what the weights began with was overwritten: where it goes from there is left to chance"
        + highest_rate(log),
        fix=Fix(
            "a tenth of the learning rate, a warmup, and clip the gradient",
            remedies.by_update(plan, ratio, CALM_UPDATE * 2),
        ),
        figures={"ratio": ratio, "thrown": thrown},
        because=("N901", "N902", "D106", "G712"),
    )


def _of_metrics(log: LogFacts, loss: Series | None, plan: PlanFacts | None) -> Hit | None:
    """A metric that came down for good, while the training loss did not fall."""
    if is_of_policy(log):
        return None
    metrics = qualities(log)
    found = [(one, fallen) for one in metrics if (fallen := _printed_best(log, one) or collapse(one)) is not None]
    if 2 * len(found) < len(metrics):
        return None  # of many metrics, each of a class, some always fall
    for series, fallen in found:
        trained = [loss] if loss is not None else [one for one in log.of(Kind.TERM) if one.meaning.split != VAL]
        if not trained or any(_has_fallen_since(series, one) for one in trained):
            continue
        best, last = fallen
        return Hit(
            severity=Severity.WARNING,
            confidence=Confidence.LIKELY,
            summary=f"{series.name} fell from {best:.4g} to {last:.4g}",
            where=f"to {log.where(series, len(series.values) - 1)}; {len(series.values):,} values",
            why=("" if loss is None else f"{loss.name} is {ends(loss.finite)[1]:.4g} at the end and did not fall: ")
            + "the training itself has come apart, not only what it generalises to"
            + highest_rate(log),
            fix=Fix(
                "go back to the best weights; a tenth of the learning rate, clip the gradient",
                remedies.slower(plan, clip=usual_norm(log)),
            ),
            figures={"best": best, "last": last},
            because=("N901", "N902"),
        )
    return None


def _printed_best(log: LogFacts, series: Series) -> tuple[float, float] | None:
    """Best so far, as the log prints it, of a metric that is constant and far below."""
    values = series.values
    if len(values) < 5 or not np.isfinite(values).all() or np.ptp(values) != 0 or values[0] <= 0:
        return None
    words = series.meaning.words | {"best"}
    named = [one for one in log.series if one.meaning.words == words]
    tops = [float(one.finite.max()) for one in named if len(one.finite)]
    return (max(tops), float(values[0])) if tops and values[0] <= 0.7 * max(tops) <= 100 else None


def _has_fallen_since(series: Series, loss: Series) -> bool:
    """Whether the training loss is lower at the end than where a metric was best."""
    if len(loss.finite) < WIDTH:
        return False
    row = int(series.rows[int(np.nanargmax(np.where(np.isfinite(series.values), series.values, np.nan)))])
    finite = np.isfinite(loss.values)
    nearest = np.argsort(np.abs(loss.rows[finite] - row), kind="stable")[:WIDTH]
    then, now = float(np.median(loss.values[finite][nearest])), ends(loss.finite)[1]
    return now < then - IMPROVED * abs(then)
