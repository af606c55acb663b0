"""O602, O606: a learning rate that is nothing, or is spent before the run is over.

Pure functions of a log. Nothing is judged by an absolute size, and nothing at all where too few values were logged.
"""

from __future__ import annotations

import numpy as np

from trainctl.engine.diagnosis import remedies
from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.plan import PlanFacts
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked
from trainctl.engine.diagnosis.logs.course import IMPROVED, ends, is_long, stands_still, training_loss, validation_loss
from trainctl.engine.diagnosis.logs.facts import LogFacts, Series
from trainctl.engine.diagnosis.logs.metrics import rank_correlation
from trainctl.engine.diagnosis.logs.names import VAL, Kind

TINY_RATE, DEAD_RATE = 1e-7, 1e-3
SMALL_UPDATE = 2e-5
"""Size of an update relative to the weights that moves nothing; healthy ones are near 1e-3."""
SMALL_SHARE, MOVED, AT_ALL = 2e-4, 0.05, 0.015
"""Size of an update, and of all together, relative to the weights, with which little can be learned; and nothing."""
CREPT, FALLING = 0.05, -0.8
"""Share by which a loss fell that only crept, and its rank correlation with time."""
OVER = 0.3
"""Share of a log at whose end a rate is 0."""
FEWEST = 10
"""Values of a rate whose course is judged."""
DIGITS = 1000
"""Last digits that a value of four digits is at least made of."""
MEASURED = (Kind.TOTAL, Kind.TERM, Kind.RATE, Kind.CORRELATION, Kind.SCORE, Kind.ERROR)


@rule(
    "O602",
    "learning rate zero or far too small",
    section="optimiser and schedule",
    severity=Severity.WARNING,
    precedence=Precedence.SCHEDULE,
    cost=Cost.RECORDS,
    of_log=True,
)
def no_learning_rate(log: LogFacts, plan: PlanFacts | None = None) -> Answer:
    """Every learning rate that was logged is 0 (error), or none is above 1e-7 and the loss stands still; or half of the
    updates are below 2e-5 of the weights while it does; or all updates together moved the weights by less than 5 % of
    their size while the loss fell by less than 5 %, but all the way (rank correlation of its eighths below -.8), or by
    less than 1.5 %, however it fell.

    A 0 that may be rounded counts where the loss stands still; or where it did not fall by 2 %, and each figure of the
    validation, two or more of four digits, is the same to the last digit after other steps.

    The loss of a network that is tuned falls at such updates too, and then they are no fault.

    Costs: no update changes a weight by what could be seen.
    Do: look at schedule and warmup (steps against epochs), then find a rate: trainctl lr-find.
    Follows from: D106, G704, G712, O608, O609, O610.
    """
    rates = [one for one in log.of(Kind.LR) if len(one.finite)]
    small = _small_updates(log, plan)
    if not rates and small is None:
        return Unchecked("no learning rate is named")
    if not rates:
        return small
    series = max(rates, key=lambda one: float(one.finite.max()))
    highest, loss = float(series.finite.max()), training_loss(log)
    is_still = loss is not None and is_long(log, loss) and stands_still(loss.finite)
    # A rate that is printed with few digits looks like 0 without being it.
    is_fine = float(series.column.half_units.max()) < 1e-6
    has_fallen = loss is not None and len(loss.finite) > 1 and ends(loss.finite)[1] < (1 - IMPROVED) * loss.finite[0]
    unchanged = "" if is_fine or is_still or has_fallen or highest else _unchanged_validation(log)
    is_zero = highest == 0 and len(series.finite) > 2 and (is_fine or is_still or bool(unchanged))
    if not is_zero and (highest > TINY_RATE or highest == 0 or not is_still):
        return small
    return Hit(
        severity=Severity.ERROR if is_zero else Severity.WARNING,
        confidence=Confidence.PROVEN if is_zero and (is_still or unchanged) else Confidence.LIKELY,
        summary=f"{series.name} is never above {highest:.3g}",
        where=f"{len(series.finite):,} values from {log.where(series, 0)}",
        why="no update changes a weight"
        + (f"; {loss.name} stands still" if loss is not None and is_still else "")
        + (f"; {unchanged} the same after other steps" if unchanged else ""),
        fix=Fix(
            "look at schedule and warmup (steps against epochs), then find a rate: trainctl lr-find",
            remedies.first_of(remedies.by_update(plan, _usual_update(log)), remedies.usual_rate(plan)),
        ),
        figures={"highest": highest},
    )


def _unchanged_validation(log: LogFacts) -> str:
    """Figures of the validation that are the same to the last of four digits though steps lie between; empty: none.

    A log that prints its last evaluation again with every step does so too: those stand in rows of their own.
    """
    told = [one for one in log.of(*MEASURED, split=VAL) if len(one.values) > 1]
    if len(told) < 2 or not all(np.isfinite(one.values).all() and np.ptp(one.values) == 0 for one in told):
        return ""
    fine = [one for one in told if abs(float(one.values[0])) > 2 * DIGITS * float(one.column.half_units.max())]
    trained = [one.rows for one in log.of(Kind.TOTAL, Kind.TERM) if one.meaning.split != VAL]
    rows, steps = fine[0].rows if fine else told[0].rows, log.table.steps
    between = max((int(np.sum((one > rows[0]) & (one < rows[-1]))) for one in trained), default=0)
    is_later = float(np.nanmax(steps[rows], initial=0.0)) > float(np.nanmin(steps[rows], initial=np.inf))
    is_of_its_own = between >= 2 and len(rows) < max((len(one) for one in trained), default=0)
    if len(fine) < 2 or not is_later or not is_of_its_own:
        return ""
    return ", ".join(f"{one.name} is {one.say(0)}" for one in fine)


def _usual_update(log: LogFacts) -> float:
    """Median size of an update relative to the weights; NaN: it was not logged, or is 0."""
    known = [one.finite[one.finite > 0] for one in log.of(Kind.UPDATE_RATIO)]
    return next((float(np.median(values)) for values in known if len(values)), float("nan"))


def _small_updates(log: LogFacts, plan: PlanFacts | None) -> Hit | None:
    loss = training_loss(log)
    if loss is None or not is_long(log, loss) or log.early:
        return None
    creeping = _creeping(log, loss, plan)
    if creeping is not None or not stands_still(loss.finite):
        return creeping
    for series in log.of(Kind.UPDATE_RATIO):
        if len(series.finite) >= FEWEST and float(np.median(series.finite)) < SMALL_UPDATE:
            ratio = float(np.median(series.finite))
            return Hit(
                severity=Severity.WARNING,
                confidence=Confidence.LIKELY,
                summary=f"{series.name} {ratio:.2g}: updates hardly touch the weights",
                where=f"median of {len(series.finite):,} values from {log.where(series, 0)}",
                why=f"healthy ones are near 1e-3; {loss.name} stands still",
                fix=Fix(
                    "find a rate: trainctl lr-find; then look at clipping, and at what the optimiser holds",
                    remedies.first_of(remedies.by_update(plan, _usual_update(log)), remedies.usual_rate(plan)),
                ),
                figures={"ratio": ratio},
            )
    return None


def _creeping(log: LogFacts, loss: Series, plan: PlanFacts | None) -> Hit | None:
    """All updates together have hardly moved the weights, and the loss hardly fell, but it did so all the way."""
    values, steps = loss.finite, log.table.steps
    first, last = ends(values)
    if not np.isfinite(values).all() or first <= 0 or not 0 < first - last < CREPT * first:
        return None
    eighths = np.array([np.median(part) for part in np.array_split(values, 8)])
    is_falling = rank_correlation(eighths) < FALLING
    for series in log.of(Kind.UPDATE_RATIO):
        if len(series.finite) < FEWEST:
            continue
        ratio, count = float(np.median(series.finite)), float(np.nanmax(steps, initial=0.0))
        if ratio < SMALL_SHARE and ratio * count < (MOVED if is_falling else AT_ALL):
            return Hit(
                severity=Severity.WARNING,
                confidence=Confidence.LIKELY,
                summary=f"{count:,.0f} updates moved the weights by at most {ratio * count:.2g} of their size in all",
                where=f"{series.name} {ratio:.2g}, healthy ones are near 1e-3; {loss.name} {first:.4g} to {last:.4g}",
                why="the direction may be right, but the steps are too small to come anywhere",
                fix=Fix(
                    "find a rate: trainctl lr-find; look at warmup, clipping and eps, and whose optimiser the rate was",
                    remedies.first_of(remedies.by_update(plan, ratio), remedies.usual_rate(plan)),
                ),
                figures={"ratio": ratio, "moved": ratio * count},
                because=("O610", "O608", "O609", "G704", "G712", "D106"),
            )
    return None


@rule(
    "O606",
    "learning rate spent too early",
    section="optimiser and schedule",
    severity=Severity.WARNING,
    precedence=Precedence.SCHEDULE,
    cost=Cost.RECORDS,
    of_log=True,
)
def spent_rate(log: LogFacts, plan: PlanFacts | None = None) -> Answer:
    """The whole second half of the log below a thousandth of the highest learning rate, or its last 30 % exactly 0.

    A schedule that ends at 0 does so in its last values; a rate that rounds to 0 in print is none.

    Costs: half of the run changes next to nothing.
    Do: step the schedule by the epoch if it counts epochs; make its length that of the run.
    """
    rates = [one for one in log.of(Kind.LR) if len(one.finite) >= FEWEST]
    if not rates:
        return Unchecked(f"needs {FEWEST} values of a learning rate")
    highest = np.array([float(one.finite.max()) for one in rates])
    late = np.array([float(one.finite[len(one.finite) // 2 :].max()) for one in rates])
    series = rates[int(highest.argmax())]
    is_over = highest.max() > 0 and _is_over(rates, float(highest.max()))
    if not (highest > 0).any() or ((late >= DEAD_RATE * highest).any() and not is_over):
        return None
    index = int(np.flatnonzero(series.values >= DEAD_RATE * highest.max())[-1])
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"{series.name} is below a thousandth of its highest from {index / len(series.values):.0%} of the log",
        where=f"after {log.where(series, index)}: {highest.max():.3g} before, {late.max():.3g} in the second half",
        why="what is left of such a run changes next to nothing" + _cuts(log, series),
        fix=Fix(
            "step the schedule by the epoch if it counts epochs; make its length that of the run",
            remedies.to_the_end(plan),
        ),
        figures={
            "highest": float(highest.max()),
            "second_half": float(late.max()),
            **log.step_of(series, index),
        },
    )


def _is_over(rates: list[Series], highest: float) -> bool:
    """Whether every rate is 0 in the last 30 % of the log, and no rounding of something that matters."""
    for one in rates:
        late = one.finite[-max(int(OVER * len(one.finite)), 1) :]
        if late.any() or float(one.column.half_units.min(initial=np.inf)) > DEAD_RATE * highest:
            return False
    return True


def _cuts(log: LogFacts, series: Series) -> str:
    """Whether the rate came down in steps, each while the validation was at its best: a plateau in the wrong mode."""
    validated = validation_loss(log)
    values = series.values
    cuts = np.flatnonzero(values[1:] < 0.95 * values[:-1]) + 1
    if validated is None or not 3 <= len(cuts) <= len(values) // 2 or len(validated.finite) < FEWEST:
        return ""
    improving = 0
    for row in series.rows[cuts]:
        before = validated.values[validated.rows < row]
        improving += bool(len(before) > 1 and np.isfinite(before).all() and before[-2:].min() <= before.min())
    if improving < 0.8 * len(cuts):
        return ""
    return (
        f"; at {improving} of its {len(cuts)} cuts {validated.name} was at its best: a plateau with the wrong mode "
        "(`min` for a loss) would cut so"
    )
