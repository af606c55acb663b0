"""E1018, G705, O621, O622 of a log: figures that swing, gradients that grow, a beginning that blows up, a standstill.

Pure functions of a log. How large a figure is says nothing; how it moves beside its gains and beside the loss does.
"""

from __future__ import annotations

import numpy as np

from trainctl.engine.diagnosis import remedies
from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.plan import PlanFacts
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked
from trainctl.engine.diagnosis.logs.course import (
    ends,
    is_by_epoch,
    is_long,
    training_loss,
    validation_loss,
)
from trainctl.engine.diagnosis.logs.facts import LogFacts, Series
from trainctl.engine.diagnosis.logs.metrics import (
    is_of_policy,
    jitter,
    levels,
    qualities,
    rank_correlation,
    usual_norm,
)
from trainctl.engine.diagnosis.logs.names import TEST, VAL, Kind
from trainctl.engine.diagnosis.logs.table import Floats
from trainctl.engine.diagnosis.logs.vocabulary import ADVERSARIAL
from trainctl.engine.diagnosis.rules.course.measured import SWINGS, is_evaluated, loss_swings, moved, swings

EVALUATIONS, SOME = 12, 8
"""Evaluations from which on swings can be told, and from which on twice as large ones are worth knowing."""
OF_WHOLE = 0.03
"""Deviation of single evaluations from which on they swing, as a share of all there is (of shares and correlations)."""
BEFORE, OUT, OVER, LOST = 5, 1.2, 3.0, 0.15
"""Evaluations that the last one is compared with; by how much a loss lies above the worst of them and above their
median, and a share, of all there is, below it."""
GROWN, STEADILY, NORMS = 10.0, 0.9, 40
"""By how much a gradient norm has grown, with which rank correlation, over how many values."""
IMPROVES = 0.02
BEGINNING, LEAST_STEPS = 0.05, 100
"""Share of the steps that are the beginning, and steps from which on there is one."""
BLOWN, UP = 10.0, 1.2
"""Largest gradient norm of the beginning over the usual one later, and the loss over its first value."""
EARLIER, STANDING = 0.1, 0.5
"""Share by which a loss fell before it came to stand still, and share of the log for which it has stood."""


@rule(
    "E1018",
    "metric swings",
    section="evaluation",
    severity=Severity.WARNING,
    precedence=Precedence.CAPACITY,
    cost=Cost.RECORDS,
    of_log=True,
)
def swinging(log: LogFacts, plan: PlanFacts | None = None) -> Answer:
    """In the newer half of twelve evaluations or more the single values of a validation metric deviate from their
    course by a tenth of their level, by .03 of all there is, and by half of what the level ever gained. Of several
    metrics at least half must. A loss term that swings so from epoch to epoch is an information, and so is a metric
    of eight evaluations that swings twice as much.

    An information as well: a last evaluation worse than each of the five before, a loss three times their median, or
    a share .15 of all there is below it. Not of a run that is judged unasked: it may go on.

    One more: a loss of training or validation that deviates by a quarter of its level from epoch to epoch, and by half
    of all that it moved, in eight or more from the first on.

    Metrics of training samples, of single batches and of rivals are not judged.

    Costs: which epoch is the best is chance, and so is what a plateau schedule or early stopping makes of it.
    Do: more validation samples; a lower learning rate, averaged weights (ema.decay), larger batches.
    Follows from: N901, N902, O601, R801, E1005, E1015, O620.
    """
    metrics = [one for one in qualities(log) if one.meaning.split != TEST and is_evaluated(log, one)]
    judged = [one for one in metrics if len(one.finite) >= EVALUATIONS]
    some = [one for one in metrics if SOME <= len(one.finite) < EVALUATIONS]
    terms = [one for one in log.of(Kind.TERM) if _is_epoch_mean(log, one)]
    loss, train = validation_loss(log), training_loss(log)
    losses = [one for one in (train, loss) if one is not None and is_by_epoch(log, one) and not log.is_run]
    lasting = [one for one in (loss, *metrics) if one is not None and len(one.finite) > BEFORE and not log.is_run]
    if is_of_policy(log) or not (judged or terms or losses or lasting):
        return Unchecked(f"needs {EVALUATIONS} evaluations of a metric, or epochs of a loss term")
    found = [one for one in judged if _swings(one, has_bounds=True)]
    if found and 2 * len(found) >= len(judged):
        return _swing(log, found[0], Severity.WARNING, plan)
    swaying = [one for one in some if _swings(one, has_bounds=True, times=2.0)]
    if 2 * len(swaying) < len(some):
        swaying = []
    swaying += [one for one in terms if _swings(one, has_bounds=False)]
    swaying += [one for one in losses if loss_swings(log, one)]
    if swaying:
        return _swing(log, swaying[0], Severity.INFO, plan)
    return next((_last_evaluation(log, one) for one in lasting if _is_thrown_back(one, is_loss=one is loss)), None)


def _is_epoch_mean(log: LogFacts, one: Series) -> bool:
    is_plain = not one.meaning.words & ADVERSARIAL and one.meaning.split not in (VAL, TEST)
    return is_plain and len(one.finite) >= EVALUATIONS and is_by_epoch(log, one)


def _newer(values: Floats) -> Floats:
    return values[len(values) // 2 :]


def _swings(one: Series, *, has_bounds: bool, times: float = 1.0) -> bool:
    least = OF_WHOLE * _whole(one) if has_bounds else 0.0
    return swings(one.finite, times * SWINGS, times * least)


def _whole(one: Series) -> float:
    """All there is of a share or a correlation: 1, or 100 %."""
    return 100.0 if one.column.is_percent or np.abs(one.finite).max() > 1.5 else 1.0


def _is_thrown_back(one: Series, *, is_loss: bool) -> bool:
    """Whether the last evaluation lies far on the worse side of all those just before it."""
    before, last = one.finite[-BEFORE - 1 : -1], float(one.finite[-1])
    usual = float(np.median(before))
    if is_loss:
        return bool(before.min() > 0 and last > OUT * before.max() and last >= OVER * usual)
    return bool(last < before.min() and usual - last >= LOST * _whole(one))


def _last_evaluation(log: LogFacts, one: Series) -> Hit:
    known = np.flatnonzero(np.isfinite(one.values))
    values, is_falling = one.finite, one.meaning.kind in (Kind.TOTAL, Kind.TERM)
    best, last = int(known[values.argmin() if is_falling else values.argmax()]), int(known[-1])
    usual = float(np.median(values[-BEFORE - 1 : -1]))
    return Hit(
        severity=Severity.INFO,
        confidence=Confidence.LIKELY,
        summary=f"{one.name} is {one.say(last)} in the last evaluation, far from the {BEFORE} before",
        where=f"{log.where(one, last)}; the best is {one.say(best)} at {log.where(one, best)}",
        why=f"their median is {usual:.4g}: one evaluation may be chance, but the newest weights are no good choice",
        fix=Fix(f"keep the weights of {log.where(one, best)}; validate once more before anything is made of the last"),
        figures={"last": float(values[-1]), "best": float(one.values[best]), "usual": usual},
        because=("N901", "N902", "O601", "R801", "E1015", "E1005", "O620"),
    )


def _swing(log: LogFacts, one: Series, severity: Severity, plan: PlanFacts | None) -> Hit:
    late = _newer(one.finite)
    deviation = jitter(late)
    has_average = plan is None or plan.ema_decay is not None
    return Hit(
        severity=severity,
        confidence=Confidence.LIKELY,
        summary=f"{one.name} swings between {late.min():.4g} and {late.max():.4g}",
        where=f"newer half of {len(one.finite):,} values to {log.where(one, len(one.values) - 1)}",
        why=f"single values deviate by {deviation:.3g} from their course, which moved by {moved(one.finite):.3g}",
        fix=Fix(
            "more validation samples; a lower learning rate, averaged weights (ema.decay), larger batches",
            remedies.slower(plan, 3.0) if has_average else {"ema.decay": 0.999},
        ),
        figures={"deviation": deviation, "level": float(np.median(late))},
        because=("N901", "N902", "O601", "E1005", "O620"),
    )


@rule(
    "G705",
    "gradient grows while nothing is learned",
    section="gradient flow",
    severity=Severity.WARNING,
    precedence=Precedence.GRADIENT_FLOW,
    cost=Cost.RECORDS,
    of_log=True,
)
def growing_gradient(log: LogFacts, plan: PlanFacts | None = None) -> Answer:
    """The level of the gradient norm is ten times its lowest of the first half and rises steadily (rank correlation
    .9 over the newer half, of 40 values or more), while the training loss does not fall by 2 % over that half.

    Norms that grow while the loss falls are those of a network that learns: they are left alone.

    Costs: the next steps are ever larger; the usual end is a divergence.
    Do: clip the gradient where it was while it learned, a lower learning rate.
    Follows from: N901, N902, O601, O602.
    """
    norms = [one for one in log.of(Kind.GRAD_NORM) if len(one.finite) >= NORMS]
    loss = training_loss(log)
    if not norms or loss is None or len(loss.finite) < NORMS:
        return Unchecked(f"needs {NORMS} values of a gradient norm and of a training loss")
    series = max(norms, key=lambda one: len(one.finite))
    level = levels(series.finite)
    lowest, last = float(level[: len(level) // 2].min()), float(level[-1])
    late = _newer(loss.finite)
    first, now = ends(late)
    is_learning = first - now >= IMPROVES * abs(first)
    if lowest <= 0 or last < GROWN * lowest or is_learning or rank_correlation(_newer(level)) < STEADILY:
        return None
    middle = int(series.rows[len(series.rows) // 2])
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"{series.name} grew from {lowest:.3g} to {last:.3g}",
        where=f"{log.where(series, 0)} to {log.where(series, len(series.values) - 1)}; {len(series.values):,} values",
        why=f"{loss.name} went from {first:.4g} to {now:.4g} over the newer half: larger gradients that teach nothing",
        fix=Fix(
            "clip the gradient where it was while it learned, a lower learning rate",
            remedies.slower(plan, 3.0, clip=usual_norm(log, middle)),
        ),
        figures={"lowest": lowest, "last": last, "loss_then": first, "loss_now": now},
        because=("N901", "N902", "O601", "O602"),
    )


@rule(
    "O622",
    "beginning blows up",
    section="optimiser and schedule",
    severity=Severity.INFO,
    precedence=Precedence.SCHEDULE,
    cost=Cost.RECORDS,
    of_log=True,
)
def blown_beginning(log: LogFacts, plan: PlanFacts | None = None) -> Answer:
    """In the first twentieth of at least a hundred steps the gradient norm is ten times what it usually is later, and
    the loss rises to 1.2 times its first value, beyond four deviations, before it falls.

    A gradient that is merely large at first is healthy, and so is a constant rate. An information: what recovers may
    have lost nothing but these steps, and what does not is a divergence (O601).

    Costs: what the first updates destroy has to be learned again; some of it (dead units) never is.
    Do: a warmup over the first epochs, and a clip at the usual norm.
    Follows from: N901, N902, O601.
    """
    loss, norms = training_loss(log), [one for one in log.of(Kind.GRAD_NORM) if len(one.finite) >= LEAST_STEPS]
    if loss is None or not norms or len(loss.finite) < LEAST_STEPS or is_by_epoch(log, loss):
        return Unchecked(f"needs {LEAST_STEPS} steps with a training loss and a gradient norm")
    steps = log.table.steps[loss.rows]
    if not np.isfinite(steps[0]) or steps[0] > max(0.01 * float(np.nanmax(steps)), 1):
        return Unchecked("the beginning of the training is not in the log")
    series, count = norms[0], max(int(BEGINNING * len(loss.finite)), 5)
    early, later = loss.finite[:count], loss.finite[count:]
    norm_early, usual = float(series.finite[:count].max()), float(np.median(series.finite[count:]))
    start, top = float(early[0]), float(early.max())
    is_up = start > 0 and top > UP * start and top - start > 4 * jitter(later) and float(np.median(later)) < start
    if not is_up or usual <= 0 or norm_early < BLOWN * usual:
        return None
    warmth = remedies.warmed_up(plan) or {}
    clip = remedies.clipped(plan, 2 * usual) or {}
    return Hit(
        severity=Severity.INFO,
        confidence=Confidence.LIKELY,
        summary=f"{loss.name} rose from {start:.4g} to {top:.4g} at the beginning",
        where=f"first {count} of {len(loss.finite):,} values; {series.name} up to {norm_early:.3g} there",
        why=f"later it is {usual:.3g} in the median, {norm_early / usual:.0f} times less: the first updates were too "
        "large",
        fix=Fix("a warmup over the first epochs, and a clip at the usual norm", {**warmth, **clip} or None),
        figures={"start": start, "top": top, "norm_early": norm_early, "norm_usual": usual},
        because=("N901", "N902", "O601"),
    )


@rule(
    "O621",
    "came to stand still",
    section="optimiser and schedule",
    severity=Severity.INFO,
    precedence=Precedence.SCHEDULE,
    cost=Cost.RECORDS,
    of_log=True,
)
def standstill(log: LogFacts) -> Answer:
    """The training loss fell by a tenth and has not fallen by 2 % more over the newer half of the log, or longer.

    An information: it may have learned all there is. The place from which on nothing improved, and the learning rate
    there, tell what to try. Of a run that is judged unasked nothing is said.

    Costs: time, if nothing follows; a cut of the rate, where it is still high, may get it going again.
    Do: look at the rate there; if it is as high as ever, lower it; if it is spent, raise it; else stop.
    Follows from: N901, N902, O601, O602, O606, G705, E1015, E1018.
    """
    loss = training_loss(log)
    if loss is None:
        return Unchecked(log.without_loss)
    if log.is_run or is_of_policy(log):
        return Unchecked("what stands still may have learned all there is")
    if not is_long(log, loss) or loss.finite.min() <= 0:
        return Unchecked(f"too few values of {loss.name}, or some that are not above 0")
    level = levels(loss.finite)
    start = int(np.argmax(level <= level.min() / (1 - IMPROVES)))
    share = 1 - start / len(level)
    if level[0] - level[start] < EARLIER * level[0] or share < STANDING:
        return None
    index = min(
        int(np.flatnonzero(np.isfinite(loss.values))[0]) + start * len(loss.values) // len(level), len(loss.values) - 1
    )
    return Hit(
        severity=Severity.INFO,
        confidence=Confidence.LIKELY,
        summary=f"{loss.name} stands at {float(level[-1]):.4g} for {share:.0%} of the log",
        where=f"from {log.where(loss, index)} on; it fell from {float(level[0]):.4g} before",
        why=_rate_there(log, int(loss.rows[index])),
        fix=Fix("where the rate is as high as ever, lower it; where it is spent, raise it; else stop"),
        figures={"level": float(level[-1]), "share": share, **log.step_of(loss, index)},
        because=("N901", "N902", "O601", "O602", "O606", "G705", "E1015", "E1018"),
    )


def _rate_there(log: LogFacts, row: int) -> str:
    for one in log.of(Kind.LR):
        before = one.values[(one.rows <= row) & np.isfinite(one.values)]
        if len(before) and one.finite.max() > 0:
            return f"learning rate {before[-1]:.3g} there, {before[-1] / one.finite.max():.0%} of its highest"
    return "it has learned what it can, or the rate has to change"
