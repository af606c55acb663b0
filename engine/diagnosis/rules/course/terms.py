"""K401, Q501: a term of the loss that stands where its formula says that nothing is learnt.

Pure functions of a log. Judges a term by itself; the loss as a whole is `training_loss`'s.
"""

from __future__ import annotations

import math

import numpy as np

from trainctl.engine.diagnosis import remedies
from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.plan import PlanFacts
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked
from trainctl.engine.diagnosis.logs.course import is_by_epoch, is_long, stands_still, training_loss
from trainctl.engine.diagnosis.logs.facts import LogFacts, Series
from trainctl.engine.diagnosis.logs.names import VAL, Kind
from trainctl.engine.diagnosis.logs.posteriors import max_posteriors

CONTRASTIVE = frozenset({"supcon", "contrastive", "contrast", "infonce", "nce", "ntxent", "simclr", "con"})
"""Words of the names of contrastive losses."""
PINNED = 0.02
FEWEST, MOST = 4, 1024
"""Batch sizes that are looked for where none is given."""
EXACT_EPOCHS, EXACT, FINE = 4, 1e-3, 0.005
"""Epochs that must all be at it, and how near, where no name says that a loss is contrastive; and its rounding."""
SATURATED = 0.99
FEW_DIMENSIONS = 16
"""A mixture in as many has posteriors between uniform and one-hot."""


@rule(
    "K401",
    "contrastive loss at its floor",
    section="loss",
    severity=Severity.WARNING,
    precedence=Precedence.LOSS,
    cost=Cost.RECORDS,
    of_log=True,
)
def pinned_contrast(log: LogFacts, plan: PlanFacts | None = None) -> Answer:
    """A contrastive loss that stands still at ln(B−1): of the given B, or of a near whole number from 4 to 1024.

    A training loss of any name that is ln(B−1) of the given B, to all its digits, in every one of four epochs or more.

    Costs: nothing is learned: every sample is as near to each other one as to its own class.
    Do: print the classes of a few batches and the mean cosine of the embeddings; the rate can wait.
    Follows from: D101.
    """
    known = [s for s in log.of(Kind.TERM, Kind.TOTAL) if _is_contrastive(log, s) and s.meaning.split != VAL]
    if not known:
        loss = training_loss(log)
        if loss is None or log.batch_size is None:
            return Unchecked("no contrastive loss is named")
        return _pinned(log, loss, log.batch_size, plan) if _is_exact(log, loss, log.batch_size) else None
    series = max(known, key=lambda one: len(one.values))
    if not is_long(log, series):
        return Unchecked(f"too few values of {series.name} to say that it stands still ({len(series.finite)})")
    weight = log.weight_of(series)
    late = series.finite[len(series.finite) // 2 :] / weight
    level = float(np.median(late))
    size = log.batch_size or round(math.exp(min(level, 20.0))) + 1
    gap = abs(level - math.log(max(size - 1, 1)))
    # Whole numbers lie 1/(B−1) apart: near one means something only if it is much nearer than that.
    near = (
        PINNED
        if log.batch_size
        else min(PINNED, 0.1 / max(size - 1, 1)) + float(series.column.half_units.min()) / weight
    )
    if not FEWEST <= size <= MOST or gap > near or late.std() > PINNED or not stands_still(series.finite):
        return None
    return _pinned(log, series, size, plan)


def _pinned(log: LogFacts, series: Series, size: int, plan: PlanFacts | None) -> Hit:
    weight = log.weight_of(series)
    per_weight, late = "" if weight == 1 else f" / {weight:g}", series.finite[len(series.finite) // 2 :] / weight
    level = float(np.median(late))
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.PROVEN if log.batch_size else Confidence.LIKELY,
        summary=f"{series.name}{per_weight} stands at {level:.4f}, "
        f"equal embeddings give ln({size}−1) = {math.log(size - 1):.4f}",
        where=f"{log.where(series, 0)} to {log.where(series, len(series.values) - 1)}: deviation {late.std():.2g}",
        why="one class in each batch (its least possible loss), equal embeddings, or no positives"
        + ("" if log.batch_size else f"; B = {size} is read off the value, --batch-size B makes it sure"),
        fix=Fix(
            "print the classes of a few batches and the mean cosine of the embeddings; the learning rate can wait",
            remedies.warmer(plan),
        ),
        figures={
            "loss": level,
            "gap": abs(level - math.log(size - 1)),
            "std": float(late.std()),
            "batch_size": size,
        },
        because=("D101",),
    )


def _is_exact(log: LogFacts, series: Series, size: int) -> bool:
    """Whether a loss that no name calls contrastive is ln(B−1) in all its digits from the first epoch on."""
    half_unit, values = float(series.column.half_units.max(initial=0.0)), series.values
    if size < FEWEST or len(values) < EXACT_EPOCHS or half_unit > FINE or not is_by_epoch(log, series):
        return False
    return bool((np.abs(values / log.weight_of(series) - math.log(size - 1)) <= EXACT + half_unit).all())


def _is_contrastive(log: LogFacts, series: Series) -> bool:
    if series.meaning.kind is Kind.TERM:
        return bool(series.meaning.words & CONTRASTIVE)
    weights = log.weights or {}
    return bool(weights) and set(weights) <= CONTRASTIVE


@rule(
    "Q501",
    "one-hot posteriors",
    section="loss",
    severity=Severity.WARNING,
    precedence=Precedence.LOSS,
    cost=Cost.RECORDS,
    of_log=True,
)
def saturated_posteriors(log: LogFacts, plan: PlanFacts | None = None) -> Answer:
    """Mean largest posterior above .99 over the last epoch that was logged, or the last tenth of the values.

    Costs: the terms on the posteriors have no gradient: the clusters stay what they are.
    Do: a mixture over fewer dimensions or log-densities times 1/D; a lower cluster weight, an entropy term.
    """
    known = max_posteriors(log)
    if not known:
        return Unchecked("no largest posterior is named, and no cluster loss beside an entropy")
    for series in known:
        values = np.abs(series.finite)
        count = 1 if is_by_epoch(log, series) else max(len(values) // 10, 1)
        if len(values) and float(values[-count:].min()) > SATURATED:
            first = int(np.flatnonzero(np.abs(series.values) > SATURATED)[0])
            return Hit(
                severity=Severity.WARNING,
                confidence=Confidence.LIKELY,
                summary=f"{series.name} {series.say(len(series.values) - 1)} at the end",
                where=f"above {SATURATED} first at {log.where(series, first)}",
                why="one-hot posteriors have no gradient: no loss on them can move a sample to another cluster",
                fix=Fix(
                    "a mixture over fewer dimensions or log-densities × 1/D; a lower cluster weight, an entropy term",
                    _fewer_dimensions(plan),
                ),
                figures={"max_posterior": float(values[-1]), **log.step_of(series, first)},
            )
    return None


def _fewer_dimensions(plan: PlanFacts | None) -> remedies.Settings | None:
    if plan is None or plan.mixture_dim is None or plan.temper in ("dimension", "learned"):
        return None
    return {"model.projection": FEW_DIMENSIONS} if plan.mixture_dim > FEW_DIMENSIONS else {"model.temper": "dimension"}
