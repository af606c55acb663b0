"""O602, O606: a learning rate that is nothing, or is spent before the run is over.

Pure functions of a log. Nothing is judged by an absolute size, and nothing at all where too few values were logged.
"""

from __future__ import annotations

import numpy as np

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked
from trainctl.engine.diagnosis.logs.course import is_long, stands_still, training_loss
from trainctl.engine.diagnosis.logs.facts import LogFacts
from trainctl.engine.diagnosis.logs.names import Kind

TINY_RATE, DEAD_RATE = 1e-7, 1e-3
FEWEST = 10
"""Values of a rate whose course is judged."""


@rule(
    "O602",
    "learning rate zero or far too small",
    section="optimiser and schedule",
    severity=Severity.WARNING,
    precedence=Precedence.SCHEDULE,
    cost=Cost.RECORDS,
    of_log=True,
)
def no_learning_rate(log: LogFacts) -> Answer:
    """Every learning rate that was logged is 0 (error), or none is above 1e-7 and the loss stands still.

    Costs: no update changes a weight by what could be seen.
    Do: look at schedule and warmup (steps against epochs), then find a rate: trainctl lr-find.
    """
    rates = [one for one in log.of(Kind.LR) if len(one.finite)]
    if not rates:
        return Unchecked("no learning rate is named")
    series = max(rates, key=lambda one: float(one.finite.max()))
    highest, loss = float(series.finite.max()), training_loss(log)
    is_still = loss is not None and is_long(log, loss) and stands_still(loss.finite)
    # A rate that is printed with few digits looks like 0 without being it.
    is_zero = highest == 0 and (len(series.finite) > 2) and (float(series.column.half_units.max()) < 1e-6 or is_still)
    if not is_zero and (highest > TINY_RATE or highest == 0 or not is_still):
        return None
    return Hit(
        severity=Severity.ERROR if is_zero else Severity.WARNING,
        confidence=Confidence.PROVEN if is_zero and is_still else Confidence.LIKELY,
        summary=f"{series.name} is never above {highest:.3g}",
        where=f"{len(series.finite):,} values from {log.where(series, 0)}",
        why="no update changes a weight" + (f"; {loss.name} stands still" if loss is not None and is_still else ""),
        fix=Fix("look at schedule and warmup (steps against epochs), then find a rate: trainctl lr-find"),
        figures={"highest": highest},
    )


@rule(
    "O606",
    "learning rate spent too early",
    section="optimiser and schedule",
    severity=Severity.WARNING,
    precedence=Precedence.SCHEDULE,
    cost=Cost.RECORDS,
    of_log=True,
)
def spent_rate(log: LogFacts) -> Answer:
    """The whole second half of the log below a thousandth of the highest learning rate.

    Costs: half of the run changes next to nothing.
    Do: step the schedule by the epoch if it counts epochs; make its length that of the run.
    """
    rates = [one for one in log.of(Kind.LR) if len(one.finite) >= FEWEST]
    if not rates:
        return Unchecked(f"needs {FEWEST} values of a learning rate")
    highest = np.array([float(one.finite.max()) for one in rates])
    late = np.array([float(one.finite[len(one.finite) // 2 :].max()) for one in rates])
    if not (highest > 0).any() or (late >= DEAD_RATE * highest).any():
        return None
    series = rates[int(highest.argmax())]
    index = int(np.flatnonzero(series.values >= DEAD_RATE * highest.max())[-1])
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"{series.name} is below a thousandth of its highest from {index / len(series.values):.0%} of the log",
        where=f"after {log.where(series, index)}: {highest.max():.3g} before, {late.max():.3g} in the second half",
        why="what is left of such a run changes next to nothing",
        fix=Fix("step the schedule by the epoch if it counts epochs; make its length that of the run"),
        figures={"highest": float(highest.max()), "second_half": float(late.max())},
    )
