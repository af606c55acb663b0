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
from trainctl.engine.diagnosis.logs.course import ends, training_loss, validation_loss
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
from trainctl.engine.diagnosis.rules.course.measured import is_evaluated, is_of_rivals
from trainctl.engine.diagnosis.rules.course.overfitting import overfitting
from trainctl.engine.diagnosis.rules.course.turning import times_elsewhere

FEWEST, FEW, SOME = 3, 5, 20
"""Values of a metric and of a reward from which on a large fall is worth knowing, and of a reward to tell a steady one.
"""
NOISES = 6.0
SLOWER = 3.0
"""By how much the learning rate is lowered."""
WORSE, FAR_WORSE, TWICE = 1.1, 1.5, 2.0
FALLING, STEADILY = 0.9, 0.95
"""Rank correlation of a reward with time, over 50 values and over 20."""
WHOLE = 100.0
"""All of a reference, in percent: a rate of errors above says that more is wrong than there is."""
OF_A_REFERENCE = frozenset({"error", "err", "errors", "wer", "cer", "ter", "ler", "per", "mer", "wil", "der", "jer"})
"""Errors that are counted beside a reference; distances and the like have no bound that says the same."""
LEFT, SPREAD = 0.7, 3.0
"""What a metric of few values has left of its best, and over how many spreads of the earlier ones a reward fell."""
RISEN, LOST_FOR, THIRD = 12, 4, 1 / 3
"""Values of a reward from which on the loss of a gain can be told, levels that it must last, and what is left of it."""
HARDER = frozenset({"lesson", "curriculum", "difficulty", "stage", "level"})
MANY = 10
"""Values of a metric from which on its level is judged instead."""
QUALITIES = frozenset({"psnr", "ssim", "bleu", "rouge", "rouge1", "rouge2", "rougel", "meteor", "cider"})
"""Scores of which more is better, at 0 or above."""


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

    A validation loss whose last three values are 10 % above its very first one, and four deviations, while none was
    2 % below that; an information where R801 is one. A rate of errors whose last level is 1.5 times and four deviations
    above its best, over five values; of fewer, one that doubled to 100 % or more. A metric or a score (PSNR, BLEU) that
    lost 30 % of its best level and six deviations for good, over ten values; of several of a kind at least half must
    agree. A reward that falls with a rank correlation of −.9 over 50 values, or −.95 over 20, by more than three
    deviations. Metrics of rivals are not judged.

    A reward that had risen, and of whose gain less than a third is left for good: in the last four levels or a fifth of
    all, over twelve values, by six deviations; an information of fewer than 20 values. Of few values only errors that
    are counted beside a reference (WER, CER) are judged: distances have no 100 %.

    An information with fewer values: a metric or score of the validation whose last two, of three or more, lie 30 %
    below its best and below the median of those before; a reward whose last two, of five or more, are each lower than
    all before, by three times what those spread over. Not of a run that is judged unasked: it may go on.

    Costs: the newest weights are worse than earlier ones, or than none.
    Do: go back to the best; then a lower rate, and a look at what the validation does differently.
    Follows from: N901, N902, O601, O602, O604, O619, R801, E1007.
    """
    reward, loss = main_reward(log), validation_loss(log)
    errors = [one for one in log.of(Kind.ERROR) if len(one.finite) > 1]
    told = [*qualities(log), *(one for one in log.of(Kind.SCORE) if one.meaning.words & QUALITIES)]
    metrics = [one for one in told if one.meaning.split != TRAIN and not is_of_rivals(log, one)]
    if not errors and reward is None and loss is None and not metrics:
        return Unchecked("no validation, metric or reward is named")
    hits = [*_most([_of_errors(log, one) for one in errors]), *_most([_of_metric(log, one) for one in metrics])]
    hits += [None if loss is None else _of_validation(log, loss), None if reward is None else _of_reward(log, reward)]
    if not any(hits) and not log.is_run:
        hits += _most([_of_few(log, one) for one in metrics if is_evaluated(log, one)])
        hits += [None if reward is None else _of_few_rewards(log, reward)]
    hit = next((hit for hit in hits if hit is not None), None)
    return hit if hit is None else replace(hit, fix=Fix(hit.fix.text, remedies.slower(plan, SLOWER)))


def _most(hits: list[Hit | None]) -> list[Hit]:
    """The hits, if at least half of what was asked has one: of many metrics, each of a class, some always fall."""
    found = [hit for hit in hits if hit is not None]
    return found if 2 * len(found) >= len(hits) else []


def _hit(
    log: LogFacts,
    series: Series,
    values: tuple[float, float],
    why: str,
    do: str,
    *,
    are_levels: bool = False,
    severity: Severity = Severity.WARNING,
) -> Hit:
    """A hit on a series that went from one value to another; `are_levels`: these are medians, and not printed."""
    best, last = values
    median = " in the median" if are_levels else ""
    return Hit(
        severity=severity,
        confidence=Confidence.LIKELY,
        summary=f"{series.name} went from {best:.4g} to {last:.4g}" + median,
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
    are_levels = len(values) >= FEW
    if not are_levels:
        if last < TWICE * best or last < whole or not series.meaning.words & OF_A_REFERENCE:
            return None
        why += ": more is wrong than there is to be right, so the network adds what is not there"
    else:
        level = levels(values)
        best, last = float(level.min()), float(level[-1])
        if best <= 0 or last < FAR_WORSE * best or last - best <= 4 * jitter(values):
            return None
        why = f"{last / best:.3g} times its best level"
    do = "go back to the best weights; a lower rate; look at what it answers"
    return _hit(log, series, (best, last), why, do, are_levels=are_levels)


def _of_metric(log: LogFacts, series: Series) -> Hit | None:
    fallen = collapse(series)
    if fallen is None:
        return None
    do = "go back to the best weights; look at what changed there: rate, a refit, unfreezing, data of another order"
    return _hit(log, series, fallen, "it lost that for good, beyond its noise", do, are_levels=True)


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
    train, overfit = training_loss(log), log.once("overfitting", overfitting)
    times = 0.0 if train is None else times_elsewhere(log, train, series)
    is_first = values.min() >= first
    why = "it was never better than at its first value" if is_first else "it was hardly better than at its first value"
    if train is not None and times:
        why += (
            f"; it is {times:.0f} times {train.name} there: no overfitting, the validation measures something else "
            "(BatchNorm's averages, the mode, normalisation, other data, a sum)"
        )
    # The same rise is no worse than the rule on overfitting finds it.
    is_mild = isinstance(overfit, Hit) and overfit.severity is Severity.INFO
    severity = Severity.INFO if is_mild else Severity.WARNING
    return _hit(log, series, (first, float(values[-1])), why, do, severity=severity)


def _of_reward(log: LogFacts, series: Series) -> Hit | None:
    values = series.finite
    if (lost := _lost_reward(log, series)) is not None or len(values) < SOME:
        return lost
    falls = -rank_correlation(values)
    first, last = ends(values)
    if falls < (FALLING if len(values) >= 50 else STEADILY) or first - last <= 3 * jitter(values):
        return None
    do = (
        "a smaller learning rate or clip range, larger batches; check the sign of the reward and the end of exploration"
    )
    why = f"it falls steadily: rank correlation with time {-falls:.2f}"
    return _hit(log, series, (first, last), why, do, are_levels=True)


def _lost_reward(log: LogFacts, series: Series) -> Hit | None:
    """A policy that had learned something and has forgotten it, whatever single episodes earn."""
    values = series.finite
    if len(values) < RISEN or any(_rises(one) for one in log.series if one.meaning.words & HARDER):
        return None
    level = levels(values)
    at = int(level.argmax())
    before, best = float(level[: at + 1].min()), float(level[at])
    late = level[-max(len(level) // 5, LOST_FOR) :]
    gain, noise = best - before, jitter(values)
    if at >= len(level) - len(late) or gain <= NOISES * noise or best - late.max() <= NOISES * noise:
        return None
    if late.max() >= before + THIRD * gain or gain < THIRD * max(abs(best), abs(before)):
        return None
    do = "go back to the best weights; a smaller learning rate or clip range, larger batches, more exploration"
    why = f"of what it had gained from {before:.4g} on {max((late.max() - before) / gain, 0):.0%} is left"
    severity = Severity.INFO if len(values) < SOME else Severity.WARNING
    return _hit(log, series, (best, float(late[-1])), why, do, are_levels=True, severity=severity)


def _rises(series: Series) -> bool:
    return len(series.finite) > 1 and bool(series.finite[-1] > series.finite[0])


def _of_few(log: LogFacts, series: Series) -> Hit | None:
    """Of a metric with fewer values than a level needs: the last two are far below the best before them."""
    values = series.finite
    if len(values) < FEWEST or values.min() < 0:
        return None
    best, late = float(values[:-2].max()), values[-2:]
    if len(values) >= MANY or late.max() > LEFT * best or late.max() >= np.median(values[:-2]):
        return None
    do = "go back to the best weights, and validate both again; look at what changed between them"
    why = f"the last two are {late.max() / best:.0%} of the best or less; so few values show no more"
    return _hit(log, series, (best, float(values[-1])), why, do, severity=Severity.INFO)


def _of_few_rewards(log: LogFacts, series: Series) -> Hit | None:
    """Of a reward with fewer values than a steady fall needs: the last two fall out of all that was before."""
    values = series.finite
    if not FEW <= len(values) < SOME:
        return None
    before, (second, last) = values[:-2], values[-2:]
    spread = float(np.ptp(before))
    if not (last < second < before.min()) or before.min() - second < SPREAD * spread:
        return None
    do = "go back to the best weights; a smaller learning rate; check the sign of the reward and the end of exploration"
    why = f"all before lay within {spread:.3g}; so few values show no more"
    return _hit(log, series, (float(before.max()), float(last)), why, do, severity=Severity.INFO)
