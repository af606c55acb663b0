"""E1015: a validation, a metric or a reward that is worse at the end than it was. Pure functions of a log.

Says that something was lost, where no rule on the training loss says why.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from trainctl.engine.diagnosis import remedies
from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.plan import PlanFacts
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked
from trainctl.engine.diagnosis.logs.course import ends, validation_loss
from trainctl.engine.diagnosis.logs.facts import LogFacts, Series
from trainctl.engine.diagnosis.logs.metrics import (
    WIDTH,
    collapse,
    jitter,
    levels,
    main_reward,
    qualities,
    rank_correlation,
)
from trainctl.engine.diagnosis.logs.names import TRAIN, Kind

FEW, SOME = 5, 20
SLOWER = 3.0
"""By how much the learning rate is lowered."""
WORSE, FAR_WORSE, TWICE = 1.1, 1.5, 2.0
FALLING, STEADILY = 0.9, 0.95
"""Rank correlation of a reward with time, over 50 values and over 20."""
WHOLE = 100.0
"""All of a reference, in percent: a rate of errors above says that more is wrong than there is."""


@rule(
    "E1015",
    "worse than it was",
    section="evaluation",
    severity=Severity.WARNING,
    precedence=Precedence.CAPACITY,
    cost=Cost.RECORDS,
    of_log=True,
)
def worse_than_it_was(log: LogFacts, plan: PlanFacts | None = None) -> Answer:
    """What should improve is worse at the end than it was, beyond its noise.

    A validation loss whose last three values are 10 % above its very first one, and four deviations. A rate of errors
    whose last level is 1.5 times and four deviations above its best, over five values; of fewer, one that doubled to
    100 % or more. A metric that lost 30 % of its best level and six deviations for good, over ten values; of several of
    a kind at least half must agree. A reward that falls with a rank correlation of −.9 over 50 values, or −.95 over 20,
    by more than three deviations.

    Costs: the newest weights are worse than earlier ones, or than none.
    Do: go back to the best; then a lower rate, and a look at what the validation does differently.
    Follows from: N901, N902, O601, O602, O604, O619, R801, E1007.
    """
    reward, loss = main_reward(log), validation_loss(log)
    errors = [one for one in log.of(Kind.ERROR) if len(one.finite) > 1]
    metrics = [one for one in qualities(log) if one.meaning.split != TRAIN]
    if not errors and reward is None and loss is None and not metrics:
        return Unchecked("no validation, metric or reward is named")
    hits = [*_most([_of_errors(log, one) for one in errors]), *_most([_of_metric(log, one) for one in metrics])]
    hits += [None if loss is None else _of_validation(log, loss), None if reward is None else _of_reward(log, reward)]
    hit = next((hit for hit in hits if hit is not None), None)
    return hit if hit is None else replace(hit, fix=Fix(hit.fix.text, remedies.slower(plan, SLOWER)))


def _most(hits: list[Hit | None]) -> list[Hit]:
    """The hits, if at least half of what was asked has one: of many metrics, each of a class, some always fall."""
    found = [hit for hit in hits if hit is not None]
    return found if 2 * len(found) >= len(hits) else []


def _hit(log: LogFacts, series: Series, best: float, last: float, why: str, do: str) -> Hit:
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"{series.name} went from {best:.4g} to {last:.4g}",
        where=f"{log.where(series, 0)} to {log.where(series, len(series.values) - 1)}; {len(series.values):,} values",
        why=why,
        fix=Fix(do),
        figures={"best": best, "last": last},
        because=("N901", "N902", "O601", "O602", "O604", "O619", "R801", "E1007"),
    )


def _of_errors(log: LogFacts, series: Series) -> Hit | None:
    values = series.finite
    best, last = float(values.min()), float(values[-1])
    whole = WHOLE if series.column.is_percent or values.max() > TWICE else 1.0
    why = f"{last / best:.3g} times its best" if best > 0 else "it was 0"
    if len(values) < FEW:
        if last < TWICE * best or last < whole or "perplexity" in series.meaning.words or "ppl" in series.meaning.words:
            return None
        why += ": more is wrong than there is to be right, so the network adds what is not there"
    else:
        level = levels(values)
        best, last = float(level.min()), float(level[-1])
        if best <= 0 or last < FAR_WORSE * best or last - best <= 4 * jitter(values):
            return None
        why = f"{last / best:.3g} times its best level"
    return _hit(log, series, best, last, why, "go back to the best weights; a lower rate; look at what it answers")


def _of_metric(log: LogFacts, series: Series) -> Hit | None:
    fallen = collapse(series)
    if fallen is None:
        return None
    do = "go back to the best weights; look at what changed there: rate, a refit, unfreezing, data of another order"
    return _hit(log, series, *fallen, "it lost that for good, beyond its noise", do)


def _of_validation(log: LogFacts, series: Series) -> Hit | None:
    values = series.finite
    if len(values) < FEW or values[0] <= 0:
        return None
    late, first = values[-WIDTH:], float(values[0])
    if (
        late.min() <= WORSE * first
        or float(np.median(late)) - first <= 4 * jitter(values)
        or values.min() < 0.98 * first
    ):
        return None
    do = "compare one batch in training and validation: data, normalisation, eval(); then a tenth of the learning rate"
    return _hit(log, series, first, float(np.median(late)), "it was never better than at its first value", do)


def _of_reward(log: LogFacts, series: Series) -> Hit | None:
    values = series.finite
    if len(values) < SOME:
        return None
    falls = -rank_correlation(values)
    first, last = ends(values)
    if falls < (FALLING if len(values) >= 50 else STEADILY) or first - last <= 3 * jitter(values):
        return None
    do = (
        "a smaller learning rate or clip range, larger batches; check the sign of the reward and the end of exploration"
    )
    return _hit(log, series, first, last, f"it falls steadily: rank correlation with time {-falls:.2f}", do)
