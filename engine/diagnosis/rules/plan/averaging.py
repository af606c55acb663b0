"""S1101, E1003: averages that still hold what the training began with, of weights and of statistics. Pure functions."""

from __future__ import annotations

import math

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.data import DataFacts, SamplerFacts
from trainctl.engine.diagnosis.facts.length import batches_per_epoch, planned_steps
from trainctl.engine.diagnosis.facts.network import BatchFacts
from trainctl.engine.diagnosis.facts.plan import PlanFacts
from trainctl.engine.diagnosis.facts.run import MonitorFacts, RecordFacts
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked

LEFT = math.exp(-3)
"""Share of the initial weights in the average above which it is of them: three times 1/(1−d) steps."""
VALIDATIONS = 3
NORM, STALE, MANY = "batch norm", 0.25, 50
"""Share of their beginning in statistics that makes them useless; and batches that no short look has."""
DRAWN = 0.5
"""Share of the weights that must have been drawn at random: loaded ones are worth keeping in an average."""


@rule(
    "S1101",
    "average too slow",
    section="evaluation",
    severity=Severity.WARNING,
    precedence=Precedence.MECHANICS,
    cost=Cost.BATCH,
)
def average_too_slow(
    plan: PlanFacts,
    batch: BatchFacts | None = None,
    monitor: MonitorFacts | None = None,
    sampler: SamplerFacts | None = None,
    data: DataFacts | None = None,
    records: RecordFacts | None = None,
) -> Answer:
    """An average with decay d, without a ramp, that after all N updates holds d^N > e^−3 = .05 of the initial weights.

    Before training: where most weights were drawn at random. Of a run: where the averaged weights were worse than the
    raw ones in each of the newest three validations, by more than those differ from each other.

    Costs: what is validated, and may be kept as the best, is half the random initialisation: it learns nothing for
    most of the run.
    Do: a ramp, min(d, (1+t)/(10+t)), or a decay of which 1/(1−d) is a hundredth to a twentieth of the steps.
    Follows from: N901.
    """
    decay = plan.ema_decay
    if decay is None or plan.ema_ramp:
        return None
    num_batches = batches_per_epoch(plan, data, sampler)
    if not num_batches:
        return Unchecked("the number of batches in an epoch is not known, or there is none")
    updates, (total, _) = math.ceil(num_batches / plan.accumulation), planned_steps(plan, num_batches)
    left = decay**total
    if left <= LEFT:
        return None
    if records is None:
        drawn = math.nan if batch is None else _drawn_share(batch)
        if math.isnan(drawn):
            return Unchecked("it cannot be told whether the weights were drawn at random or loaded")
        return _hit(decay, total, left, updates, "") if drawn > DRAWN else None
    if monitor is None or len(monitor.averaged) < VALIDATIONS:
        return Unchecked(f"needs {VALIDATIONS} validations of the averaged weights")
    lag = _lag(monitor)
    return _hit(decay, total, left, updates, lag) if lag else None


def _drawn_share(batch: BatchFacts) -> float:
    """Share of the matrices and kernels, by size, that were drawn rather than loaded; NaN: nobody can tell."""
    known = [one for one in batch.parameters if len(one.shape) > 1 and one.is_loaded is not None]
    total = sum(one.numel for one in known)
    return sum(one.numel for one in known if not one.is_loaded) / total if total else math.nan


def _lag(monitor: MonitorFacts) -> str:
    """How far the averaged weights lie behind the raw ones, in words; empty: they do not, or nothing tells."""
    raw, averaged = monitor.raw[-VALIDATIONS:], monitor.averaged[-VALIDATIONS:]
    sign = 1.0 if monitor.is_rising else -1.0
    spread = max(raw) - min(raw)
    is_behind = all(math.isfinite(one) for one in raw) and all(
        not math.isfinite(mean) or sign * (one - mean) > spread for one, mean in zip(raw, averaged, strict=True)
    )
    return f"{monitor.metric} {averaged[-1]:.4g} averaged, {raw[-1]:.4g} raw" if is_behind else ""


def _hit(decay: float, total: int, left: float, updates: int, lag: str) -> Hit:
    early = decay ** (5 * updates)
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.PROVEN,
        summary=f"after all {total:,} updates the average is {left:.0%} initial weights" + (f"; {lag}" if lag else ""),
        where=f"ema.decay={decay:g} without a ramp; {updates} updates an epoch",
        why=f"d^N = {decay:g}^{total:,} = {left:.2g}; after five epochs {early:.0%}: such a mean of random and trained "
        "weights answers like neither",
        fix=Fix(
            f"let it forget its beginning (ema.ramp), or a decay below {math.exp(-3 / total):.4g}", {"ema.ramp": True}
        ),
        figures={"left": left, "decay": decay, "steps": total, "left_after_five_epochs": early},
        because=("N901",),
    )


@rule(
    "E1003",
    "statistics of BatchNorm too slow",
    section="evaluation",
    severity=Severity.WARNING,
    precedence=Precedence.MECHANICS,
    cost=Cost.BATCH,
)
def statistics_too_slow(
    plan: PlanFacts, batch: BatchFacts, sampler: SamplerFacts | None = None, data: DataFacts | None = None
) -> Answer:
    """A BatchNorm in training mode with momentum m, whose statistics after all N batches, 50 or more, still hold
    (1 − m)^N > .25 of the mean 0 and variance 1 that it began with.

    Loaded statistics are worth keeping; a run cut short with train.max_steps is left alone.

    Costs: training normalises by each batch, validation and use by statistics of nothing: they see another network.
    Do: a momentum of .1, or a larger one in a short training.
    """
    layers, num_batches = batch.layers, batches_per_epoch(plan, data, sampler)
    if layers is None or not num_batches:
        return Unchecked(
            "nothing looked on while the step was made" if layers is None else "the batches of an epoch are not known"
        )
    running = [mode for mode in layers.modes if mode.kind == NORM and True in mode.in_training]
    norms = [mode for mode in running if mode.is_fresh]
    if not norms or planned_steps(plan, num_batches)[1]:
        return None if running else Unchecked("no BatchNorm with statistics of its own was seen in training")
    slowest, total = min(norms, key=lambda mode: mode.momentum), plan.epochs * num_batches
    left = (1 - slowest.momentum) ** total
    if not left > STALE or total < MANY:
        return None
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.PROVEN,
        summary=f"after all {total:,} batches the statistics of {slowest.name} are {left:.0%} those of its beginning",
        where=f"momentum {slowest.momentum:g} of {len(norms)} BatchNorm layers; mean 0 and variance 1 at first",
        why="training normalises by each batch, validation by these: what it sees is another network",
        fix=Fix("a momentum of .1"),
        figures={"left": left, "momentum": slowest.momentum, "batches": total},
    )
