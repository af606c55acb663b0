"""O619, E1016 of a log: a policy that is not changed by its updates, and rewards that are never told.

Pure functions of a log.
"""

from __future__ import annotations

import numpy as np

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked
from trainctl.engine.diagnosis.logs.course import ends
from trainctl.engine.diagnosis.logs.facts import LogFacts, Series
from trainctl.engine.diagnosis.logs.metrics import jitter, main_reward
from trainctl.engine.diagnosis.logs.names import Kind
from trainctl.engine.diagnosis.logs.table import Floats

UPDATES = 10
NO_CHANGE = 1e-5
"""A divergence of the policy by an update that is nothing; PPO aims at .01 to .03."""
UNTOLD = 3
"""Newest rewards that are NaN."""
MOST_OF_THEM, NEARLY_ALL = 0.5, 0.8


@rule(
    "O619",
    "policy does not move",
    section="optimiser and schedule",
    severity=Severity.WARNING,
    precedence=Precedence.SCHEDULE,
    cost=Cost.RECORDS,
    of_log=True,
)
def still_policy(log: LogFacts) -> Answer:
    """In half of its updates, at least ten, a policy changed by a divergence below 1e-5 and no sample was clipped.

    Where no divergence is logged: its gradient loss is below 1e-6 throughout. Where fewer than four fifths of the
    updates are so, only if the reward did not rise by three deviations of its noise. Clipping alone says nothing: a
    small rate may clip no sample.

    Costs: the rewards are those of the first, random policy.
    Do: longer rollouts and larger batches (advantages of one sample are 0 after normalising), a larger rate.
    Follows from: N901, N902, O602, G701.
    """
    divergences = [one for one in log.of(Kind.KL) if len(one.finite) >= UPDATES]
    gradients = [one for one in log.of(Kind.TERM) if _is_gradient(one) and len(one.finite) >= UPDATES]
    witness = next(iter([*divergences, *gradients]), None)
    if witness is None:
        return Unchecked(f"needs {UPDATES} values of a policy's divergence or gradient loss")
    limit = NO_CHANGE if divergences else NO_CHANGE / 10
    still = float((np.abs(witness.finite) < limit).mean())
    clipped = [one for one in log.of(Kind.CLIP_FRACTION) if len(one.finite) >= UPDATES]
    unclipped = float(min(((one.finite == 0).mean() for one in clipped), default=1.0))
    reward = main_reward(log)
    has_risen = reward is not None and _has_risen(reward.finite)
    if still < (MOST_OF_THEM if divergences else 1.0) or unclipped < MOST_OF_THEM:
        return None
    if has_risen and still < NEARLY_ALL:
        return None
    said = f"; {clipped[0].name} is 0 in {unclipped:.0%}" if clipped else ""
    earned = ""
    if reward is not None and len(reward.finite):
        earned = f"; {reward.name} from {reward.finite[0]:.4g} to {reward.finite[-1]:.4g}"
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"{witness.name} is below {limit:g} in {still:.0%} of {len(witness.finite):,} updates",
        where=f"{log.where(witness, 0)} to {log.where(witness, len(witness.values) - 1)}",
        why=f"an update of a policy that learns changes it by .01 or so{said}{earned}{_unexplained(log)}",
        fix=Fix(
            "longer rollouts and larger batches (n_steps, batch_size), a larger rate; check that advantages vary and "
            "the reward depends on the actions"
        ),
        figures={"share_still": still, "share_unclipped": unclipped},
        because=("N901", "N902", "O602", "G701"),
    )


def _is_gradient(series: Series) -> bool:
    return {"policy", "gradient"} <= series.meaning.words or "pg" in series.meaning.words


def _has_risen(values: Floats) -> bool:
    if len(values) < UPDATES:
        return False
    first, last = ends(values)
    return last - first > 3 * jitter(values) and last - first > 0.05 * abs(first)


def _unexplained(log: LogFacts) -> str:
    for one in log.of(Kind.EXPLAINED_VARIANCE):
        count = int(np.isnan(one.values).sum())
        if 2 * count > len(one.values):
            return f"; {one.name} is NaN in {count:,} of {len(one.values):,}: its returns do not vary within a rollout"
    return ""


@rule(
    "E1016",
    "rewards are not told",
    section="evaluation",
    severity=Severity.WARNING,
    precedence=Precedence.SAMPLER,
    cost=Cost.RECORDS,
    of_log=True,
)
def untold_rewards(log: LogFacts) -> Answer:
    """Every value of the reward is NaN, after ten updates or more by the log's own count, or in three values or more.

    Or the newest three values or more are, a third of all, and none before them.

    Costs: nothing says whether the policy learns, and no best one can be kept.
    Do: wrap the environment so that it counts its episodes (Monitor), and let episodes end within what is logged.
    """
    reward = main_reward(log)
    if reward is None:
        return Unchecked("no reward is named")
    updates = [float(one.finite.max()) for one in log.series if _counts_updates(one) and len(one.finite)]
    is_late = len(reward.values) >= 3 or max(updates, default=0.0) >= UPDATES
    count = _last_untold(reward.values)
    if not count or not is_late:
        return None
    told = f" after {max(updates):,.0f} updates" if updates else ""
    if count < len(reward.values):
        return _no_longer_told(log, reward, count)
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"{reward.name} is NaN in all {len(reward.values):,} values{told}",
        where=f"{log.where(reward, 0)} to {log.where(reward, len(reward.values) - 1)}",
        why="a mean over no episode: none has ended, or none is counted",
        fix=Fix("wrap the environment in Monitor (it counts episodes), and check that episodes end: a time limit"),
        figures={"values": len(reward.values)},
    )


def _last_untold(values: Floats) -> int:
    """How many values at the end are NaN, if none is before and they are all, or three and a third of all; else 0."""
    missing = np.isnan(values)
    count = int(missing.sum())
    is_at_end = bool(missing[len(values) - count :].all())
    return count if is_at_end and (count == len(values) or (count >= UNTOLD and 3 * count >= len(values))) else 0


def _no_longer_told(log: LogFacts, reward: Series, count: int) -> Hit:
    start = len(reward.values) - count
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"{reward.name} is NaN in the newest {count:,} of {len(reward.values):,} values",
        where=f"from {log.where(reward, start)} to the end; {reward.say(start - 1)} before",
        why="a mean over no episode: none ends any more within what is logged, or one reward was NaN",
        fix=Fix("a time limit for the episodes, longer intervals between the reports; look for NaN in the rewards"),
        figures={"values": count},
        because=("N901",),
    )


def _counts_updates(series: Series) -> bool:
    return bool(series.meaning.words & {"nupdates", "updates", "iterations"})
