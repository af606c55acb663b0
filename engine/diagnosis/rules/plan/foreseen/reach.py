"""What a plan lacks that does not lead far enough: rate, steps, or a schedule that lets them act. Pure functions.

Shared by O602 and O606. Too few steps are nobody's finding here: a run may be short on purpose, and D112 counts them.
"""

from __future__ import annotations

from enum import StrEnum

from trainctl.engine.diagnosis.facts.schedule import ScheduleFacts
from trainctl.engine.diagnosis.facts.trial import ReachFacts

SHORT, WORTH, NEARLY = 0.6, 0.1, 0.9
"""Of what the best multiple of the plan takes away of the loss: what the plan itself takes, below which it is short; as
a share of the loss, what it is to be worth; and what a smaller multiple may do as well."""
SPENT = 0.2
"""Mean of the rate in terms of its highest, below which it is the schedule that makes the plan short."""
MANY = 3000.0
"""Steps at the highest rate; where more were needed, the rate is small rather than their number."""


class Lack(StrEnum):
    """What there is too little of."""

    RATE = "rate"
    STEPS = "steps"
    SCHEDULE = "schedule"
    """The rate is there, for a small part of the run."""


def lack_of(reach: ReachFacts | None, schedule: ScheduleFacts | None) -> Lack | None:
    """What the plan lacks; None: nothing that could be seen, or the run is cut short on purpose."""
    if reach is None or schedule is None or schedule.is_cut_short or not schedule.highest > 0:
        return None
    if not (reach.most >= WORTH and reach.own < SHORT * reach.most):
        return None
    if schedule.total < SPENT * schedule.highest * schedule.num_steps:
        return Lack.SCHEDULE
    return Lack.STEPS if needed_steps(reach, schedule) <= MANY else Lack.RATE


def needed_multiple(reach: ReachFacts) -> float:
    """The multiple of the plan that does nearly as well as the best."""
    return reach.multiple(NEARLY)


def needed_steps(reach: ReachFacts, schedule: ScheduleFacts) -> float:
    """Steps at the highest rate that come to that multiple."""
    return needed_multiple(reach) * schedule.total / schedule.highest


def words_of(reach: ReachFacts) -> str:
    """The measurement."""
    return (
        f"taken in {reach.num_steps} large steps the plan lowers the loss of {reach.first:.4g} by {reach.own:.1%}, "
        f"{needed_multiple(reach):g} times as much of it by {1 - reach.left.get(needed_multiple(reach), 1.0):.0%}"
    )


def figures_of(reach: ReachFacts) -> dict[str, float | int | str]:
    """The same, to compute with."""
    return {"plan_takes": reach.own, "most_takes": reach.most, "multiple": needed_multiple(reach)}
