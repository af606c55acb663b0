"""O608, O617: a training that ended in its warmup, or while it still learned. Pure functions of evidence."""

from __future__ import annotations

from trainctl.engine.diagnosis import remedies
from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.ending import EndFacts
from trainctl.engine.diagnosis.facts.plan import PlanFacts
from trainctl.engine.diagnosis.facts.run import RecordFacts
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked
from trainctl.engine.runs.states import RunState

GAINED = 0.15
"""Share of all that the training loss has fallen which a quarter of the steps brought."""
STEEP = 0.25
"""The same where it fell as fast at the end as at the beginning: healthy short runs reach .22."""
ANNEALED = 0.5
"""Share of its highest value that the rate has at the end of a training that nothing slowed down."""
RISING = 0.95
"""Share of the steps at which the rate is not lower than before."""
START, LATE = 0.1, 0.9
"""Share of the highest rate that a warmup begins with at most, and of the steps after which that is reached."""


@rule(
    "O617",
    "ended while it still learned",
    section="optimiser and schedule",
    severity=Severity.INFO,
    precedence=Precedence.CAPACITY,
    cost=Cost.RECORDS,
)
def still_learning(ending: EndFacts, records: RecordFacts, plan: PlanFacts | None = None) -> Answer:
    """Of a run that ended by itself: each of its last two quarters brought more than 15 % of all that the training loss
    has fallen, and the learning rate was still above half of its highest.

    Information, and a warning above 25 %: as much as in a fall that has only begun. So it stays information where
    train.max_steps ended it, for a run may be short on purpose. A rate that was brought down on the way has said that
    this is the end; such a run is left alone.

    Costs: the result is worth less than the same training would be after twice the steps.
    Do: train longer, in epochs or in updates: a smaller batch, less accumulation.
    Follows from: D101, D102, D106, D108, D113, L201, L207, G701, G702, G703, O601, O602, O604, O608, O610, O612.
    """
    if not records.is_over:
        return Unchecked("the run is not over")
    if records.state != RunState.FINISHED or ending.rate_share < ANNEALED:
        return None
    if not (ending.late > GAINED and ending.before > GAINED):
        return None
    first, third, last = ending.levels[0], ending.levels[3], ending.levels[4]
    is_steep = min(ending.late, ending.before) > STEEP and (plan is None or plan.max_steps is None)
    return Hit(
        severity=Severity.WARNING if is_steep else Severity.INFO,
        confidence=Confidence.LIKELY,
        summary=f"the last quarter of the steps brought {ending.late:.0%} of all that was learned",
        where=f"the training loss: {first:.4g} at first, {third:.4g} after three quarters, {last:.4g} at the end",
        why=f"nothing says that it was over: the rate stood where it was; {records.num_steps:,} updates were made",
        fix=Fix(
            "train longer, in epochs or in updates (a smaller batch, less accumulation)",
            None if plan is None else {"train.epochs": 4 * plan.epochs},
        ),
        figures={"gained": ending.late, "before": ending.before, "steps": records.num_steps},
        because=(
            *("D101", "D102", "D106", "D108", "D113", "L201", "L207", "G701", "G702", "G703"),
            *("O601", "O602", "O604", "O608", "O610", "O612"),
        ),
    )


@rule(
    "O608",
    "warmup as long as the training",
    section="optimiser and schedule",
    severity=Severity.WARNING,
    precedence=Precedence.SCHEDULE,
    cost=Cost.RECORDS,
)
def endless_warmup(ending: EndFacts, records: RecordFacts, plan: PlanFacts | None = None) -> Answer:
    """Of a run that is over: the learning rate began below a tenth of its highest, rose at 95 % of the steps and was
    highest in the last tenth of them.

    Costs: the rate that was meant is there when the training ends.
    Do: a warmup of a tenth of the training; count it in steps where the schedule counts steps.
    """
    if not records.is_over:
        return Unchecked("the run is not over")
    if ending.rising < RISING or ending.peak_at < LATE or ending.start_share > START:
        return None
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.PROVEN,
        summary=f"the learning rate rose to the end, from {ending.start_share:.2g} of its highest",
        where=f"all {records.num_steps:,} steps; highest after {ending.peak_at:.0%} of them",
        why="nothing of the training ran at the rate that it was warmed up for",
        fix=Fix(
            "a warmup of a tenth of the training; count it in steps where the schedule counts steps",
            remedies.usual_rate(plan) if plan is not None and plan.warmup_epochs else None,
        ),
        figures={"peak_at": ending.peak_at, "start_share": ending.start_share},
    )
