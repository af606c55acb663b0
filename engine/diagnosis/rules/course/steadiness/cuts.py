"""O605, O620 of a log: a learning rate that is cut while the network still learns, or thrown back again and again.

Pure functions of a log. Schedules that are meant to fall are left alone: what happens at a cut or a restart counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from trainctl.engine.diagnosis import remedies
from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.plan import PlanFacts
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked
from trainctl.engine.diagnosis.logs.course import training_loss, validation_loss
from trainctl.engine.diagnosis.logs.facts import LogFacts, Series
from trainctl.engine.diagnosis.logs.metrics import jitter
from trainctl.engine.diagnosis.logs.names import Kind
from trainctl.engine.diagnosis.logs.table import Floats, Ints

CUTS, LEARNED_AT, EPOCHS = 3, 2, 8
"""Cuts from which on they can be judged, at how many of them it must have learned, and epochs."""
CUT = 0.95
"""Of the rate before it: less is a cut."""
SPENT = 0.25
"""Share of the highest rate that is left where so many cuts have done harm."""
HALF = 0.5
LEARNING = 0.02
"""Share by which the training loss falls from one epoch to the next at the highest rate where a network still learns;
less in proportion to the rate."""
BEFORE = 3
"""Epochs before a cut over which that is measured."""
ROOM = 0.02
"""Share by which the validation was still to improve after the first cut."""
RESTARTS, JUMP = 5, 3.0
"""Restarts from which on they can be judged, and by how much a rate rises at one."""
UNDONE = 0.5
"""Share of what a cycle has learned that the restart after it undoes."""


@dataclass(frozen=True)
class _ByEpoch:
    """Means of a series over each epoch."""

    epochs: Floats
    values: Floats


@rule(
    "O605",
    "learning rate cut while it learns",
    section="optimiser and schedule",
    severity=Severity.WARNING,
    precedence=Precedence.SCHEDULE,
    cost=Cost.RECORDS,
    of_log=True,
)
def eager_plateau(log: LogFacts, plan: PlanFacts | None = None) -> Answer:
    """A plateau schedule has cut the rate to a quarter by the middle of the epochs, in three cuts or more; at half of
    them, two or more, the training loss still fell by 2 % an epoch (less in proportion to the rate, but beyond its
    noise), and the validation improved by 2 % more after the first of these.

    A plateau schedule is one that is configured, or whose cuts come at uneven distances. Where the validation no longer
    improves a cut is what it is for, and a rate that falls by plan is no plateau.

    Costs: the validation's noise spends the rate: what is left learns slowly, and looks converged.
    Do: three times the patience, a larger validation split, or a cosine over the whole run.
    Follows from: N901, O601, O606.
    """
    rate, loss = _rate_by_epoch(log), training_loss(log)
    if rate is None or loss is None:
        return Unchecked(f"needs a learning rate over {EPOCHS} epochs, and a training loss")
    cuts = np.flatnonzero(rate.values[1:] < CUT * rate.values[:-1]) + 1
    is_plateau = plan is not None and plan.schedule == "plateau"
    if len(cuts) < CUTS or not (is_plateau or _are_uneven(rate.values, cuts)):
        return None
    trained, validated = _by_epoch(log, loss), validation_loss(log)
    middle = HALF * (plan.epochs if plan else float(rate.epochs[-1]))
    early = [int(cut) for cut in cuts if rate.epochs[cut] <= max(middle, float(rate.epochs[CUTS]))]
    learning = [cut for cut in early if trained is not None and _falls_before(trained, rate, cut)]
    left = float(rate.values[early[-1]] / rate.values.max()) if early else 1.0
    is_eager = len(early) >= CUTS and len(learning) >= LEARNED_AT and 2 * len(learning) >= len(early)
    if trained is None or not is_eager or left > SPENT:
        return None
    gained = _gained_after(log, validated, float(rate.epochs[learning[0]]))
    if gained is None or gained < ROOM:
        return None
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"{len(learning)} of {len(early)} early cuts of the learning rate came while {loss.name} still fell",
        where=f"at epochs {', '.join(f'{rate.epochs[cut]:g}' for cut in learning[:6])}: "
        f"{rate.values.max():.3g} to {rate.values[early[-1]]:.3g}",
        why=f"the training loss fell at each as fast as the rate allowed, and the validation improved by {gained:.0%} "
        "after the first: its noise looked like a plateau",
        fix=Fix(
            "three times the patience, a larger validation split, or a cosine over the whole run",
            _more_patience(plan),
        ),
        figures={"cuts": len(early), "while_learning": len(learning), "left": left, "gained": gained},
        because=("N901", "O601", "O606"),
    )


def _more_patience(plan: PlanFacts | None) -> remedies.Settings | None:
    patience = plan.settings.get("schedule.patience") if plan else None
    if plan is None or plan.schedule != "plateau" or not isinstance(patience, int):
        return None
    return {"schedule.patience": 3 * (patience + 1)}


def _by_epoch(log: LogFacts, series: Series) -> _ByEpoch | None:
    epochs = np.floor(log.table.epochs[series.rows])
    is_known = np.isfinite(epochs) & np.isfinite(series.values)
    numbers, at = np.unique(epochs[is_known], return_inverse=True)
    if len(numbers) < EPOCHS:
        return None
    sums = np.bincount(at, weights=series.values[is_known])
    return _ByEpoch(numbers, sums / np.bincount(at))


def _rate_by_epoch(log: LogFacts) -> _ByEpoch | None:
    rates = [one for one in log.of(Kind.LR) if len(one.finite) >= EPOCHS]
    found = _by_epoch(log, max(rates, key=lambda one: float(one.finite.max()))) if rates else None
    return found if found is not None and found.values.min() > 0 else None


def _are_uneven(values: Floats, cuts: Ints) -> bool:
    """Whether a rate that stands still between its cuts is cut at uneven distances, as only a plateau does."""
    stretches = np.split(values, cuts)
    is_flat = all(np.ptp(part) <= 1e-3 * part[0] for part in stretches if len(part))
    lengths = [len(part) for part in stretches[:-1]]
    return is_flat and min(lengths) >= 2 and len(set(lengths)) > 1


def _falls_before(trained: _ByEpoch, rate: _ByEpoch, cut: int) -> bool:
    """Whether the training loss fell by `LEARNING` an epoch over those before a cut, beyond its noise."""
    before = trained.values[trained.epochs < rate.epochs[cut]][-BEFORE - 1 :]
    if len(before) <= BEFORE or before.min() <= 0:
        return False
    speed = LEARNING * float(rate.values[cut - 1] / rate.values.max())
    needed = 1 - (1 - speed) ** (len(before) - 1)
    return bool(before[0] - before[-1] > max(needed * before[0], 2 * jitter(trained.values)))


def _gained_after(log: LogFacts, validated: Series | None, epoch: float) -> float | None:
    """Share by which the best validation after an epoch is below the best before; None: there are none."""
    if validated is None:
        return None
    epochs = log.table.epochs[validated.rows]
    before, after = validated.values[epochs < epoch], validated.values[epochs >= epoch]
    before, after = before[np.isfinite(before)], after[np.isfinite(after)]
    if not len(before) or not len(after) or before.min() <= 0:
        return None
    return float(1 - after.min() / before.min())


@rule(
    "O620",
    "learning rate restarts undo what was learned",
    section="optimiser and schedule",
    severity=Severity.WARNING,
    precedence=Precedence.SCHEDULE,
    cost=Cost.RECORDS,
    of_log=True,
)
def restarts(log: LogFacts, plan: PlanFacts | None = None) -> Answer:
    """Five restarts of the rate or more (it rises to three times what it had fallen to), at half of which the loss goes
    back on half of what its cycle had gained, and no cycle of the newer half ends 2 % below the older ones.

    Cycles that end lower each time are what restarts are for, whatever the loss does in between.

    Costs: each cycle learns once more what the last one had learned.
    Do: fewer and longer cycles, a lower peak, or a single cosine over the whole run.
    Follows from: N901, O601.
    """
    rates, loss = [one for one in log.of(Kind.LR) if len(one.finite) >= 4 * RESTARTS], training_loss(log)
    if not rates or loss is None:
        return Unchecked(f"needs {4 * RESTARTS} values of a learning rate, and a training loss")
    series = max(rates, key=lambda one: len(one.finite))
    starts = _starts(series.values)
    if len(starts) < RESTARTS:
        return None
    cycles = _cycles(loss, series.rows[starts])
    if len(cycles) < RESTARTS:
        return Unchecked("too few values of the training loss within a cycle of the learning rate")
    ends = np.array([cycle[-1] for cycle in cycles])
    gains, losses = np.array([cycle[0] - cycle[-1] for cycle in cycles[:-1]]), ends[:-1]
    back = np.array([cycle[0] for cycle in cycles[1:]]) - losses
    undone = (gains > 0) & (back >= UNDONE * gains)
    half = len(ends) // 2
    is_still = ends[half:].min() >= (1 - ROOM) * ends[:half].min()
    if undone.mean() < HALF or not is_still or ends.min() <= 0:
        return None
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"{len(starts)} restarts of the learning rate, {int(undone.sum())} of which undid half of their cycle",
        where=f"cycles end at {ends[0]:.4g} first, {ends[half]:.4g} in the middle, {ends[-1]:.4g} at the end",
        why=f"the rate goes back to {np.nanmax(series.values):.3g} each time, and {loss.name} with it: no cycle learns "
        "what the one before had not",
        fix=Fix(
            "fewer and longer cycles, a lower peak, or a single cosine over the whole run", remedies.to_the_end(plan)
        ),
        figures={"restarts": len(starts), "undone": int(undone.sum()), "best_end": float(ends.min())},
        because=("N901", "O601"),
    )


def _starts(rate: Floats) -> Ints:
    """Where a rate that had fallen rises to three times its value at once; a warmup rises, but had not fallen."""
    known = np.where(np.isfinite(rate), rate, 0.0)
    rises = np.flatnonzero((known[1:] >= JUMP * known[:-1]) & (known[:-1] > 0)) + 1
    return np.array([at for at in rises if known[:at].max() >= JUMP * known[at - 1]], np.int64)


def _cycles(loss: Series, rows: Ints) -> list[tuple[float, float]]:
    """First and last level of the loss in each cycle, of those with four values or more."""
    edges = np.searchsorted(loss.rows, [loss.rows[0], *rows.tolist(), loss.rows[-1] + 1])
    parts = [loss.values[start:end] for start, end in pairwise(edges.tolist())]
    parts = [part[np.isfinite(part)] for part in parts]
    return [
        (float(np.median(part[: max(len(part) // 4, 1)])), float(np.median(part[-max(len(part) // 4, 1) :])))
        for part in parts
        if len(part) >= 4
    ]
