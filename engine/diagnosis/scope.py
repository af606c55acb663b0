"""How much of what matters a diagnosis has looked at: without that, nothing found is not nothing wrong.

Pure functions of evidence. Knows no rule; a course is looked at when it holds series that rules can judge.
"""

from __future__ import annotations

from collections.abc import Collection

from trainctl.engine.diagnosis.facts.evidence import Evidence
from trainctl.engine.diagnosis.finding import Scope
from trainctl.engine.diagnosis.logs.course import IMPROVED, training_loss, validation_loss
from trainctl.engine.diagnosis.logs.facts import LogFacts, Series
from trainctl.engine.diagnosis.logs.metrics import levels
from trainctl.engine.diagnosis.logs.names import TRAIN, Kind

COURSE, VALIDATION, METRICS, GRADIENTS, RATE = "course", "validation", "metrics", "gradients", "rate"
LEAST_COURSE, LEAST_VALIDATIONS = 10, 3
"""Values of a training loss, and of what is measured now and then, below which nothing can be said of how it goes."""
LEAST_EPOCHS = 5
"""Values of a training loss that are means of an epoch each."""
FEW = 6
GOOD = 0.9
"""Of a rate or a correlation: as good as much that is healthy ever gets."""
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
        VALIDATION: _lacks(validation_loss(log), "loss of validation data", "log it once an epoch"),
        METRICS: _lacks(_figure(log), "metric of the validation", "log one once an epoch"),
        GRADIENTS: "" if has_norms else _lacks(_first(log.of(Kind.GRAD_NORM)), "norm of the gradient", "log it"),
        RATE: _lacks(_first(log.of(Kind.LR)), "learning rate", "log it"),
    }
    measured = [name for name in (VALIDATION, METRICS) if not found[name]]
    if measured and not _has_improved(log):
        found |= dict.fromkeys(measured, "never better than at its beginning by 2 %, so nothing shows that it learns")
    seen = tuple(name for name, lack in found.items() if not lack)
    is_enough = COURSE in seen and (VALIDATION in seen or METRICS in seen)
    return Scope(seen, {name: lack for name, lack in found.items() if lack}, is_enough)


def _has_improved(log: LogFacts) -> bool:
    """Whether anything that was measured beside the training was ever 2 % better than at first, or began good."""
    loss = validation_loss(log)
    falling = [*log.of(Kind.ERROR), *([] if loss is None else [loss])]
    rising = [one for one in log.of(*FIGURES, Kind.REWARD) if one.meaning.kind is not Kind.ERROR]
    gains = [(one, 1.0) for one in rising] + [(one, -1.0) for one in falling]
    measured = [(one, sign) for one, sign in gains if one.meaning.split != TRAIN and len(one.finite)]
    # A name that says no part of the training is the training's where another one says validation.
    named = [(one, sign) for one, sign in measured if one.meaning.split]
    return any(_gains(one, sign) for one, sign in named or measured)


def _gains(series: Series, sign: float) -> bool:
    values = series.finite
    # The luckiest of many is no gain; of few the last says more than a median.
    level = levels(values) if len(values) >= FEW else values[[0, -1]]
    is_good = series.meaning.kind in (Kind.RATE, Kind.CORRELATION) and values[0] >= GOOD
    return bool(is_good or (sign * (level - level[0])).max() > IMPROVED * abs(level[0]))


def _lacks_course(log: LogFacts) -> str:
    loss = training_loss(log)
    if loss is None:
        if log.is_run and not log.is_opposed:
            return "too few steps yet"
        return f"{log.without_loss}; log the loss that is trained"
    epochs = log.table.epochs[loss.rows]
    by_epoch = len(epochs) > 1 and bool((epochs[1:] - epochs[:-1] >= 1).all())
    least = LEAST_EPOCHS if by_epoch else LEAST_COURSE
    return f"{len(loss.finite)} values of {loss.name} of {least} that are needed" if len(loss.finite) < least else ""


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
    if len(series.values) < LEAST_VALIDATIONS:
        return f"{len(series.values)} values of {series.name} of {LEAST_VALIDATIONS} that are needed"
    return ""
