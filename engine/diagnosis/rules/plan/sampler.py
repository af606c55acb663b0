"""D102, D111, D112, D113: in what order batches come, and how many. Pure functions of evidence.

The same rules judge batches drawn by the sampler now and batches recorded by a run.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from trainctl.engine.data.samplers.short_epochs import short_epoch
from trainctl.engine.diagnosis import remedies
from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.batches import (
    LEAST_BATCH,
    class_counts,
    drawn_by_design,
    source_words,
    split_counts,
)
from trainctl.engine.diagnosis.facts.data import DataFacts, LabelFacts, SamplerFacts
from trainctl.engine.diagnosis.facts.length import batches_per_epoch, planned_steps
from trainctl.engine.diagnosis.facts.network import BatchFacts
from trainctl.engine.diagnosis.facts.plan import PlanFacts
from trainctl.engine.diagnosis.facts.run import RecordFacts
from trainctl.engine.diagnosis.facts.statistics import expected_distinct, lag_one_correlation, shares
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked
from trainctl.engine.runs.states import RunState

DIVERSITY = 0.5
ORDERED_CORRELATION, MIN_ORDERED_BATCHES, MIN_DIVERSITY_BATCHES = 0.5, 20, 5
ORDERED_DEVIATIONS = 3.5
"""A correlation of n batches drawn at random has the deviation 1/√n: of 20 of them .5 is not rare enough."""
MOSTLY_DRAWN = 0.5
FEW_STEPS, ACCUMULATED_STEPS, VERY_FEW_STEPS = 200, 100, 20
LEARNED = 0.1
"""Share of its first value by which a loss must be lower for the steps to have been of use."""


@rule(
    "D102",
    "ordered or uniform batches",
    section="sampler",
    severity=Severity.WARNING,
    precedence=Precedence.SAMPLER,
    cost=Cost.DATA,
)
def ordered_batches(sampler: SamplerFacts, labels: LabelFacts | None = None, plan: PlanFacts | None = None) -> Answer:
    """Batches with less than half of the classes that chance gives, or an order that never changes.

    Chance gives Σ 1 − (1 − p_c)^B different classes. Order shows in equal epochs, or in a correlation above .5
    (or 3.5 deviations) between neighbouring batches of the mean place of their samples within their classes: where the
    data are sorted by class, a place in the whole would say no more than which classes meet, which a stratified sampler
    decides. Few classes with equally many samples each are what a sampler of pairs is for, and no fault. Equal epochs
    are information where they draw more than half of the samples, and neither places nor targets (of a number a sample)
    follow an order: they do little harm.

    Costs: the network follows the order: the loss swings with it, and the last batches weigh most.
    Do: a fresh random order each epoch; with buckets, shuffle the buckets.
    Follows from: D101, D103.
    """
    witnesses: list[str] = []
    figures: dict[str, float | int | str] = {}
    counts = class_counts(sampler)
    if counts is not None and len(counts) >= MIN_DIVERSITY_BATCHES:
        distinct, chance = _diversity(counts, split_counts(labels, counts))
        figures |= {"classes_per_batch": distinct, "expected_classes_per_batch": chance}
        is_poor = distinct < DIVERSITY * chance or (chance > 1.5 and distinct == 1.0)
        if is_poor and not drawn_by_design(counts):
            witnesses.append(f"{distinct:.1f} classes a batch where chance gives {chance:.1f}")
    if sampler.repeats:
        witnesses.append("every epoch has the same batches in the same order")
    if len(sampler.mean_places) >= MIN_ORDERED_BATCHES:
        correlation = lag_one_correlation(sampler.mean_places)
        figures["index_correlation"] = correlation
        if correlation > max(ORDERED_CORRELATION, ORDERED_DEVIATIONS / math.sqrt(len(sampler.mean_places))):
            witnesses.append(f"neighbouring batches hold neighbouring samples (correlation {correlation:.2f})")
    if not witnesses:
        is_blind = not figures and sampler.repeats is None
        return Unchecked("too few batches, and no order is known") if is_blind else None
    return Hit(
        severity=Severity.INFO if len(witnesses) == 1 and _is_mixed(sampler) else Severity.WARNING,
        confidence=Confidence.PROVEN if sampler.repeats or len(witnesses) > 1 else Confidence.LIKELY,
        summary=witnesses[0],
        where="; ".join([source_words(sampler), *witnesses[1:]]),
        why="neighbouring updates then pull the same way, and the loss swings with the order of the data",
        fix=Fix(
            "draw a fresh random order each epoch; with buckets, shuffle the buckets",
            remedies.sampled_anew(plan, "random") or remedies.sampled_anew(plan, "stratified"),
        ),
        figures=figures,
        because=("D101", "D103"),
    )


def _diversity(counts: np.ndarray[Any, np.dtype[np.int64]], of_split: Sequence[int]) -> tuple[float, float]:
    """Different classes in a batch, and how many chance would give; both means."""
    chances, (sizes, repeats) = shares(of_split), np.unique(counts.sum(1), return_counts=True)
    chance = np.average([expected_distinct(chances, int(size)) for size in sizes], weights=repeats)
    return float((counts > 0).sum(1).mean()), float(chance)


def _is_mixed(sampler: SamplerFacts) -> bool:
    """Whether epochs that are all the same draw most samples, in no order of what they are."""
    means = [sampler.mean_places, *sampler.mean_targets.values()]
    told = [of for of in means if len(of) >= MIN_DIVERSITY_BATCHES and np.isfinite(of).all()]
    orders = [
        lag_one_correlation(of) > max(ORDERED_CORRELATION, ORDERED_DEVIATIONS / math.sqrt(len(of))) for of in told
    ]
    return bool(sampler.repeats) and sampler.drawn > MOSTLY_DRAWN and len(told) == len(means) and not any(orders)


@rule(
    "D111",
    "degenerate last batch",
    section="sampler",
    severity=Severity.INFO,
    precedence=Precedence.SAMPLER,
    cost=Cost.BATCH,
)
def degenerate_last_batch(sampler: SamplerFacts, batch: BatchFacts | None = None) -> Answer:
    """A last batch of one sample on which the network fails (error), or of less than B/8 samples.

    Costs: its update counts as much as any other and is far noisier; BatchNorm fails on one sample.
    Do: leave out the incomplete batch (train.drop_last).
    """
    last, size = sampler.last_size, sampler.batch_size
    if last is None:
        return Unchecked("the last batch of an epoch is not known")
    fails = batch.fails_on_one if batch else None
    if size < 2 or (last >= size / 8 and last > 1) or (last == 1 and size < 8 and not fails):
        return None
    if last == 1 and fails:
        severity, why = Severity.ERROR, f"on a single sample the network fails: {fails}"
    else:
        severity, why = Severity.INFO, f"its update counts as much as one of {size} and is far noisier"
    return Hit(
        severity=severity,
        confidence=Confidence.PROVEN,
        summary=f"the last batch of an epoch has {last} of {size} samples",
        where=f"{source_words(sampler)}: {sampler.batches_per_epoch} batches an epoch",
        why=why,
        fix=Fix("leave out the incomplete batch", {"train.drop_last": True}),
        figures={"last_size": last, "batch_size": size},
    )


@rule(
    "D112",
    "too few steps",
    section="sampler",
    severity=Severity.WARNING,
    # The last to be blamed: how many steps are enough nobody knows who has not excluded the rest.
    precedence=Precedence.CAPACITY,
    cost=Cost.DATA,
)
def too_few_steps(
    plan: PlanFacts,
    data: DataFacts | None = None,
    sampler: SamplerFacts | None = None,
    records: RecordFacts | None = None,
) -> Answer:
    """No whole step in an epoch (error), or fewer than 200 optimiser steps in the whole run.

    Whether those were too few the loss says: a run in which it fell by a tenth has learned, one that goes on or made
    fewer than 20 steps says nothing, any other is a warning. Before there is a loss it is only an information, but for
    fewer than 20 steps, or where accumulation alone makes fewer than 100 of more than 200. So it is for a run cut short
    on purpose with `train.max_steps`.

    Costs: nothing is learned, whatever the learning rate.
    Do: smaller batches, less accumulation or more epochs.
    """
    size = plan.batch_size
    num_batches = batches_per_epoch(plan, data, sampler)
    if num_batches is None:
        return Unchecked("the number of batches in an epoch is not known")
    if plan.epochs < 1:
        return Unchecked("how long the training goes on is not known")
    if num_batches == 0:
        return _no_batch(data.train.num_samples if data else 0, size)
    total, is_cut = planned_steps(plan, num_batches)
    figures = {"steps": total, "batches_per_epoch": num_batches, "batch_size": size}
    if num_batches < plan.accumulation:
        return _no_whole_update(plan, num_batches, figures)
    if total >= FEW_STEPS:
        return None
    if records is not None and _has_learned(records):
        return None
    unclear = "" if records is None else _too_short_to_judge(records)
    if unclear:
        return Unchecked(unclear)
    course = "" if records is None else f"; the loss went from {records.first_loss:.4g} to {records.recent_loss:.4g}"
    accumulated = f"; {plan.accumulation} batches a step" if plan.accumulation > 1 else ""
    is_accumulated = plan.accumulation > 1 and total < ACCUMULATED_STEPS and total * plan.accumulation >= FEW_STEPS
    is_proven = bool(course) or total < VERY_FEW_STEPS or is_accumulated
    return Hit(
        severity=Severity.WARNING if is_proven and not is_cut else Severity.INFO,
        confidence=Confidence.LIKELY,
        summary=f"the whole run makes {total} optimiser steps",
        where=f"train: {num_batches} batches of {size} an epoch, {plan.epochs} epochs" + (accumulated + course),
        why="few networks learn from random weights in less than about 200 updates",
        fix=_less_accumulation(plan, total) if is_accumulated else _longer(plan, num_batches, is_cut),
        figures=figures,
    )


def _less_accumulation(plan: PlanFacts, total: int) -> Fix:
    return Fix("less accumulation", {"train.accumulation": max(1, total * plan.accumulation // FEW_STEPS // 2)})


def _longer(plan: PlanFacts, num_batches: int, is_cut: bool) -> Fix:
    epochs = math.ceil(FEW_STEPS / math.ceil(num_batches / plan.accumulation))
    return Fix("smaller batches or more epochs", None if is_cut else {"train.epochs": epochs})


@rule(
    "D113",
    "short epochs",
    section="sampler",
    severity=Severity.INFO,
    precedence=Precedence.CAPACITY,
    cost=Cost.DATA,
)
def short_epochs(plan: PlanFacts, data: DataFacts, sampler: SamplerFacts | None = None) -> Answer:
    """Fewer than 20 optimiser steps in an epoch where smaller batches would give more, or 5 % of the samples left out.

    Worth knowing, no fault: whole passes add up, and a fresh order leaves out other samples in each. Where the order
    never changes, those that are left out are never learned from: a warning. A run too short as a whole is D112's.

    Costs: few updates for each pass over the data; what is always left out is never learned from.
    Do: smaller batches, and a fresh order in each epoch.
    """
    num_samples, num_batches = data.train.num_samples, batches_per_epoch(plan, data, sampler)
    if num_batches is None:
        return Unchecked("the number of batches in an epoch is not known")
    found = short_epoch(num_samples, num_batches, plan.batch_size, plan.accumulation, drop_last=plan.drop_last)
    if found is None or planned_steps(plan, num_batches)[0] < FEW_STEPS:
        return None
    repeats = sampler.repeats if sampler is not None else None
    is_lost = bool(found.left_out and repeats)
    why = "warmup, plateau and validation are counted in epochs, and move as rarely as the epochs are short"
    if found.left_out:
        why = "every epoch leaves out the same samples: nothing is learned from them" if is_lost else why
    return Hit(
        severity=Severity.WARNING if is_lost else Severity.INFO,
        confidence=Confidence.PROVEN,
        summary=found.words(are_others=repeats is False),
        where=f"train: {num_batches} batches an epoch, {plan.epochs} epochs",
        why=why,
        fix=Fix(found.advice or "another batch size", {"train.batch_size": found.advised} if found.advised else None),
        figures={"steps": found.steps, "left_out": found.left_out, "batch_size": plan.batch_size},
    )


def _no_whole_update(plan: PlanFacts, num_batches: int, figures: dict[str, int]) -> Hit:
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.PROVEN,
        summary=f"an epoch has {num_batches} batches, fewer than the {plan.accumulation} of one update",
        where=f"train: {num_batches} batches of {plan.batch_size} an epoch",
        why="each epoch makes one update from an incomplete accumulation",
        fix=Fix("accumulate less", {"train.accumulation": num_batches}),
        figures=figures,
    )


def _has_learned(records: RecordFacts) -> bool:
    return records.first_loss - records.recent_loss >= LEARNED * abs(records.first_loss) > 0


def _too_short_to_judge(records: RecordFacts) -> str:
    """Why a loss that did not fall says nothing of the number of steps; empty: it does."""
    if not (math.isfinite(records.first_loss) and math.isfinite(records.recent_loss)):
        return "the loss is not finite"
    if records.num_steps < VERY_FEW_STEPS:
        return f"{records.num_steps} steps are too few to say whether more would help"
    return "" if RunState(records.state).is_over else "the run is not over"


def _no_batch(num_samples: int, size: int) -> Hit:
    return Hit(
        severity=Severity.ERROR,
        confidence=Confidence.PROVEN,
        summary=f"no batch at all: {num_samples:,} training samples, batches of {size}",
        where="train: the incomplete batch is left out (train.drop_last)",
        why="an epoch without a batch trains nothing",
        fix=Fix("smaller batches", {"train.batch_size": max(min(num_samples, LEAST_BATCH), num_samples // 8)}),
        figures={"steps": 0, "samples": num_samples, "batch_size": size},
    )
