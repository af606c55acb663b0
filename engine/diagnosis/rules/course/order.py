"""D102, D113 of a log: what the place in an epoch says of the loss, and how short epochs are. Pure functions."""

from __future__ import annotations

import math

import numpy as np

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.foreign import FeedFacts, ForeignFacts
from trainctl.engine.diagnosis.facts.plan import PlanFacts
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked
from trainctl.engine.diagnosis.logs.course import is_by_epoch, training_loss
from trainctl.engine.diagnosis.logs.facts import LogFacts, Series
from trainctl.engine.diagnosis.logs.table import Floats

EPOCHS, PLACES = 3, 12
"""Epochs, and values of each, from which on the place in them can be judged."""
EXPLAINED, ALIKE = 0.5, 0.7
SMOOTH = 0.9
"""Share of the steps of a mean epoch that go down where it begins anew with each."""
LEAST_BATCH = 8
CUSTOM = "custom"
NEIGHBOURS, DEVIATIONS, REPEATS = 0.5, 3.5, 0.5
ALIKE_BATCHES, THREE = 0.3, 3.0
"""Correlation of neighbouring losses, and deviations of chance, where it is known that the loader keeps the order."""
NEXT_DEVIATIONS = 2.5
SHUFFLE = Fix("shuffle each epoch (shuffle=True, or a sampler that does); lengths in buckets: shuffle the buckets")
SHORT = 20
"""Steps of an epoch below which means over it, and schedules that count epochs, are coarse."""


@rule(
    "D102",
    "loss follows the place in the epoch",
    section="sampler",
    severity=Severity.WARNING,
    precedence=Precedence.SAMPLER,
    cost=Cost.RECORDS,
    of_log=True,
)
def ordered_data(log: LogFacts, foreign: ForeignFacts | None = None) -> Answer:
    """The place in the epoch explains half of the variance of the logarithm of the training loss, and the profiles of
    the epochs correlate by .7 on average. A warning where the mean profile is like itself one place on (correlation .5
    and 2.5 deviations of chance), or at another distance (3.5): the samples lie in an order, or the same few come
    again. Information where it is not: a shuffled order that never changes does little harm.

    Over three epochs of twelve values or more, each less its own straight line. Running means that begin anew with each
    epoch are not judged: they fall all the time, or their steps shrink as the epoch goes on.

    Of a watched loop it is known how its loader takes the samples: one that shuffles is left alone, and one that goes
    through them in order is a fault where the loss of a batch is like that of its neighbour (correlation .3, and three
    deviations of chance) at the same places in all epochs (correlation .5). Samples that lie in no order do not do so.

    Costs: each update undoes the one for the samples before; the newest samples of the epoch are learned, not all.
    Do: shuffle each epoch (shuffle=True, or a sampler that does); where length or difficulty orders them on purpose,
    shuffle buckets.
    Follows from: N901.
    """
    series = training_loss(log)
    feed = None if foreign is None else foreign.feed
    if feed is not None and feed.order != CUSTOM and (not feed.is_in_order or feed.places):
        return _as_fed(feed)
    if series is None:
        return Unchecked(log.without_loss)
    profiles = _profiles(log, series)
    if profiles is None:
        return Unchecked(f"needs {EPOCHS} epochs with {PLACES} equally placed values of a training loss above 0")
    if _is_running_mean(profiles):
        return Unchecked("the loss is a running mean within the epoch")
    rest_ep = profiles - _lines(profiles)
    explained = float(rest_ep.mean(0).var() / max(rest_ep.var(), 1e-12))
    corr = np.corrcoef(rest_ep[rest_ep.std(1) > 1e-9])
    pairs = corr[np.triu_indices_from(corr, 1)] if corr.ndim == 2 else np.zeros(1)
    if explained < EXPLAINED or not len(pairs) or float(np.median(pairs)) < ALIKE or rest_ep.std() < 0.02:
        return None
    is_sorted = _returns(rest_ep.mean(0))
    return Hit(
        severity=Severity.WARNING if is_sorted else Severity.INFO,
        confidence=Confidence.LIKELY,
        summary=f"the place in the epoch explains {explained:.0%} of {series.name}'s variance",
        where=f"{len(profiles)} epochs of {profiles.shape[1]} values",
        why=f"the epochs' profiles correlate by {float(np.median(pairs)):.2f}: the samples come in the same order each "
        "time, and are not mixed",
        fix=SHUFFLE,
        figures={"explained": explained, "correlation": float(np.median(pairs)), "epochs": len(profiles)},
        because=("N901",),
    )


def _returns(mean_P: Floats) -> bool:
    """Whether the mean profile is like itself some places on."""
    for lag in range(1, len(mean_P) // 2 + 1):
        early, late = mean_P[:-lag], mean_P[lag:]
        if min(early.std(), late.std()) > 1e-9:
            deviations = DEVIATIONS if lag > 1 else NEXT_DEVIATIONS  # chance has many distances, and one next place
            if float(np.corrcoef(early, late)[0, 1]) > max(NEIGHBOURS, deviations / math.sqrt(len(early))):
                return True
    return False


def _as_fed(feed: FeedFacts) -> Hit | None:
    """By what the loader says of itself, beside the losses of each step."""
    least = max(ALIKE_BATCHES, THREE / math.sqrt(feed.places or 1))
    if not feed.is_in_order or feed.neighbours < least or feed.repeats < REPEATS:
        return None
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.PROVEN,
        summary=f"the loader takes the samples in their order ({feed.sampler})",
        where=f"{feed.places} steps an epoch: neighbouring losses correlate by {feed.neighbours:.2f}, epochs by "
        f"{feed.repeats:.2f}",
        why="neighbouring batches are alike, in every epoch at the same place: the samples lie in an order",
        fix=SHUFFLE,
        figures={"neighbours": feed.neighbours, "repeats": feed.repeats, "places": feed.places},
        because=("N901",),
    )


def _profiles(log: LogFacts, series: Series) -> Floats | None:
    """ln loss by epoch and place, shape (E, P): of the epochs that have as many values as most; None: too few."""
    epochs = np.floor(log.table.epochs[series.rows])
    if len(series.values) < EPOCHS * PLACES or not np.isfinite(epochs).all() or not np.isfinite(series.values).all():
        return None
    if series.values.min() <= 0 or (np.diff(epochs) < 0).any():
        return None
    _, first, counts = np.unique(epochs, return_index=True, return_counts=True)
    usual = int(np.median(counts))
    whole = [np.log(series.values[at : at + usual]) for at, n in zip(first, counts, strict=True) if n == usual]
    return np.stack(whole) if len(whole) >= EPOCHS and usual >= PLACES else None


def _lines(profiles: Floats) -> Floats:
    """The straight line through each epoch, shape (E, P)."""
    place = np.linspace(-1, 1, profiles.shape[1])
    slopes = profiles @ place / (place @ place)
    return profiles.mean(1, keepdims=True) + slopes[:, None] * place


def _is_running_mean(profiles: Floats) -> bool:
    """Whether the loss falls all the time within an epoch, or moves ever less: a mean over ever more values does."""
    moves = np.abs(np.diff(profiles, axis=1))
    if (np.diff(profiles.mean(0)) < 0).mean() > SMOOTH:
        return True
    half = moves.shape[1] // 2
    early, late = float(np.median(moves[:, :half])), float(np.median(moves[:, half:]))
    return late < 0.5 * early


@rule(
    "D113",
    "short epochs",
    section="sampler",
    severity=Severity.INFO,
    precedence=Precedence.SAMPLER,
    cost=Cost.RECORDS,
    of_log=True,
)
def short_epochs(log: LogFacts, plan: PlanFacts | None = None) -> Answer:
    """Fewer than 20 steps an epoch, as the log tells its batches. Information: many short epochs add up.

    Costs: what counts epochs (warmup, patience, schedules) moves in coarse steps, and a mean is of few batches.
    Do: count schedules in steps, or smaller batches.
    """
    batches = log.table.batches
    if batches is None:
        return Unchecked("the log does not tell how many batches an epoch has")
    losses = [one for one in log.series if is_by_epoch(log, one)]
    if batches >= SHORT or not losses:
        return None
    return Hit(
        severity=Severity.INFO,
        confidence=Confidence.LIKELY,
        summary=f"{batches} batches an epoch",
        where="as the log counts them",
        why="what counts epochs moves in coarse steps",
        fix=Fix("count warmup, patience and schedules in steps; smaller batches", _smaller(plan, batches)),
        figures={"batches": batches},
    )


def _smaller(plan: PlanFacts | None, batches: int) -> dict[str, int] | None:
    """The batch size with which an epoch has `SHORT` batches; None where that would be hardly any samples."""
    size = 0 if plan is None else plan.batch_size * batches // SHORT
    return {"train.batch_size": size} if size >= LEAST_BATCH else None
