"""P1201: the device waits for its batches. Pure functions of evidence."""

from __future__ import annotations

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.foreign import ForeignFacts
from trainctl.engine.diagnosis.facts.plan import PlanFacts
from trainctl.engine.diagnosis.facts.run import WaitFacts
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity

SHARE = 0.25
"""Of the time of the steps."""
LEAST_S, LEAST_LOST_S = 1e-3, 30.0
"""Wait of a step, and of all of them, below which there is nothing to be gained."""
BUSY_CARD, BUSY_CORES = 80.0, 0.7
"""Percent of use from which a card does not wait, and share of the cores from which none is left to read on."""
MORE_WORKERS = 4


@rule(
    "P1201",
    "the device waits for the data",
    section="data",
    severity=Severity.WARNING,
    precedence=Precedence.CAPACITY,
    cost=Cost.RECORDS,
)
def waiting_for_data(waits: WaitFacts, plan: PlanFacts | None = None, foreign: ForeignFacts | None = None) -> Answer:
    """Of the newest steps (60 to 4,096), 25 % of the time or more goes into waiting for their batches, in both halves;
    or into the first batches of the epochs, where three of these were seen. A step counts as 20 median ones at most,
    the first 20 of a run not at all. A wait of less than a millisecond a step, or of 30 s in all, is none.

    On a GPU the program may wait while the device still works: where its use is recorded (extra `gpu`) and reaches 80 %
    in the mean, it is silent; where it is not recorded, this is an information.

    Costs: the share of the time that is waited; the result is the same.
    Do: read in more processes, fetch ahead, decode and resize once beforehand, keep the data in memory.
    """
    at_starts = min(waits.shares) < SHARE or waits.wait_s < LEAST_S
    share = waits.start_share if at_starts else waits.share
    lost_s = share * waits.total_s / (1 - share if at_starts else 1)
    if share < SHARE or lost_s < LEAST_LOST_S or (waits.is_card and waits.card_percent >= BUSY_CARD):
        return None
    is_told = not waits.is_card or waits.card_percent == waits.card_percent
    return Hit(
        severity=Severity.WARNING if is_told else Severity.INFO,
        confidence=Confidence.PROVEN if is_told else Confidence.LIKELY,
        summary=_summary(waits, share, at_starts=at_starts),
        where=f"newest {waits.num_steps:,} steps: {in_ms(waits.step_s)} each, {in_ms(waits.wait_s)} of it waiting",
        why=_why(waits),
        fix=_fix(waits, plan, at_starts=at_starts),
        figures={
            "share": share,
            "wait_s": waits.wait_s,
            "step_s": waits.step_s,
            "steps": waits.num_steps,
            "lost_s": lost_s,
            "gpu_percent": waits.card_percent,
            "machine_cpu_percent": waits.machine_percent,
            "core_share": waits.core_share,
        },
        ruled_out=_ruled_out(waits, at_starts=at_starts, is_foreign=foreign is not None),
        explains=False,
    )


def in_ms(seconds: float) -> str:
    """The time of a step in words."""
    return f"{1e3 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def _summary(waits: WaitFacts, share: float, *, at_starts: bool) -> str:
    if at_starts:
        return f"{share:.0%} of the time goes into the first batches of {waits.num_starts} epochs"
    return f"{share:.0%} of the time of a step goes into waiting for its batch"


def _why(waits: WaitFacts) -> str:
    if waits.is_card and waits.card_percent != waits.card_percent:
        return "how busy the GPU was is not recorded (extra gpu): it may have had work left meanwhile"
    if waits.is_card:
        return f"the GPU was busy {waits.card_percent:.0f} % of the time: it could take more"
    return "the processor gathers a batch, then takes the step: one after the other"


def _fix(waits: WaitFacts, plan: PlanFacts | None, *, at_starts: bool) -> Fix:
    if at_starts:
        return Fix(
            "keep the processes that read from one epoch to the next (persistent_workers), or make epochs longer"
        )
    if waits.core_share >= BUSY_CORES:
        return Fix(
            f"the training keeps its cores busy ({waits.core_share:.0%}), so make reading cheaper: decode and resize "
            "once beforehand, keep the data in memory, augment on the device"
        )
    workers = None if plan is None else plan.settings.get("train.workers")
    return Fix(
        "read in more processes (train.workers, num_workers), fetch ahead, decode and resize once beforehand, or keep "
        "the data in memory",
        {"train.workers": MORE_WORKERS} if workers in (0, 1) and type(workers) is int else None,
    )


def _ruled_out(waits: WaitFacts, *, at_starts: bool, is_foreign: bool) -> tuple[str, ...]:
    older, newer = waits.shares
    said = ["the beginning of the run: its first steps are not counted"]
    if not is_foreign:
        said.append("validations and checkpoints: they lie between the steps and are not counted")
    if at_starts:
        said.append(f"the other batches: {waits.share:.0%} of the time of their steps")
    else:
        said.append(f"a slow moment: {older:.0%} in the older half of these steps and {newer:.0%} in the newer")
        said.append(f"the first batches of the epochs ({waits.start_share:.0%}): they are not counted")
    return tuple(said)
