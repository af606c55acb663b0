"""R801: a validation that gets worse while the training loss falls, or that knows less than the training does.

Pure functions of a log. Nothing is judged by an absolute size, and nothing at all where too few values were logged.
"""

from __future__ import annotations

import numpy as np

from trainctl.engine.diagnosis import remedies
from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.plan import PlanFacts
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked
from trainctl.engine.diagnosis.logs.course import ends, training_loss, validation_loss
from trainctl.engine.diagnosis.logs.facts import LogFacts, Series
from trainctl.engine.diagnosis.logs.metrics import ACCURACIES, is_of_policy, jitter, levels, qualities
from trainctl.engine.diagnosis.logs.names import TEST, TRAIN, VAL, Kind
from trainctl.engine.diagnosis.rules.course.measured import is_evaluated, is_of_rivals
from trainctl.engine.diagnosis.rules.course.turning import FEWEST, OVERFIT, SINCE_BEST, Turn, around, held_metric, turn

NOISES = 4.0
METRICS, FELL, OF_GAIN, ROSE = 10, 0.05, 0.25, 0.05
"""Evaluations of a metric from which on its fall can be told, how much of its best and of its gain it must lose, and
how much of its best it must have gained."""
AT_ONCE = 0.6
"""Share of what a metric lost from one evaluation to the next from which on it was something that happened there."""
ALL, GAP, KNOWN = 0.995, 0.15, 3
"""Share of the training samples that is all of them, by how much less of the validation is answered rightly, and in how
many of the newest values of both."""


@rule(
    "R801",
    "overfitting",
    section="evaluation",
    severity=Severity.WARNING,
    precedence=Precedence.CAPACITY,
    cost=Cost.RECORDS,
    of_log=True,
)
def overfitting(log: LogFacts, plan: PlanFacts | None = None) -> Answer:
    """Validation loss 20 % and 4 deviations of its noise above its best, while training loss fell by 20 % since.

    Medians over a tenth of the validations, at least three: the luckiest of many is no level to compare with. From a
    rise by half on, the noise of the newer half counts; of fewer than twelve values the rise must be above all that
    went the other way. Or the last value is the highest since the best, three validations ago or more, by 30 % and
    three times of what ever went the other way (of fewer than twelve four times). Of four or five each of the last
    three must be above the one before, and the last 60 % above a best before them, or twice the best. Where a log has
    no total but terms, those that both splits have are judged pair by pair, and half of them must say so.

    Where the training loss fell by a tenth only, the last loss of the validation is the highest of four or more since
    the best, and half of its metrics fell by 2 % and their noise along: by 30 % and twice what went the other way, or
    by 10 % and four times that. Or the loss was never better than at first, and its last three values lie 10 % and four
    deviations above that. Not where it is thirty times the training loss from the first epoch on and never fell: that
    validation measures something else (E1015).

    Information only where a validation metric moved and held, within 2 % of its best (of fewer than six values the last
    must be the best): then the network is overconfident rather than wrong. One that has gained nothing since a first
    loss that was the best holds nothing, nor one that fell while the loss rose by half. Where the validation loss says
    nothing, half of the validation metrics may: of ten evaluations or more the last level lies below the best by four
    deviations, a twentieth of it and a quarter of what it had gained. An information as well: .995 of the training
    samples are answered rightly, and .15 less of those of the validation.

    Costs: the network learns its samples by heart; its newest weights are worse than earlier ones.
    Do: keep the weights of the best validation; more augmentation or weight decay, a smaller network.
    Follows from: N901, C301, D103.
    """
    pairs = _pairs(log)
    fallen = _fallen_metric(log, plan) or _gap(log, plan)
    if not pairs:
        return fallen or Unchecked("needs a training and a validation loss")
    judged = [(train, val) for train, val in pairs if min(len(train.finite), len(val.finite)) >= FEWEST]
    if not judged:
        return fallen or Unchecked(f"needs {FEWEST:,} validations")
    turned = [(train, val, at) for train, val in judged if (at := turn(log, train, val)) is not None]
    if len(turned) * 2 < len(judged) or not turned:
        return fallen
    others = f"; so did {len(turned) - 1} more of {len(judged)} pairs" if len(turned) > 1 else ""
    return _turned(log, *turned[0], others, plan)


def _turned(log: LogFacts, train: Series, val: Series, at: Turn, others: str, plan: PlanFacts | None) -> Hit:
    held = held_metric(log, val, at)
    why = f"{held.name} held: the network is overconfident rather than wrong" if held else _by_heart(val, at)
    return Hit(
        severity=Severity.INFO if held else Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=_risen(train, val, at),
        where=f"best at {log.where(val, at.index)}; {train.name} about {at.then:.4g} then, {at.now:.4g} at the end",
        why=why + others,
        fix=Fix(
            f"keep the weights of {log.where(val, at.index)}; more augmentation or weight decay, a smaller network",
            remedies.regularised(plan, max(len(val.values) // 10, SINCE_BEST)),
        ),
        figures={
            "best": at.lowest,
            "last": at.late,
            "noise": at.noise,
            "train_then": at.then,
            "train_last": at.now,
            **log.step_of(val, at.index),
        },
        because=("N901",),
    )


def _risen(train: Series, val: Series, at: Turn) -> str:
    """In figures that the log prints; in medians where the last one happens to be low."""
    if val.values[at.last] >= (1 + OVERFIT / 2) * val.values[at.index]:
        return f"{val.name} rose from {val.say(at.index)} to {val.say(at.last)} while {train.name} fell"
    return (
        f"the median of {at.width} values of {val.name} rose from {at.lowest:.4g} to {at.late:.4g} "
        f"while {train.name} fell"
    )


def _by_heart(val: Series, at: Turn) -> str:
    if at.index == int(np.flatnonzero(np.isfinite(val.values))[0]):
        return (
            "it was best at the beginning: the network learns its samples by heart, or those of the validation are "
            "of another kind"
        )
    return "it learns its samples by heart"


def _fallen_metric(log: LogFacts, plan: PlanFacts | None) -> Hit | None:
    """A validation metric that came down from its best for good while the training loss fell on."""
    train = training_loss(log)
    metrics = [one for one in qualities(log) if one.meaning.split != TEST and is_evaluated(log, one)]
    judged = [one for one in metrics if len(one.finite) >= METRICS]
    if train is None or is_of_policy(log) or not judged:
        return None
    found = [(one, fall) for one in judged if (fall := _fall(train, one)) is not None]
    if 2 * len(found) < len(judged) or not found:
        return None
    series, (index, best, last, then, now) = found[0]
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"{series.name} fell from {best:.4g} to {last:.4g} in the median while {train.name} fell",
        where=f"best at {log.where(series, index)}; {train.name} about {then:.4g} then, {now:.4g} at the end",
        why="it learns its samples by heart" + (f"; so do {len(found) - 1} more metrics" if len(found) > 1 else ""),
        fix=Fix(
            f"keep the weights of {log.where(series, index)}; more augmentation or weight decay, a smaller network",
            remedies.regularised(plan, max(len(series.values) // 10, SINCE_BEST)),
        ),
        figures={"best": best, "last": last, "train_then": then, "train_last": now, **log.step_of(series, index)},
        because=("N901", "C301", "D103"),
    )


def _fall(train: Series, metric: Series) -> tuple[int, float, float, float, float] | None:
    """Where a metric was best, its best and last levels, and the training loss there and at the end; None: it held."""
    values, level = metric.finite, levels(metric.finite)
    at, late = int(level.argmax()), level[-max(len(level) // 10, SINCE_BEST) :]
    best, last = float(level[at]), float(late.max())
    noise, gained = jitter(values), best - float(level[0])
    needed = max(NOISES * noise, FELL * abs(best), OF_GAIN * gained)
    # One that was best at first has not been learned and lost: it is another's to say what it is.
    has_risen = gained > max(NOISES * noise, ROSE * abs(best))
    if best - last <= needed or not has_risen or at > len(level) - 1 - SINCE_BEST:
        return None
    if -float(np.diff(values[at:]).min()) > AT_ONCE * (best - float(level[-1])):
        return None  # what is lost at one blow was not learned by heart: E1015 says so
    index = int(np.flatnonzero(np.isfinite(metric.values))[min(at + (len(values) - len(level)) // 2, len(values) - 1)])
    then, now = around(train, int(metric.rows[index])), ends(train.finite)[1]
    return (index, best, float(level[-1]), then, now) if now < (1 - OVERFIT) * then else None


def _pairs(log: LogFacts) -> list[tuple[Series, Series]]:
    """Training and validation of the same loss: the totals, else each term that both have."""
    train, val = training_loss(log), validation_loss(log)
    if train is not None and val is not None:
        return [(train, val)]
    validated = log.of(Kind.TERM, split=VAL)
    if train is not None:
        return [(train, one) for one in validated]
    trained = {one.meaning.term: one for one in log.of(Kind.TERM) if one.meaning.split not in (VAL, TEST)}
    return [(trained[one.meaning.term], one) for one in validated if one.meaning.term in trained]


def _gap(log: LogFacts, plan: PlanFacts | None) -> Hit | None:
    """An accuracy of the training that has reached all there is, far above that of the validation."""
    if log.is_run or is_of_policy(log):
        return None
    for val in log.of(Kind.RATE, split=VAL):
        if not val.meaning.words & ACCURACIES or is_of_rivals(log, val) or len(val.finite) < KNOWN:
            continue
        for train in (*log.of(Kind.RATE, split=TRAIN), *log.of(Kind.RATE, split="")):
            if train.meaning.words == val.meaning.words and len(train.finite) >= KNOWN and _is_apart(train, val):
                return _knows_all(log, train, val, plan)
    return None


def _is_apart(train: Series, val: Series) -> bool:
    top = 100.0 if train.column.is_percent or train.finite.max() > 1.5 else 1.0
    whole = 100.0 if val.column.is_percent or val.finite.max() > 1.5 else 1.0
    known, held_out = train.finite[-KNOWN:] / top, val.finite[-KNOWN:] / whole
    return bool(known.min() >= ALL and known.min() - held_out.max() >= GAP)


def _knows_all(log: LogFacts, train: Series, val: Series, plan: PlanFacts | None) -> Hit:
    last, at = int(np.flatnonzero(np.isfinite(train.values))[-1]), int(np.flatnonzero(np.isfinite(val.values))[-1])
    return Hit(
        severity=Severity.INFO,
        confidence=Confidence.LIKELY,
        summary=f"{train.name} is {train.say(last)}, {val.name} {val.say(at)}",
        where=f"{log.where(val, at)}; the newest {KNOWN} values of both",
        why="the training samples are known by heart, and nothing more can be learned from them; what is missing does "
        "not carry over",
        fix=Fix(
            "more samples, augmentation or weight decay; validate once on the training samples: less than in training "
            "says that the mode or the preparation differs",
            remedies.regularised(plan, SINCE_BEST),
        ),
        figures={"train": float(train.finite[-1]), "validation": float(val.finite[-1])},
        because=("N901",),
    )
