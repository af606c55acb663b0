"""S1102 of a run: averaged weights that are never updated. Pure functions of evidence."""

from __future__ import annotations

import math

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.run import MonitorFacts, RecordFacts
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked

VALIDATIONS = 3


@rule(
    "S1102",
    "averaged weights never change",
    section="evaluation",
    severity=Severity.ERROR,
    precedence=Precedence.MECHANICS,
    cost=Cost.RECORDS,
)
def frozen_average(monitor: MonitorFacts, records: RecordFacts) -> Answer:
    """The monitored metric of the averaged weights is the same to its last digit in the newest three validations, while
    that of the weights that are trained is another in each.

    A metric that both have alike, as one that is as good as it gets, says nothing.

    Costs: what is validated is the network as it was when the average began: mostly random weights. The best
    checkpoint, early stopping and a plateau that look at it are blind.
    Do: update the average after each step (in a loop of your own: ema.update()), and its buffers with it.
    Follows from: N901, S1101.
    """
    raw, averaged = monitor.raw[-VALIDATIONS:], monitor.averaged[-VALIDATIONS:]
    if not averaged:
        return Unchecked("no averaged weights were validated")
    if len(averaged) < VALIDATIONS:
        return Unchecked(f"needs {VALIDATIONS} validations of the averaged weights")
    if not all(map(math.isfinite, averaged)) or len(set(averaged)) > 1 or len(set(raw)) < VALIDATIONS:
        return None
    return Hit(
        severity=Severity.ERROR,
        confidence=Confidence.PROVEN,
        summary=f"{monitor.metric} of the averaged weights is {averaged[-1]:.6g} in each of {VALIDATIONS} validations",
        where=f"newest at epoch {monitor.epochs[-1]}, step {records.last_step}; of the trained weights "
        f"{', '.join(f'{value:.4g}' for value in raw)}",
        why="no average of weights that move stands still to the last digit: it is not updated",
        fix=Fix("update the average after each step, and its buffers with it; until then validate the trained weights"),
        figures={"averaged": averaged[-1], "raw": raw[-1]},
        because=("N901", "S1101"),
    )
