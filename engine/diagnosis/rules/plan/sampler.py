"""D101, D102, D111, D112: how batches are formed. Pure functions of evidence.

The same rules judge batches drawn by the sampler now and batches recorded by a run.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.contrast import compares_pairs, not_collapsed, not_the_positives
from trainctl.engine.diagnosis.facts.data import DataFacts, LabelFacts, SamplerFacts
from trainctl.engine.diagnosis.facts.network import BatchFacts, ContrastFacts
from trainctl.engine.diagnosis.facts.plan import PlanFacts
from trainctl.engine.diagnosis.facts.run import RecordFacts
from trainctl.engine.diagnosis.facts.statistics import (
    binomial_tail,
    expected_distinct,
    lag_one_correlation,
    shares,
    single_class_probability,
)
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked
from trainctl.engine.runs.states import RunState

Counts = np.ndarray[Any, np.dtype[np.int64]]

P_CERTAIN, P_SUSPICIOUS, SHARE_SUSPICIOUS = 1e-6, 1e-3, 0.2
DIVERSITY = 0.5
ORDERED_CORRELATION, MIN_ORDERED_BATCHES, MIN_DIVERSITY_BATCHES = 0.5, 20, 5
FEW_STEPS, VERY_FEW_STEPS = 200, 20
LEARNED = 0.1
"""Share of its first value by which a loss must be lower for the steps to have been of use."""
NEEDS_DATA = "no class labels of batches"


@rule(
    "D101",
    "single-class batches",
    section="sampler",
    severity=Severity.ERROR,
    precedence=Precedence.SAMPLER,
    cost=Cost.DATA,
    rivals=("D103",),
)
def single_class_batches(
    sampler: SamplerFacts,
    labels: LabelFacts | None = None,
    contrast: ContrastFacts | None = None,
    plan: PlanFacts | None = None,
) -> Answer:
    """More batches of one class than chance explains: P(X ≥ k), X ~ Binomial(n, Σ p_c^B), below 1e-6.

    A share above 20 % counts from 1e-3 on. If the split itself holds one class, this is a consequence of D103.
    """
    counts = _class_counts(sampler)
    if counts is None or len(counts) == 0:
        return Unchecked(NEEDS_DATA)
    single_class = (counts > 0).sum(1) == 1
    num_batches, num_single = len(counts), int(single_class.sum())
    split_counts = _split_counts(labels, counts)
    sizes = counts.sum(1)
    chances = shares(split_counts)
    # Batches of a run are mostly of one size: as many terms as there are sizes, not as there are batches.
    expected = math.fsum(
        int(count) * single_class_probability(chances, int(size))
        for size, count in zip(*np.unique(sizes, return_counts=True), strict=True)
    )
    tail = binomial_tail(num_single, num_batches, expected / num_batches)
    size = int(np.median(sizes))
    figures = {
        "batches": num_batches,
        "single_class_batches": num_single,
        "expected_single_class_batches": expected,
        "p_value": tail,
        "batch_size": size,
    }
    seen = [sampler.classes[index] for index in np.flatnonzero(counts.sum(0))]
    ruled_out = _not_contrast(sampler, contrast)
    why = _why_single(size, compares_pairs(contrast, plan, sampler))
    if num_single == num_batches and len(seen) == 1:
        return _always_the_same(sampler, seen[0], labels, figures, ruled_out, why)
    if tail >= P_CERTAIN and not (num_single / num_batches > SHARE_SUSPICIOUS and tail < P_SUSPICIOUS):
        return None
    return Hit(
        severity=Severity.ERROR,
        confidence=Confidence.PROVEN if tail < P_CERTAIN else Confidence.LIKELY,
        summary=f"{num_single} of {num_batches} batches hold one class (expected {expected:.1f})",
        where=f"{_source(sampler)}: batches of {size}, {len(seen)} classes in all",
        why=why,
        fix=Fix("shuffle the samples, or stratify the batches: max(2, B // C) samples of each class"),
        figures=figures,
        ruled_out=ruled_out,
    )


def _not_contrast(sampler: SamplerFacts, contrast: ContrastFacts | None) -> tuple[str, ...]:
    """What else makes a contrastive loss stand still, where it was tested and is not it."""
    return () if contrast is None else (*not_collapsed(contrast), *not_the_positives(sampler))


def _always_the_same(
    sampler: SamplerFacts,
    name: str,
    labels: LabelFacts | None,
    figures: dict[str, Any],
    ruled_out: tuple[str, ...],
    why: str,
) -> Hit:
    """Every batch holds the same one class: the split's fault, the sampler's, or (records alone) either's."""
    num_batches = figures["batches"]
    present = sum(1 for count in labels.train.counts if count) if labels else 0
    summary = f"all {num_batches} batches hold only {name!r}"
    if labels is None:
        where = f"{_source(sampler)}: no other class in any of them"
        fix = "diagnose the data: either its training split holds one class, or the sampler draws only one"
    elif present == 1:
        where = "the training split itself holds this one class; the sampler is not to blame"
        fix = "split by class; the sampler alone cannot help: one class cannot be mixed"
    else:
        where = f"{_source(sampler)}: the split holds {present} classes, the sampler draws one"
        fix = "mend the sampler: each sample of the split must be drawn once an epoch"
    return Hit(
        severity=Severity.ERROR,
        confidence=Confidence.LIKELY if labels is None else Confidence.PROVEN,
        summary=summary,
        where=where,
        why=why,
        fix=Fix(fix),
        figures=figures,
        ruled_out=ruled_out,
        because=("D103",) if present == 1 else (),
    )


def _why_single(batch_size: int, is_contrastive: bool) -> str:
    """What such batches do to the loss that is trained."""
    if is_contrastive:
        floor = f" = {math.log(batch_size - 1):.4f}" if batch_size > 2 else ""
        return f"such a batch has no negatives: the contrastive loss stands at its floor ln(B−1){floor}"
    return "each update pulls every answer to one class: the network learns that one while it forgets the others"


@rule(
    "D102",
    "ordered or uniform batches",
    section="sampler",
    severity=Severity.WARNING,
    precedence=Precedence.SAMPLER,
    cost=Cost.DATA,
)
def ordered_batches(sampler: SamplerFacts, labels: LabelFacts | None = None) -> Answer:
    """Batches with less than half of the classes that chance gives, or an order that never changes.

    Chance gives Σ 1 − (1 − p_c)^B different classes. Order shows in equal epochs, or in a correlation above .5
    between neighbouring batches of the mean place of their samples within their classes: where the data are sorted by
    class, a place in the whole would say no more than which classes meet, which a stratified sampler decides.
    """
    witnesses: list[str] = []
    figures: dict[str, float | int | str] = {}
    counts = _class_counts(sampler)
    if counts is not None and len(counts) >= MIN_DIVERSITY_BATCHES:
        split_counts = _split_counts(labels, counts)
        distinct = float((counts > 0).sum(1).mean())
        chances, (sizes, repeats) = shares(split_counts), np.unique(counts.sum(1), return_counts=True)
        chance = float(np.average([expected_distinct(chances, int(size)) for size in sizes], weights=repeats))
        figures |= {"classes_per_batch": distinct, "expected_classes_per_batch": chance}
        if distinct < DIVERSITY * chance or (chance > 1.5 and distinct == 1.0):
            witnesses.append(f"{distinct:.1f} classes a batch where chance gives {chance:.1f}")
    if sampler.repeats:
        witnesses.append("every epoch has the same batches in the same order")
    if len(sampler.mean_places) >= MIN_ORDERED_BATCHES:
        correlation = lag_one_correlation(sampler.mean_places)
        figures["index_correlation"] = correlation
        if correlation > ORDERED_CORRELATION:
            witnesses.append(f"neighbouring batches hold neighbouring samples (correlation {correlation:.2f})")
    if not witnesses:
        is_blind = not figures and sampler.repeats is None
        return Unchecked("too few batches, and no order is known") if is_blind else None
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.PROVEN if sampler.repeats or len(witnesses) > 1 else Confidence.LIKELY,
        summary=witnesses[0],
        where="; ".join([_source(sampler), *witnesses[1:]]),
        why="neighbouring updates then pull the same way, and the loss swings with the order of the data",
        fix=Fix("draw a fresh random order each epoch; with buckets, shuffle the buckets"),
        figures=figures,
        because=("D101", "D103"),
    )


@rule(
    "D111",
    "degenerate last batch",
    section="sampler",
    severity=Severity.INFO,
    precedence=Precedence.SAMPLER,
    cost=Cost.DATA,
)
def degenerate_last_batch(sampler: SamplerFacts, batch: BatchFacts | None = None) -> Answer:
    """A last batch of one sample on which the network fails (error), or of less than B/8 samples."""
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
        where=f"{_source(sampler)}: {sampler.batches_per_epoch} batches an epoch",
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
    fewer than 20 steps. So it is for a run cut short on purpose with `train.max_steps`.
    """
    size = plan.batch_size
    num_batches = _batches_per_epoch(plan, data, sampler)
    if num_batches is None:
        return Unchecked("the number of batches in an epoch is not known")
    if num_batches == 0:
        return _no_batch(data.train.num_samples if data else 0, size)
    steps = plan.epochs * math.ceil(num_batches / plan.accumulation)
    total = steps if plan.max_steps is None else min(plan.max_steps, steps)
    is_cut = total < steps
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
    epochs = math.ceil(FEW_STEPS / math.ceil(num_batches / plan.accumulation))
    is_proven = bool(course) or total < VERY_FEW_STEPS
    return Hit(
        severity=Severity.WARNING if is_proven and not is_cut else Severity.INFO,
        confidence=Confidence.LIKELY,
        summary=f"the whole run makes {total} optimiser steps",
        where=f"train: {num_batches} batches of {size} an epoch, {plan.epochs} epochs" + course,
        why="few networks learn from random weights in less than about 200 updates",
        fix=Fix("smaller batches or more epochs", None if is_cut else {"train.epochs": epochs}),
        figures=figures,
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


def _batches_per_epoch(plan: PlanFacts, data: DataFacts | None, sampler: SamplerFacts | None) -> int | None:
    if sampler is not None and sampler.batches_per_epoch is not None:
        return sampler.batches_per_epoch
    if data is None:
        return None
    whole, rest = divmod(data.train.num_samples, plan.batch_size)
    return whole + (1 if rest and not plan.drop_last else 0)


def _no_batch(num_samples: int, size: int) -> Hit:
    return Hit(
        severity=Severity.ERROR,
        confidence=Confidence.PROVEN,
        summary=f"no batch at all: {num_samples:,} training samples, batches of {size}",
        where="train: the incomplete batch is left out (train.drop_last)",
        why="an epoch without a batch trains nothing",
        fix=Fix("smaller batches", {"train.batch_size": max(1, num_samples // 8)}),
        figures={"steps": 0, "samples": num_samples, "batch_size": size},
    )


def _class_counts(sampler: SamplerFacts) -> Counts | None:
    """Class counts of the batches that could hold more than one class."""
    if sampler.counts is None or sampler.counts.shape[1] < 2:
        return None
    return sampler.counts[sampler.counts.sum(1) > 1]


def _split_counts(labels: LabelFacts | None, counts: Counts) -> tuple[int, ...]:
    """Class counts of the split; where they are unknown, of all batches together."""
    if labels is not None and sum(labels.train.counts):
        return labels.train.counts
    return tuple(int(count) for count in counts.sum(0))


def _source(sampler: SamplerFacts) -> str:
    count = len(sampler.sizes)
    return f"recorded batches of {count} steps" if sampler.source == "records" else f"first {count} batches"
