"""O601, O602, O609, O611: what rate, clip and weight decay do to the weights, by the first steps. Pure functions.

A few steps are made on a copy, all with the same batch and the same random numbers, at the rates of the plan. In
healthy trainings of many kinds the loss falls with each of them.
"""

from __future__ import annotations

import math

import numpy as np

from trainctl.engine.diagnosis import remedies
from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.plan import PlanFacts
from trainctl.engine.diagnosis.facts.schedule import ScheduleFacts
from trainctl.engine.diagnosis.facts.trial import DecayFacts, ReachFacts, TrialFacts
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked
from trainctl.engine.diagnosis.rules.plan.foreseen.reach import (
    Lack,
    figures_of,
    lack_of,
    needed_multiple,
    words_of,
)

SHAKEN, ROSE, NOT_FALLEN, RUINED, BEYOND = 1.05, 2.0, 0.9, 3.0, 20.0
"""Of the first loss: that it rose to and never fell; with a witness; that it stayed above; at the end; anywhere."""
REPLACES = 1.0
"""Update in terms of the weights."""
SIGNED = frozenset({"adam", "adamw", "nadam", "adamax"})
"""Optimisers whose first update is as large as any: each value moves by the rate."""
NOTHING_FALLS, NOTHING_MOVES = 0.03, 0.1
"""Share of the loss, to first order, and of the weights, that the whole run can change at most."""
FAR_ABOVE, NEVER = 20.0, 1e-3
CRAWLS = 0.1
SHRINKS = 2.3
"""Exponent at which a weight decay alone takes off 90 %."""
OUTWEIGHS, ADDED = 4.0, 0.3
"""Size of the weights in terms of that at which decay and updates balance; and the decay in terms of the gradient."""
GROUPS = "parts of the network minimise losses of their own: their sum says nothing"


@rule(
    "O601",
    "learning rate too large for the first steps",
    section="optimiser and schedule",
    severity=Severity.ERROR,
    precedence=Precedence.SCHEDULE,
    cost=Cost.BATCH,
    rivals=("D106", "C306"),
)
def too_large(trial: TrialFacts, schedule: ScheduleFacts, plan: PlanFacts) -> Answer:
    """A dozen steps at the planned rates with one batch, whose loss does not fall: it is not finite, ends above the
    first, rose to 20 times that, or to twice where it ends above .9 of it or the first update was as large as the
    weights. Not finite, or three times the first at the end, is an error. Or a peak at which each update of Adam is as
    large as the weights (median over the matrices), by lr / √mean(w²), of the first update.

    A network of one matrix is left out: it is convex, and finds back from anywhere.

    Costs: the weights that were drawn are gone with the first steps; many units never come back.
    Do: a tenth of the rate; a warmup; clip the gradient.
    Follows from: N901, D106, D107, C305, C306, C307, D108.
    """
    weights = trial.reached
    if trial.has_groups:
        return Unchecked(GROUPS)
    if len(weights) < 2 or not trial.losses:
        return Unchecked("needs two matrices that are trained, and a step")
    if not math.isfinite(trial.losses[0]):
        return Unchecked("the loss is not finite before the first step, see N901")
    fell, highest = trial.fell, trial.highest
    ratio = float(np.median([w.ratio for w in weights]))
    is_lost = not math.isfinite(highest) or fell > RUINED or bool(trial.why_short and highest > RUINED)
    is_witnessed = fell > NOT_FALLEN or ratio > REPLACES
    rose = (fell > 1 and highest > SHAKEN) or (highest > ROSE and is_witnessed) or highest > BEYOND
    if trial.losses[0] > 0 and (is_lost or rose):
        return _rose(trial, plan, ratio, is_grave=is_lost)
    at_peak = ratio * schedule.highest / trial.rates[0] if trial.rates and trial.rates[0] > 0 else math.nan
    if plan.optimizer in SIGNED and at_peak > REPLACES and trial.rates[0] < schedule.highest:
        return _replaced(plan, schedule, at_peak)
    return None


BECAUSE = ("N901", "D107", "D106", "C305", "C306", "C307", "D108")


def _rose(trial: TrialFacts, plan: PlanFacts, ratio: float, *, is_grave: bool) -> Hit:
    end = f"{trial.losses[-1]:.4g}" if math.isfinite(trial.losses[-1]) else "not finite"
    return Hit(
        severity=Severity.ERROR if is_grave else Severity.WARNING,
        confidence=Confidence.PROVEN if is_grave else Confidence.LIKELY,
        summary=f"{trial.num_steps} steps with one batch take its loss from {trial.losses[0]:.4g} to {end}, "
        f"by way of {trial.highest:.3g} times the first",
        where=f"{plan.optimizer}, learning rate {trial.rates[0]:.3g}; the first update is {ratio:.2g} of the weights",
        why="with the same samples and the same random numbers at each step the loss falls, unless steps overshoot",
        fix=Fix(f"a tenth of the rate: {plan.lr / 10:.2g}; a warmup; clip the gradient", _slower(plan)),
        figures={"fell": trial.fell, "highest": trial.highest, "update_ratio": ratio, "steps": trial.num_steps},
        because=BECAUSE,
    )


def _replaced(plan: PlanFacts, schedule: ScheduleFacts, ratio: float) -> Hit:
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"at its peak of {schedule.highest:.3g} an update is {ratio:.2g} times as large as the weights",
        where=f"{plan.optimizer}: lr / √mean(w²), median over the matrices, first update scaled to the peak",
        why="each step then replaces what was learnt before it",
        fix=Fix(f"a tenth of the rate: {plan.lr / 10:.2g}", _slower(plan)),
        figures={"update_ratio": ratio, "peak": schedule.highest},
        because=BECAUSE,
    )


def _slower(plan: PlanFacts) -> dict[str, float]:
    return {"optimizer.lr": float(f"{plan.lr / 10:.2g}")}


@rule(
    "O602",
    "learning rate too small for the training",
    section="optimiser and schedule",
    severity=Severity.WARNING,
    precedence=Precedence.SCHEDULE,
    cost=Cost.BATCH,
    rivals=("G701", "C310"),
)
def too_small(trial: TrialFacts, schedule: ScheduleFacts, plan: PlanFacts, reach: ReachFacts | None = None) -> Answer:
    """All steps of the plan together, each as good as the first, lower the loss by less than 3 % to first order
    (−gradient · update, in proportion to the rate), and move the weights by less than a tenth of their size.

    Of an optimiser with momentum both are divided by 1 − momentum. Both are upper bounds: later steps point less in one
    direction. Fine-tuning at a small rate falls fast and is silent. What train.max_steps cuts off is counted too.

    Or all steps of the plan, taken in a few large ones on a copy, lower the loss by less than .6 of what up to a
    hundred times the plan does, which would be more than 3,000 steps at its highest rate. What a gradient method does
    depends on the sum of its rates while steps are small; a plan that is long enough overshoots in so few.

    Costs: nothing is learned in the time there is.
    Do: a larger rate (1e-3 for Adam and its like, 1e-2 for SGD), or trainctl lr-find; more steps.
    Follows from: N901, D101, D102, D108, L205, G701, G702, G703, G712, C302, C306, C310, K402, O606, O609, O610.
    """
    weights = trial.reached
    if trial.has_groups:
        return Unchecked(GROUPS)
    if not weights or not trial.rates or not trial.rates[0] > 0:
        return Unchecked("needs a matrix that is trained, and a first step with a rate above 0")
    if not (math.isfinite(trial.first_fall) and math.isfinite(trial.losses[0]) and trial.losses[0]):
        return Unchecked("the loss or its gradient is not finite, see N901")
    uncut = schedule.steps_per_epoch * schedule.epochs / max(schedule.num_steps, 1) if schedule.is_cut_short else 1.0
    steps = schedule.total * uncut / trial.rates[0] * schedule.adds_up
    ratio = float(np.median([w.ratio for w in weights]))
    falls, moves = trial.first_fall * steps / abs(trial.losses[0]), ratio * steps
    if not ratio > 0 or falls >= NOTHING_FALLS or moves >= NOTHING_MOVES:
        return None if reach is None or lack_of(reach, schedule) is not Lack.RATE else _short(plan, schedule, reach)
    usual = 1e-3 if schedule.is_adaptive else 1e-2
    fix = {"optimizer.lr": usual} if plan.lr < usual else None
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"all {schedule.num_steps:,} steps together can lower the loss by {max(falls, 0):.1%}, and move the "
        f"weights by {moves:.1%}",
        where=f"{plan.optimizer}, learning rate {trial.rates[0]:.3g} at first, {schedule.highest:.3g} at most; "
        f"an update is {ratio:.1e} of the weights",
        why="by the gradient and the update of the first step, as if every step were as good as that",
        fix=Fix(f"a larger rate: {usual:g} is usual for {plan.optimizer}; or trainctl lr-find", fix),
        figures={"falls": falls, "moves": moves, "update_ratio": ratio, "steps": schedule.num_steps},
        because=("N901", "G701", "G712", "C310", "O606", "O609", "O610", "C302"),
    )


def _short(plan: PlanFacts, schedule: ScheduleFacts, reach: ReachFacts) -> Hit:
    rate = remedies.rounded(plan.lr * needed_multiple(reach))
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=words_of(reach),
        where=f"{plan.optimizer}, {schedule.num_steps:,} steps, learning rate {schedule.highest:.3g} at most",
        why="what the steps come to depends on the sum of their rates; a plan that is long enough would overshoot",
        fix=Fix(f"a larger rate: {rate:g}; or trainctl lr-find", {"optimizer.lr": rate}),
        figures={**figures_of(reach), "steps": schedule.num_steps},
        because=(
            *("N901", "D101", "D102", "D108", "L205", "G701", "G702", "G703", "G712"),
            *("C302", "C306", "C310", "K402", "O606", "O609", "O610"),
        ),
    )


@rule(
    "O609",
    "clip far below the gradient",
    section="optimiser and schedule",
    severity=Severity.INFO,
    precedence=Precedence.SCHEDULE,
    cost=Cost.BATCH,
)
def clip_below_norm(trial: TrialFacts, schedule: ScheduleFacts) -> Answer:
    """A clip below a twentieth of the gradient norm in all of the first steps. A warning where the clipped
    steps of the whole run move the weights by less than a tenth; else an information: an optimiser that divides by the
    gradient's size hardly notices. A clip a thousand times above all of them never acts, which is a hint.

    Costs: steps are as long as the clip says, whatever the gradient: the rate means something else.
    Do: clip at the norm of an ordinary step, or not at all.
    Follows from: N901, C307, C306, D106.
    """
    clip, norms = trial.clip, [norm for norm in trial.norms if math.isfinite(norm) and norm > 0]
    if clip is None:
        return None
    if trial.has_groups or not norms:
        return Unchecked("the gradient has no norm of its own" if norms else "no step was made")
    least, most, weights = min(norms), max(norms), trial.reached
    usual = float(f"{float(np.median(norms)):.1g}")
    figures = {"clip": clip, "least_norm": least, "most_norm": most}
    if most < NEVER * clip:
        return Hit(
            severity=Severity.INFO,
            confidence=Confidence.HINT,
            summary=f"a clip at {clip:g} never acts: the norm is {most:.2g} at most",
            where=f"first {trial.num_steps} steps",
            why="it would act on a gradient a thousand times as large; that may be all it is meant for",
            fix=Fix(f"nothing, or a clip at some times the usual norm of {usual:g}"),
            figures=figures,
        )
    if least <= FAR_ABOVE * clip or not weights or not trial.rates or not trial.rates[0] > 0:
        return None
    ratio = float(np.median([w.ratio for w in weights]))
    moves = ratio * schedule.total / trial.rates[0] * schedule.adds_up
    is_grave = moves < CRAWLS
    return Hit(
        severity=Severity.WARNING if is_grave else Severity.INFO,
        confidence=Confidence.LIKELY,
        summary=f"the gradient is {least / clip:.3g} times the clip, and more",
        where=f"clip.grad_norm {clip:g}; norm {least:.3g} to {most:.3g} in the first {len(norms)} steps",
        why=f"every step is as long as the clip: all of them together can move the weights by {moves:.1%}"
        if is_grave
        else "every step is as long as the clip; an optimiser that divides by the gradient's size does not notice"
        if schedule.is_adaptive
        else "every step is as long as the clip, whatever the gradient",
        fix=Fix(f"a clip at the norm of an ordinary step: {usual:g}", {"clip.grad_norm": usual}),
        figures={**figures, "moves": moves},
        because=("N901", "C307", "C306", "D106"),
    )


@rule(
    "O611",
    "weight decay too strong",
    section="optimiser and schedule",
    severity=Severity.WARNING,
    precedence=Precedence.SCHEDULE,
    cost=Cost.BATCH,
)
def strong_decay(trial: TrialFacts, schedule: ScheduleFacts, plan: PlanFacts) -> Answer:
    """A decay that takes off 90 % of the weights over the run, if nothing opposes it, and that updates cannot oppose.

    Decoupled (AdamW): the sum of lr · λ over the run is above 2.3, and the weights are four times as large as the size
    √(u² / (2 · lr · λ)) at which decay and updates of size u balance; a share lr · λ of 1 or more a step is an error.
    Added to the gradient (L2): λ · |w| is more than .3 of the gradient's norm at the first step, and the sum of
    lr · λ / (1 − momentum), or lr / size of the weights where the optimiser divides by the gradient's size, above 2.3.

    Measured on digits, AdamW at 1e-3 over 1,000 steps: λ = 1 costs 1 % of the right answers, 3 costs 6, 10 costs 30.

    Costs: weights shrink faster than they learn; at the end every sample gets nearly the same answer.
    Do: a decay at which lr · λ · steps is below 1.
    Follows from: N901, O601.
    """
    decay = trial.decay
    if decay is None or not trial.rates:
        return None
    rate, top = schedule.total / max(schedule.num_steps, 1), schedule.highest
    if decay.is_decoupled and top * decay.coefficient >= 1:
        return _hit(plan, schedule, decay, math.inf, f"lr · λ = {top * decay.coefficient:.2g}: a step takes all of it")
    horizon = _horizon(decay, schedule)
    if horizon <= SHRINKS:
        return None
    if decay.is_decoupled:
        balance = decay.equilibrium(rate) * (rate / trial.rates[0]) if trial.rates[0] > 0 else math.nan
        if not decay.size > OUTWEIGHS * balance:
            return None
        why = f"decay and updates balance at √(u² / (2·lr·λ)) = {balance:.2g}; the weights begin at {decay.size:.2g}"
        return _hit(plan, schedule, decay, horizon, why)
    if not decay.share > ADDED:
        return None
    return _hit(plan, schedule, decay, horizon, f"λ·|w| is {decay.share:.0%} of the gradient's norm at the first step")


def _horizon(decay: DecayFacts, schedule: ScheduleFacts) -> float:
    """Exponent of the shrinkage over the run, if nothing opposes the decay."""
    if decay.is_decoupled:
        return decay.coefficient * schedule.total
    if schedule.is_adaptive:
        return schedule.total / decay.size if decay.size > 0 else 0.0
    return decay.coefficient * schedule.total * schedule.adds_up


def _hit(plan: PlanFacts, schedule: ScheduleFacts, decay: DecayFacts, horizon: float, why: str) -> Hit:
    meant = float(f"{0.5 / max(schedule.total, 1e-12):.1g}") if decay.is_decoupled else decay.coefficient / 10
    left = "nothing" if math.isinf(horizon) else f"{math.exp(-horizon):.1%}"
    return Hit(
        severity=Severity.ERROR if math.isinf(horizon) else Severity.WARNING,
        confidence=Confidence.PROVEN if math.isinf(horizon) else Confidence.LIKELY,
        summary=f"a weight decay of {decay.coefficient:g} alone leaves {left} of the weights",
        where=f"{plan.optimizer}, {schedule.num_steps:,} steps, learning rates that add up to {schedule.total:.3g}",
        why=why,
        fix=Fix(f"a decay of {meant:g}", {"optimizer.weight_decay": meant}),
        figures={"decay": decay.coefficient, "exponent": horizon, "size": decay.size},
        because=("N901", "O601"),
    )
