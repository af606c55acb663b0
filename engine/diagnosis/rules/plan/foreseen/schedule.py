"""O606, O624: a learning rate that is planned for another training, and settings that never act. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainctl.engine.diagnosis import remedies
from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.attempt import AttemptFacts
from trainctl.engine.diagnosis.facts.plan import PlanFacts
from trainctl.engine.diagnosis.facts.schedule import ScheduleFacts
from trainctl.engine.diagnosis.facts.trial import ReachFacts
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked
from trainctl.engine.diagnosis.rules.plan.foreseen.reach import Lack, lack_of, needed_multiple, words_of

DEAD, DEAD_SHARE = 1e-3, 0.5
"""Share of the highest rate at which nothing is learned any more, and share of the run that may be spent below it."""
LITTLE, LITTLE_SHARE = 1e-2, 0.9
"""The same for a rate that was cut at once, of which some is left."""
OVER_SHARE = 0.3
"""Share of the run at whose end a rate is exactly 0."""
FROM, PEAK_AT, MOSTLY = 0.1, 0.9, 0.9
"""Of a rate that rises to the end: share of its highest at which it began, where that is reached, and share of the
looks at which it did not fall."""
WARMING = 0.6
"""Share of a run that a warmup takes, from which on little is trained at the rate that it leads to."""
FELL_TO, ENDS_AT = 0.1, 0.5
"""Of a cosine that came back: its lowest and its last rate, in terms of the highest."""
STILL = 0.95
"""Of its highest rate, above which one that is to fall has not."""
LEAST_STEPS = 10
SHORT = 2.0
"""How often a plan without its warmup would have to be taken, above which its peak is too low as well."""
FALLING = frozenset({"steplr", "multisteplr", "exponentiallr", "cosineannealinglr", "onecyclelr", "polynomiallr"})
"""Schedulers of torch that end lower than they were."""
COUNTS = "the network changes no more; epochs may be meant where steps are counted, or the other way round"


@dataclass(frozen=True)
class _Unfit:
    """What is wrong with a plan."""

    summary: str
    why: str
    fix: Fix
    because: tuple[str, ...] = ()


@rule(
    "O606",
    "rate planned for another length",
    section="optimiser and schedule",
    severity=Severity.WARNING,
    precedence=Precedence.SCHEDULE,
    cost=Cost.DATA,
)
def unfit_schedule(schedule: ScheduleFacts, plan: PlanFacts, reach: ReachFacts | None = None) -> Answer:
    """The learning rate as it is planned: below a thousandth of its highest for half of the run; below a hundredth of
    it for nine tenths; exactly 0 for the last 30 %. Or it rises to the end of the run, from below a tenth, or its
    warmup takes 60 % and more. Or a cosine that is to fall once has fallen below a tenth and is back above half at the
    end. Or its mean is below a fifth of its highest, and all steps of the plan, taken in a few large ones, lower the
    loss by less than .6 of what a multiple of the plan does.

    Most often epochs are meant where steps are counted, or the other way round. What train.max_steps cuts off is not
    held against a warmup.

    Costs: most of the run is made at a rate that changes nothing, or ends at one that lets nothing settle.
    Do: a schedule of the length of the run; schedule.interval says whether it moves by epoch or by step.
    Follows from: O602.
    """
    if schedule.num_steps < LEAST_STEPS or not schedule.highest > 0:
        return Unchecked(f"needs a run of {LEAST_STEPS} steps, and a rate above 0")
    found = _spent(schedule, plan) or _rising(schedule, plan, reach) or _back(schedule) or _short(schedule, plan, reach)
    if found is None:
        return None
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=found.summary,
        where=f"{plan.schedule}, which moves by {schedule.moves_by}: {schedule.rates[0]:.3g} at first, "
        f"{schedule.highest:.3g} at most, {schedule.rates[-1]:.3g} after {schedule.num_steps:,} steps",
        why=found.why,
        fix=found.fix,
        figures={"highest": schedule.highest, "last": float(schedule.rates[-1]), "steps": schedule.num_steps},
        because=found.because,
    )


def _short(schedule: ScheduleFacts, plan: PlanFacts, reach: ReachFacts | None) -> _Unfit | None:
    if reach is None or lack_of(reach, schedule) is not Lack.SCHEDULE:
        return None
    mean = schedule.total / schedule.num_steps / schedule.highest
    return _Unfit(
        f"the rate is at {mean:.0%} of its highest on average: little is learned at what is left",
        words_of(reach),
        Fix("a schedule that lets the rate act for most of the run: a cosine does", remedies.to_the_end(plan)),
    )


def _spent(schedule: ScheduleFacts, plan: PlanFacts) -> _Unfit | None:
    highest = schedule.highest
    dead, little, over = (schedule.share_after(level) for level in (DEAD * highest, LITTLE * highest, 0.0))
    if dead >= DEAD_SHARE:
        summary = f"the rate is below a thousandth of its highest for the last {dead:.0%} of the run"
    elif little >= LITTLE_SHARE:
        summary = f"the rate is below a hundredth of its highest for the last {little:.0%} of the run"
    elif over >= OVER_SHARE:
        summary = f"the rate is exactly 0 for the last {over:.0%} of the run"
    else:
        return None
    if schedule.moves_by == "step" and plan.settings.get("schedule.interval") == "step" and schedule.arguments:
        fix = Fix("let the schedule move once an epoch, if its arguments count epochs", {"schedule.interval": "epoch"})
    else:
        fix = Fix("a schedule as long as the run: a cosine is by itself", remedies.to_the_end(plan))
    return _Unfit(summary, COUNTS, fix)


def _rising(schedule: ScheduleFacts, plan: PlanFacts, reach: ReachFacts | None) -> _Unfit | None:
    rates, highest = schedule.rates, schedule.highest
    if schedule.is_cut_short:
        return None
    warming = schedule.warmup_steps / max(schedule.num_steps, 1)
    if warming >= WARMING and schedule.epochs > 1:
        epochs = max(1, round(remedies.WARMUP * plan.epochs))
        # Without the warmup the rates add up to twice as much, which may still be far too little.
        short = 1.0 if lack_of(reach, schedule) is None or reach is None else needed_multiple(reach) / 2
        peak = {"optimizer.lr": remedies.rounded(plan.lr * short)} if short > SHORT else {}
        return _Unfit(
            f"the warmup takes {min(warming, 1):.0%} of the run",
            "little of the training, or none, is made at the rate that it leads to",
            Fix(
                f"a warmup of a tenth of the training: {epochs} epoch{'s' * (epochs != 1)}"
                + (f"; a peak of {peak['optimizer.lr']:g}" if peak else ""),
                {"schedule.warmup_epochs": epochs, **peak},
            ),
        )
    at = float(schedule.steps[int(rates.argmax())]) / max(schedule.num_steps - 1, 1)
    is_climbing = len(rates) > 1 and float((np.diff(rates) >= 0).mean()) >= MOSTLY
    if not (rates[0] < FROM * highest and at >= PEAK_AT and is_climbing):
        return None
    return _Unfit(
        f"the rate rises to the end of the run, from {rates[0] / highest:.2g} of its highest",
        "towards the end a rate is to fall, so that the network settles; a lower end may be above the peak",
        Fix("a schedule that falls: a cosine does; its lower end (schedule.eta_min) below optimizer.lr"),
        because=("O602",),
    )


def _back(schedule: ScheduleFacts) -> _Unfit | None:
    rates, lowest = schedule.rates, int(schedule.rates.argmin())
    has_fallen = schedule.name == "cosineannealinglr" and rates[lowest] < FELL_TO * schedule.highest
    if not has_fallen or rates[-1] <= ENDS_AT * schedule.highest:
        return None
    settings = {"schedule.arguments": _without(schedule.arguments, "T_max")}
    return _Unfit(
        f"the cosine has fallen, and is back at {rates[-1] / schedule.highest:.0%} when the run ends",
        "behind T_max it rises again: the run ends at a rate that lets nothing settle",
        Fix("leave out schedule.arguments.T_max: it is then the length of the run", settings),
    )


def _without(arguments: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in arguments.items() if key != name}


@rule(
    "O624",
    "settings that never act",
    section="optimiser and schedule",
    severity=Severity.INFO,
    precedence=Precedence.SCHEDULE,
    cost=Cost.STATIC,
)
def idle_settings(
    plan: PlanFacts, schedule: ScheduleFacts | None = None, attempt: AttemptFacts | None = None
) -> Answer:
    """Settings that cannot do in this run what they are for: a plateau that has no room to cut (min_lr), or waits for
    more bad validations than there are (patience); early stopping that does, or that ends the run before a plateau that
    watches the same metric cuts; a validation less often than there are epochs; a schedule that is to fall and does not
    within the run.

    A warning where plateau or early stopping never hear of a validation, or a plateau begins at its lower end. Runs
    that train.max_steps cuts short are left alone.

    Costs: none by itself; what was counted on does not happen.
    Do: settings that fit the length of the run.
    """
    if plan.max_steps is not None or plan.epochs < 1:  # of a loop that is not ours the length may not be known
        return None
    found = [*_unheard(plan), *_overtaken(plan, attempt), *_unfalling(schedule)]
    if not found:
        return None
    first, *others = sorted(found, key=lambda one: one.severity is not Severity.WARNING)
    return Hit(
        severity=first.severity,
        confidence=Confidence.PROVEN,
        summary=first.summary,
        where="; ".join(one.summary for one in others) if others else f"a run of {plan.epochs:,} epochs",
        why=first.why,
        fix=first.fix,
        figures={"settings": len(found), "epochs": plan.epochs},
    )


@dataclass(frozen=True)
class _Idle:
    """A setting that does nothing."""

    summary: str
    why: str
    fix: Fix
    severity: Severity = Severity.INFO


def _unheard(plan: PlanFacts) -> Iterator[_Idle]:
    every, patience, stopping = (
        _whole(plan.settings.get(path)) for path in ("train.eval_every", "schedule.patience", "early_stopping.patience")
    )
    is_plateau = plan.schedule == "plateau"
    every = every or 1
    count = plan.epochs // every
    if not count:
        yield _never_validated(plan, every, is_heard=is_plateau or stopping is not None)
        return
    heard = count - plan.warmup_epochs // every
    lowest = plan.settings.get("schedule.min_lr")
    if is_plateau and isinstance(lowest, int | float) and lowest >= plan.lr:
        yield _Idle(
            f"the plateau may not go below {lowest:g}, and begins at {plan.lr:g}",
            "it never cuts the rate",
            Fix("a schedule.min_lr well below optimizer.lr", {"schedule.min_lr": 0.0}),
            Severity.WARNING,
        )
    elif is_plateau and patience is not None and patience + 2 > heard:
        yield _Idle(
            f"the plateau cuts after {patience + 1} bad validations, and hears of {max(heard, 0)} in all",
            "it never cuts the rate",
            Fix("a smaller schedule.patience, or more epochs"),
        )
    if stopping is not None and stopping >= count:
        yield _Idle(
            f"early stopping waits for {stopping} bad validations, and there are {count} in all",
            "it never ends the run",
            Fix("a smaller early_stopping.patience, or more epochs"),
        )


def _overtaken(plan: PlanFacts, attempt: AttemptFacts | None) -> Iterator[_Idle]:
    get = plan.settings.get
    patience, stopping = _whole(get("schedule.patience")), _whole(get("early_stopping.patience"))
    if attempt is None or plan.schedule != "plateau" or patience is None or stopping is None:
        return
    if attempt.monitor == get("schedule.metric") and stopping <= patience + 1:
        yield _Idle(
            f"early stopping ends the run with {stopping} bad validations, the plateau cuts with {patience + 1}",
            "the rate is never cut: both count the same validations",
            Fix(
                "early_stopping.patience of three times schedule.patience",
                {"early_stopping.patience": 3 * (patience + 1)},
            ),
        )


def _never_validated(plan: PlanFacts, every: int, *, is_heard: bool) -> _Idle:
    return _Idle(
        f"a validation every {every} epochs, in a run of {plan.epochs}: the end alone is measured",
        "plateau and early stopping hear of none" if is_heard else "there is no best checkpoint but the last",
        Fix("validate every epoch", {"train.eval_every": 1}),
        Severity.WARNING if is_heard else Severity.INFO,
    )


def _unfalling(schedule: ScheduleFacts | None) -> Iterator[_Idle]:
    if schedule is None or schedule.name not in FALLING or schedule.num_steps < LEAST_STEPS:
        return
    behind = schedule.rates[schedule.steps >= schedule.warmup_steps]
    if len(behind) > 1 and behind[0] >= behind.max() and behind.min() >= STILL * behind.max() > 0:
        yield _Idle(
            f"{schedule.name} is to fall, and is at {behind.min() / behind.max():.0%} of its highest when the run ends",
            "its first cut, or its length, lies behind the end of the run",
            Fix("schedule.arguments that fit the run: they count what schedule.interval says"),
        )


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
