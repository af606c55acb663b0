"""How much of what matters a diagnosis has looked at: without that, nothing found is not nothing wrong.

Pure functions of evidence. Knows no rule; a course is looked at when it holds series that rules can judge.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from trainctl.engine.diagnosis.facts.evidence import Evidence
from trainctl.engine.diagnosis.finding import Scope
from trainctl.engine.diagnosis.logs.course import (
    IMPROVED,
    ends,
    is_by_epoch,
    is_long,
    lacks_metric,
    lacks_validation,
    training_loss,
    validation_loss,
)
from trainctl.engine.diagnosis.logs.facts import LogFacts, Series
from trainctl.engine.diagnosis.logs.metrics import is_of_policy, jitter, levels
from trainctl.engine.diagnosis.logs.names import TRAIN, Kind
from trainctl.engine.diagnosis.rules.course.measured import loss_swings

COURSE, VALIDATION, METRICS, GRADIENTS, RATE = "course", "validation", "metrics", "gradients", "rate"
LEAST_COURSE, LEAST_VALIDATIONS = 10, 3
"""Values of a training loss, and of what is measured now and then, below which nothing can be said of how it goes."""
LEAST_EPOCHS = 5
"""Values of a training loss that are means of an epoch each."""
FEW = 6
GOOD = 0.9
"""Of a rate or a correlation: as good as much that is healthy ever gets."""
KEPT = 0.25
"""Share of what was gained that the newest value still has, below which it shows nothing of what was learned."""
NEVER_BETTER = "never better than at its beginning by 2 %, so nothing shows that it learns"
WORSE = 1.1
"""Times its first value from which on a validation loss is worse than it was before anything was learned."""
WORSE_THAN_BEFORE = "worse at its end than at its beginning by a tenth"
SWINGS = "swings by a quarter of its level and half of all that it moved, so no value says where it stands"
LOST_AGAIN = "its newest value has lost what was gained before, so nothing shows that it holds"
FIGURES = (Kind.RATE, Kind.CORRELATION, Kind.SCORE, Kind.ERROR)


def scope_of(evidence: Evidence, sections: Collection[str], judged: Collection[str]) -> Scope:
    """What was looked at.

    Args:
        evidence: what is known.
        sections: that were asked about.
        judged: those of them in which a rule could give an answer.
    """
    course = evidence.log or evidence.course
    if course is not None:
        return _of_course(course, has_norms=evidence.records is not None)
    missing = {name: "none of its checks could be made" for name in sections if name not in judged}
    needed = {"data": evidence.data, "loss": evidence.batch}
    is_enough = bool(judged) and all(part is not None for name, part in needed.items() if name in sections)
    return Scope(tuple(name for name in sections if name in judged), missing, is_enough)


def _of_course(log: LogFacts, *, has_norms: bool) -> Scope:
    """A course needs a training loss over some time, and something that was measured on data it was not trained on."""
    found = {
        COURSE: _lacks_course(log),
        VALIDATION: lacks_validation(log)
        or _lacks(validation_loss(log), "loss of validation data", "log it once an epoch"),
        METRICS: ("" if (figure := _figure(log)) else lacks_metric(log))
        or _lacks(figure, "metric of the validation", "log one once an epoch"),
        GRADIENTS: "" if has_norms else _lacks(_first(log.of(Kind.GRAD_NORM)), "norm of the gradient", "log it"),
        RATE: _lacks(_first(log.of(Kind.LR)), "learning rate", "log it"),
    }
    measured = [name for name in (VALIDATION, METRICS) if not found[name]]
    if measured and (lack := _lacks_gain(log)):
        found |= dict.fromkeys(measured, lack)
    elif VALIDATION in measured and _is_worse(validation_loss(log)):
        found[VALIDATION] = WORSE_THAN_BEFORE
    elif VALIDATION in measured and _sways(log, validation_loss(log)):
        found[VALIDATION] = SWINGS
    if not found[COURSE] and _sways(log, training_loss(log)):
        found[COURSE] = SWINGS
    seen = tuple(name for name, lack in found.items() if not lack)
    is_enough = (
        COURSE in seen
        and (VALIDATION in seen or METRICS in seen)
        and found[VALIDATION]
        not in (
            WORSE_THAN_BEFORE,
            SWINGS,
        )
    )
    return Scope(seen, {name: lack for name, lack in found.items() if lack}, is_enough)


def _lacks_gain(log: LogFacts) -> str:
    """Why what was measured beside the training does not show that it learns; empty: something was ever 2 % better
    than at first or began good, and still is."""
    loss = validation_loss(log)
    falling = [*log.of(Kind.ERROR), *([] if loss is None else [loss])]
    rising = [one for one in log.of(*FIGURES, Kind.REWARD) if one.meaning.kind is not Kind.ERROR]
    gains = [(one, 1.0) for one in rising] + [(one, -1.0) for one in falling]
    measured = [(one, sign) for one, sign in gains if one.meaning.split != TRAIN and len(one.finite)]
    # A name that says no part of the training is the training's where another one says validation.
    judged = [(one, sign) for one, sign in measured if one.meaning.split] or measured
    better = [(one, sign) for one, sign in judged if _gains(one, sign)]
    if not better:
        return NEVER_BETTER
    return "" if any(_holds(one, sign) for one, sign in better) else LOST_AGAIN


def _is_worse(loss: Series | None) -> bool:
    return loss is not None and len(loss.finite) > 1 and bool(loss.finite[-1] > WORSE * loss.finite[0] > 0)


def _sways(log: LogFacts, loss: Series | None) -> bool:
    return not is_of_policy(log) and loss_swings(log, loss)


def _gains(series: Series, sign: float) -> bool:
    values = series.finite
    if _is_good(series, float(values[0])):
        return True
    if len(values) < FEW:  # of few the last says more than a median
        return bool(sign * (values[-1] - values[0]) > IMPROVED * abs(values[0]))
    level = levels(values)  # the luckiest of many is no gain
    gained = float((sign * (level - values[0])).max())
    is_gain = gained > max(IMPROVED * abs(values[0]), 2 * jitter(values))
    # Of what may be 0, 2 % are nothing, and what is 0 now and then has no median deviation.
    noise = 2 * max(jitter(values), float(np.diff(values).std())) if series.meaning.kind is Kind.REWARD else 0.0
    return bool(is_gain or (sign * (level - level[0])).max() > max(IMPROVED * abs(level[0]), noise))


def _holds(series: Series, sign: float) -> bool:
    """Whether the newest value still has what was gained."""
    values = sign * series.finite
    level = levels(values) if len(values) >= FEW else values
    gained, kept = float(level.max() - values[0]), float(values[-1] - values[0])
    return _is_good(series, float(series.finite[-1])) or kept > KEPT * gained


def _is_good(series: Series, value: float) -> bool:
    is_percent = series.column.is_percent or series.finite.max() > 1.5
    share = value / (100 if is_percent and series.meaning.kind is Kind.RATE else 1)
    return series.meaning.kind in (Kind.RATE, Kind.CORRELATION) and share >= GOOD


def _lacks_course(log: LogFacts) -> str:
    loss = training_loss(log)
    if loss is None:
        if log.is_run and not log.is_opposed:
            return "too few steps yet"
        return f"{log.without_loss}; log the loss that is trained"
    least, count = LEAST_EPOCHS if is_by_epoch(log, loss) else LEAST_COURSE, len(loss.finite)
    if count < least:
        return f"{count} values of {loss.name} of {least} that are needed"
    if not is_long(log, loss) and not is_of_policy(log) and not _has_fallen(loss):
        return f"{loss.name} did not fall by 2 %, and {count} values are too few to say that it stands still"
    return ""


def _has_fallen(loss: Series) -> bool:
    first, last = ends(loss.finite)
    return first - last > IMPROVED * abs(first)


def _figure(log: LogFacts) -> Series | None:
    """A metric that is not of the training data, or what a policy earns; the longest."""
    figures = [one for one in log.of(*FIGURES) if one.meaning.split != TRAIN] + log.of(Kind.REWARD)
    return max(figures, key=lambda one: len(one.finite), default=None)


def _first(series: list[Series]) -> Series | None:
    return next(iter(series), None)


def _lacks(series: Series | None, what: str, how: str) -> str:
    """What is missing of a series, and how to get it; empty: nothing."""
    if series is None:
        return f"no {what} is named; {how}"
    if len(series.finite) < LEAST_VALIDATIONS:
        return f"{len(series.finite)} values of {series.name} of {LEAST_VALIDATIONS} that are needed"
    return ""
