"""O607, E1014: losses beyond all measure, and a metric that chooses the best checkpoint and is none. Pure functions."""

from __future__ import annotations

import math

from trainctl.engine.diagnosis import remedies
from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.plan import PlanFacts
from trainctl.engine.diagnosis.facts.run import MonitorFacts, RecordFacts
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked

HUGE, OVERFLOWS = 1e10, 1e18
"""Squares of what is above 1e19 are no numbers of single precision any more."""
BLOWN_UP = 1e3
UNDEFINED = 2
"""Newest validations without the metric from which on it is a finding."""


@rule(
    "O607",
    "loss beyond all measure",
    section="optimiser and schedule",
    severity=Severity.ERROR,
    precedence=Precedence.SCHEDULE,
    cost=Cost.RECORDS,
)
def absurd_loss(records: RecordFacts, plan: PlanFacts | None = None) -> Answer:
    """The newest losses above 1e18, or a thousand times the first (an error), or above 1e10 (a warning).

    Costs: the weights are far beyond any that answer; what follows is overflow.
    Do: a tenth of the learning rate, a warmup, a clipped gradient; scale inputs and targets.
    Follows from: N901, O601.
    """
    first, now = records.first_loss, records.recent_loss
    if not math.isfinite(now):
        return Unchecked("none of the newest losses is finite")
    is_blown = math.isfinite(first) and abs(first) > 1e-6 and abs(now) > BLOWN_UP * max(abs(first), 1.0)
    if abs(now) <= HUGE and not is_blown:
        return None
    is_error = is_blown or abs(now) > OVERFLOWS
    return Hit(
        severity=Severity.ERROR if is_error else Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"the loss is {now:.3g}, it began at {first:.3g}",
        where=f"step {records.last_step}, median of the newest losses",
        why="it blew up: the updates are larger than what they should correct"
        if is_blown
        else "inputs, targets or outputs are not scaled: squares of such values leave single precision",
        fix=Fix(
            "a tenth of the learning rate, a warmup, and clip the gradient; scale inputs and targets",
            remedies.slower(plan) if is_blown else None,
        ),
        figures={"first": first, "last": now},
        because=("N901", "O601"),
    )


@rule(
    "E1014",
    "monitored metric not defined",
    section="evaluation",
    severity=Severity.ERROR,
    precedence=Precedence.CAPACITY,
    cost=Cost.RECORDS,
)
def undefined_monitor(monitor: MonitorFacts, records: RecordFacts) -> Answer:
    """The metric that chooses the best checkpoint is NaN, infinite or absent in the two newest validations: a warning;
    in every one: an error.

    Costs: no best checkpoint is chosen, and early stopping and a plateau schedule see nothing.
    Do: look at predictions and labels of the validation split, or monitor another metric (train.monitor).
    Follows from: N901, E1007.
    """
    newest = monitor.values[-UNDEFINED:]
    if any(math.isfinite(value) for value in newest):
        return None
    if len(newest) < UNDEFINED and not records.is_over:
        return Unchecked(f"needs {UNDEFINED} validations")
    never = monitor.num_defined == 0
    missing = monitor.num_validations - monitor.num_defined
    return Hit(
        severity=Severity.ERROR if never else Severity.WARNING,
        confidence=Confidence.PROVEN,
        summary=f"{monitor.metric} is no finite number in {missing} of {monitor.num_validations} validations",
        where=f"newest at epoch {monitor.epochs[-1]}",
        why=f"{monitor.metric} chooses the best checkpoint"
        + (": there is none, and early stopping counts every validation as a bad one" if never else ", and cannot now"),
        fix=Fix(
            "look at predictions and labels of the validation split, or monitor another metric: train.monitor",
            None if monitor.metric == "loss" else {"train.monitor": "loss", "train.monitor_mode": "min"},
        ),
        figures={"undefined": missing, "validations": monitor.num_validations},
        because=("N901", "E1007"),
    )
