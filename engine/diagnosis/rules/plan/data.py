"""D103–D107: faults of the data itself, whatever network is trained on it. Pure functions of evidence."""

from __future__ import annotations

import math

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.contrast import compares_pairs, not_collapsed, not_the_positives, not_the_sampler
from trainctl.engine.diagnosis.facts.data import (
    DataFacts,
    GroupFacts,
    LabelFacts,
    LeakFacts,
    OverlapFacts,
    SamplerFacts,
)
from trainctl.engine.diagnosis.facts.network import ContrastFacts
from trainctl.engine.diagnosis.facts.plan import PlanFacts
from trainctl.engine.diagnosis.facts.statistics import shares, single_class_probability
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked

MAJORITY_SHARE = 0.9
EXTREME_RATIO, NOTABLE_RATIO = 50, 10
LEAK_SHARE = 0.001
NEAR_SHARE, GRAVE_NEAR_SHARE = 0.01, 0.1


@rule(
    "D103",
    "class imbalance",
    section="labels",
    severity=Severity.WARNING,
    precedence=Precedence.DATA,
    cost=Cost.DATA,
)
def class_imbalance(
    labels: LabelFacts,
    sampler: SamplerFacts | None = None,
    plan: PlanFacts | None = None,
    contrast: ContrastFacts | None = None,
) -> Answer:
    """One class (error), a class without samples, or a majority that hides the others.

    Thresholds: majority ≥ 90 % or largest/smallest ≥ 50 warn unless the sampler, class weights or a focal loss
    answer it; ≥ 10 informs.
    """
    counts = labels.train.counts
    if len(counts) < 2:
        return Unchecked("the data has one class by design")
    present = [labels.classes[index] for index, count in enumerate(counts) if count]
    if not present:
        return Unchecked("no label of the training split is valid, see L203")
    if len(present) == 1:
        return _one_class(labels, present[0], sampler, contrast, compares_pairs(contrast, plan, sampler))
    absent = [name for name in labels.classes if name not in present]
    if absent:
        return _absent_classes(labels, absent)
    majority = max(shares(counts))
    ratio = max(counts) / min(counts)
    if ratio < NOTABLE_RATIO:
        return None
    answers = [*(plan.balancing if plan else ()), *_balancing_sampler(counts, sampler)]
    is_extreme = (majority >= MAJORITY_SHARE or ratio >= EXTREME_RATIO) and not answers
    size = sampler.batch_size if sampler else 0
    chance = single_class_probability(shares(counts), size) if size else 0.0
    answered = f"; answered by {', '.join(answers)}" if answers else ""
    single = f"; by chance alone {chance:.0%} of batches of {size} hold one class" if chance > 0.01 else ""
    return Hit(
        severity=Severity.WARNING if is_extreme else Severity.INFO,
        confidence=Confidence.PROVEN,
        summary=f"the largest class has {majority:.1%} of the samples, {ratio:.0f} times the smallest",
        where=f"train: {_counted(labels)}",
        why=f"always answering with the largest class is {majority:.1%} accurate{single}{answered}",
        fix=Fix(_evened_out(compares_pairs(contrast, plan, sampler))),
        figures={"majority_share": majority, "ratio": ratio, "single_class_batch_probability": chance},
    )


def _evened_out(is_contrastive: bool) -> str:
    """What answers unequal classes under the loss that is trained."""
    sampled = (
        "sample them equally" if not is_contrastive else "sample the classes equally (batches with several of each)"
    )
    weighted = "" if is_contrastive else "weight the classes in the loss by N/(C·n_c), or "
    return f"{weighted}{sampled}; judge by macro-F1, not by accuracy"


def _one_class(
    labels: LabelFacts,
    name: str,
    sampler: SamplerFacts | None,
    contrast: ContrastFacts | None,
    is_contrastive: bool,
) -> Hit:
    counts = labels.train.counts
    val = labels.val.counts if labels.val else ()
    strangers = [other for other, count in zip(labels.classes, val, strict=False) if count and other != name]
    held_out = (
        f"; val: {len(strangers)} class{'es' if len(strangers) > 1 else ''} never trained ({_few(strangers)})"
        if strangers
        else ""
    )
    size = contrast.batch_size if contrast else sampler.batch_size if sampler else 0
    ruled_out = not_the_sampler(labels, sampler)
    if contrast is not None:
        ruled_out += [*not_the_positives(sampler), *not_collapsed(contrast)]
    return Hit(
        severity=Severity.ERROR,
        confidence=Confidence.PROVEN,
        summary=f"one class in the split: all {sum(counts):,} training labels are {name!r}",
        where=f"train: {name} {sum(counts):,}, {len(counts) - 1} classes without a sample{held_out}",
        why="with one class there is nothing to tell apart" + _what_becomes_of_the_loss(is_contrastive, size),
        fix=Fix(
            "split the data anew, by class; a sampler alone cannot help: one class cannot be mixed",
        ),
        figures={
            "classes_present": 1,
            "classes_named": len(counts),
            "samples": sum(counts),
            "val_classes_never_trained": len(strangers),
        },
        ruled_out=tuple(ruled_out),
    )


def _what_becomes_of_the_loss(is_contrastive: bool, size: int) -> str:
    """Of the loss that is trained."""
    if not is_contrastive:
        return ": always answering it is right every time, and the loss falls without anything being learned"
    stands = f"ln({size}−1) = {math.log(size - 1):.4f}" if size > 1 else "ln(B−1)"
    return f": the contrastive loss has no negatives and stands at {stands} whatever the learning rate"


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _absent_classes(labels: LabelFacts, absent: list[str]) -> Hit:
    num_classes = len(labels.classes)
    named = ", ".join(absent[:5]) + (", ..." if len(absent) > 5 else "")
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.PROVEN,
        summary=f"{len(absent)} of {num_classes} classes have no training sample: {named}",
        where=f"train: {_counted(labels)}",
        why="what is never seen in training is never predicted",
        fix=Fix("split the data by class, so that each class is on both sides"),
        figures={"classes_absent": len(absent), "classes_named": num_classes},
    )


def _balancing_sampler(counts: tuple[int, ...], sampler: SamplerFacts | None) -> list[str]:
    """A sampler whose batches have less than half the imbalance of the split is meant to balance."""
    if sampler is None or sampler.counts is None or not len(sampler.counts):
        return []
    drawn = sampler.counts.sum(0)
    is_balanced = drawn.min() > 0 and drawn.max() / drawn.min() < 0.5 * max(counts) / min(counts)
    return ["the sampler"] if is_balanced else []


def _counted(labels: LabelFacts) -> str:
    """`open 990, closed 10`; at most six classes, the largest first."""
    counts = labels.train.counts
    order = sorted(range(len(counts)), key=lambda index: -counts[index])
    shown = ", ".join(f"{labels.classes[index]} {counts[index]:,}" for index in order[:6])
    return shown + (", ..." if len(order) > 6 else "")


@rule(
    "D104",
    "training samples in validation",
    section="data",
    severity=Severity.ERROR,
    precedence=Precedence.DATA,
    cost=Cost.DATA,
)
def train_val_leak(overlap: OverlapFacts) -> Answer:
    """Exact copies of training samples in more than 0.1 % of the validation split, or near-duplicates in more than 1 %.

    Where inputs repeat within the training split as often (few distinct values by nature), it is only likely. So is a
    near-duplicate: frames of one video and re-encoded files, seldom two pictures that are alike by chance.
    """
    leak = overlap.leak
    if leak is None:
        return Unchecked(overlap.leak_missing or "samples were not compared")
    hits = [hit for hit in (_copied(leak), _near_leak(leak)) if hit is not None]
    return min(hits, key=lambda hit: tuple(Severity).index(hit.severity), default=None)


def _copied(leak: LeakFacts) -> Hit | None:
    if leak.num_shared <= LEAK_SHARE * leak.num_val:
        return None
    share = leak.num_shared / leak.num_val
    by_nature = leak.train_repeat_share >= share / 2
    example = f", e.g. {leak.example[0]} = {leak.example[1]}" if leak.example else ""
    repeats = f"; {leak.train_repeat_share:.1%} of the training samples repeat too" if by_nature else ""
    near = leak.num_near or 0
    if near > leak.num_shared:
        repeats += f"; with near-duplicates {near:,} ({near / leak.num_val:.1%})"
    return Hit(
        severity=Severity.WARNING if by_nature else Severity.ERROR,
        confidence=Confidence.LIKELY if by_nature else Confidence.PROVEN,
        summary=f"{leak.num_shared:,} of {leak.num_val:,} validation samples are also in training ({share:.1%})",
        where=f"byte for byte{example}{repeats}",
        why="validation then measures what was learnt by heart, and the best checkpoint is chosen by it",
        fix=Fix("remove the copies: keep each sample once"),
        figures={
            "shared": leak.num_shared,
            "share_of_val": share,
            "train_repeat_share": leak.train_repeat_share,
            "near": near,
        },
    )


def _near_leak(leak: LeakFacts) -> Hit | None:
    num_near = leak.num_near or 0
    if num_near <= NEAR_SHARE * leak.num_val:
        return None
    share = num_near / leak.num_val
    example = f", e.g. {leak.near_example[0]} and {leak.near_example[1]}" if leak.near_example else ""
    return Hit(
        severity=Severity.ERROR if share >= GRAVE_NEAR_SHARE else Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"{num_near:,} of {leak.num_val:,} validation samples have a near-duplicate in training ({share:.1%})",
        where=f"by the correlation of their thumbnails{example}",
        why="frames of one film or pictures of one person are on both sides: validation then measures what was learnt "
        "by heart, and the best checkpoint is chosen by it",
        fix=Fix("keep what belongs together on one side: --group-by with a pattern or a column (data.group_by)"),
        figures={"near": num_near, "share_of_val": share, "shared": leak.num_shared},
    )


@rule(
    "D105",
    "groups on both sides of the split",
    section="data",
    severity=Severity.ERROR,
    precedence=Precedence.DATA,
    cost=Cost.DATA,
)
def group_leak(overlap: OverlapFacts) -> Answer:
    """A person, photo or recording in training and in validation."""
    groups = overlap.groups
    if groups is None:
        return Unchecked("the data names no groups (person, photo, recording)")
    if not groups.num_shared:
        return None
    named = ", ".join(groups.shared) + (", ..." if groups.num_shared > len(groups.shared) else "")
    return Hit(
        severity=Severity.ERROR,
        confidence=Confidence.PROVEN,
        summary=f"{groups.num_shared:,} of {groups.num_val:,} groups in validation are also in training",
        where=f"{named}; {groups.num_val_samples:,} of {overlap.num_val:,} validation samples",
        why="the network can recognise the person or recording instead of what it should learn: good here, "
        "poor in the field",
        fix=_by_group(groups),
        figures={"shared_groups": groups.num_shared, "val_samples": groups.num_val_samples},
    )


def _by_group(groups: GroupFacts) -> Fix:
    if not groups.fix:
        return Fix("split by group (scikit-learn: GroupShuffleSplit), so that each is on one side only")
    options = " ".join(f"{path}={value}" for path, value in groups.fix.items())
    return Fix(f"make the split anew with each of them on one side only: {options}", groups.fix)


@rule(
    "D107",
    "values that are not finite in the data",
    section="data",
    severity=Severity.ERROR,
    precedence=Precedence.DATA,
    cost=Cost.DATA,
)
def nonfinite_data(data: DataFacts) -> Answer:
    """NaN or infinity in any tensor of any split; names the first sample."""
    if not any(split.tensors for split in data.splits):
        return Unchecked(data.missing or "the data has no tensors")
    places = [place for split in data.splits for place in split.nonfinite]
    if not places:
        return None
    total = sum(place.num_samples for place in places)
    return Hit(
        severity=Severity.ERROR,
        confidence=Confidence.PROVEN,
        summary=f"{total:,} sample{'s' if total > 1 else ''} with NaN or infinite values",
        where="; ".join(str(place) for place in places[:3]) + ("; ..." if len(places) > 3 else ""),
        why="one such value makes the loss of its batch NaN, and with the next update every weight",
        fix=Fix("repair or leave out these samples; if NaN marks what is missing, mask it before the loss"),
        figures={"samples": total, "first_index": places[0].sample, "first_split": places[0].split},
    )
