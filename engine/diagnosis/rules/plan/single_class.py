"""D101: batches that hold one class. Pure functions of evidence.

The same rule judges batches drawn by the sampler now and batches recorded by a run.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from trainctl.engine.diagnosis import remedies
from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.batches import (
    LEAST_BATCH,
    NUM_NEIGHBOURS,
    Counts,
    class_counts,
    drawn_in_an_epoch,
    source_words,
    split_counts,
    uses_up_small_classes,
)
from trainctl.engine.diagnosis.facts.contrast import compares_pairs, not_collapsed, not_the_positives
from trainctl.engine.diagnosis.facts.data import LabelFacts, SamplerFacts
from trainctl.engine.diagnosis.facts.network import ContrastFacts
from trainctl.engine.diagnosis.facts.plan import PlanFacts
from trainctl.engine.diagnosis.facts.statistics import binomial_tail, shares, single_class_probability
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked

P_CERTAIN, P_SUSPICIOUS, SHARE_SUSPICIOUS = 1e-6, 1e-3, 0.2
Sizes = np.ndarray[Any, np.dtype[np.int64]]
SHUFFLE = "shuffle the samples, or stratify the batches: max(2, B // C) samples of each class"
ROOM = f"shuffle the samples, in batches of {LEAST_BATCH} or more: fewer have no room for a pair of each of two classes"
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

    Costs: a contrastive loss has no negatives and stands at its floor; any other learns one class after the other.
    Do: shuffle, or draw each class into each batch; a split of one class must be split anew.
    Follows from: D103.
    """
    counts = drawn_in_an_epoch(sampler)
    if counts is None or len(counts) == 0:
        return Unchecked(NEEDS_DATA)
    num_batches, num_single = len(counts), int(((counts > 0).sum(1) == 1).sum())
    of_split, sizes = split_counts(labels, counts), counts.sum(1)
    expected = _expected(of_split, sizes)
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
    is_likely = tail < P_CERTAIN or (num_single / num_batches > SHARE_SUSPICIOUS and tail < P_SUSPICIOUS)
    if len(seen) == 1 and (is_likely or _known_classes(labels) < 2):
        return _always_the_same(sampler, seen[0], labels, figures, ruled_out, why, plan)
    if not is_likely:
        return None
    cause, fix = _why_apart(sampler, of_split, size, plan)
    return Hit(
        severity=Severity.ERROR,
        confidence=Confidence.PROVEN if tail < P_CERTAIN else Confidence.LIKELY,
        summary=f"{num_single} of {num_batches} batches hold one class (expected {expected:.1f})",
        where=f"{source_words(sampler)}: batches of {size}, {len(seen)} classes in all{cause}",
        why=why,
        fix=fix,
        figures=figures,
        ruled_out=ruled_out,
        because=("D103",) if uses_up_small_classes(counts, of_split) else (),
    )


def _expected(of_split: tuple[int, ...], sizes: Sizes) -> float:
    """Batches of one class that chance gives. They are mostly of one size: as many terms as there are sizes."""
    chances, of_size = shares(of_split), zip(*np.unique(sizes, return_counts=True), strict=True)
    return math.fsum(int(count) * single_class_probability(chances, int(size)) for size, count in of_size)


def _not_contrast(sampler: SamplerFacts, contrast: ContrastFacts | None) -> tuple[str, ...]:
    """What else makes a contrastive loss stand still, where it was tested and is not it."""
    return () if contrast is None else (*not_collapsed(contrast), *not_the_positives(sampler))


def _known_classes(labels: LabelFacts | None) -> int:
    """Classes that the split is known to have."""
    return sum(1 for count in labels.train.counts if count) if labels else 0


def _why_apart(sampler: SamplerFacts, of_split: tuple[int, ...], size: int, plan: PlanFacts | None) -> tuple[str, Fix]:
    """What keeps the classes apart, as far as the batches tell, and the fix."""
    counts = class_counts(sampler)
    assert counts is not None
    if size < LEAST_BATCH:
        return "", _room(plan)
    if uses_up_small_classes(counts, of_split):
        return (
            "; in those of one class the largest is left alone, the others are used up",
            Fix(
                "repeat the small classes (m samples of each class in every batch), or draw at random",
                remedies.equal_classes(plan, sum(1 for count in of_split if count)),
            ),
        )
    if (counts > 0).sum(1).max() > 1 or _stays_with_a_class(counts, of_split):
        return "", Fix(SHUFFLE, remedies.sampled_anew(plan, "stratified"))
    return (
        "; the class changes from batch to batch",
        Fix("take samples of two or more classes into each batch", remedies.sampled_anew(plan, "stratified")),
    )


def _room(plan: PlanFacts | None) -> Fix:
    return Fix(ROOM, None if plan is None else {"train.batch_size": LEAST_BATCH})


def _stays_with_a_class(counts: Counts, of_split: tuple[int, ...]) -> bool:
    """Whether batches of one class each have that of the batch before far more often than by chance."""
    classes = counts[:NUM_NEIGHBOURS].argmax(1)
    by_chance = math.fsum(share * share for share in shares(of_split))
    return float((classes[1:] == classes[:-1]).mean()) > (1 + by_chance) / 2


def _always_the_same(
    sampler: SamplerFacts,
    name: str,
    labels: LabelFacts | None,
    figures: dict[str, Any],
    ruled_out: tuple[str, ...],
    why: str,
    plan: PlanFacts | None,
) -> Hit:
    """Every batch holds the same one class: the split's fault, the sampler's, or (records alone) either's."""
    num_batches = figures["batches"]
    present = _known_classes(labels)
    num_in_epoch = sampler.batches_per_epoch or 0
    summary = f"all {num_batches} batches hold only {name!r}"
    if labels is None:
        where = f"{source_words(sampler)}: no other class in any of them"
        fix = Fix("diagnose the data: either its training split holds one class, or the sampler draws only one")
    elif present == 1:
        where = "the training split itself holds this one class; the sampler is not to blame"
        fix = Fix(
            "split by class; the sampler alone cannot help: one class cannot be mixed",
            remedies.split_by_class(plan) if _other_classes_in_val(labels, name) else None,
        )
    elif num_in_epoch > num_batches:
        where = f"{source_words(sampler)}: the split holds {present} classes, none of these batches mixes them"
        fix = (
            _room(plan)
            if figures["batch_size"] < LEAST_BATCH
            else Fix(SHUFFLE, remedies.sampled_anew(plan, "stratified"))
        )
    else:
        where = f"{source_words(sampler)}: the split holds {present} classes, the sampler draws one"
        fix = Fix(
            "mend the sampler: each sample of the split must be drawn once an epoch",
            remedies.sampled_anew(plan, "stratified"),
        )
    return Hit(
        severity=Severity.ERROR,
        confidence=Confidence.LIKELY if labels is None else Confidence.PROVEN,
        summary=summary,
        where=where,
        why=why,
        fix=fix,
        figures=figures,
        ruled_out=ruled_out,
        because=("D103",) if present == 1 else (),
    )


def _other_classes_in_val(labels: LabelFacts, name: str) -> bool:
    counts = labels.val.counts if labels.val else ()
    return any(count for other, count in zip(labels.classes, counts, strict=False) if other != name)


def _why_single(batch_size: int, is_contrastive: bool) -> str:
    """What such batches do to the loss that is trained."""
    if is_contrastive:
        floor = f" = {math.log(batch_size - 1):.4f}" if batch_size > 2 else ""
        return f"such a batch has no negatives: the contrastive loss stands at its floor ln(B−1){floor}"
    return "each update pulls every answer to one class: the network learns that one while it forgets the others"
