"""D103–D107: faults of the data itself, whatever network is trained on it. Pure functions of evidence."""

from __future__ import annotations

import math

import numpy as np

from trainctl.engine.diagnosis import remedies
from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.batches import drawn_in_an_epoch
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
from trainctl.engine.diagnosis.facts.statistics import binomial_tail, shares, single_class_probability
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked

MAJORITY_SHARE = 0.9
EXTREME_RATIO, NOTABLE_RATIO = 50, 10
P_BALANCED = 1e-6
"""Chance below which so many samples of the rarest class were not drawn at random."""
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
    answer it; ≥ 10 informs. A class that training lacks is a warning where validation asks for it, and only worth
    knowing where nobody does: a list of classes may be longer than the data.

    Costs: the majority alone gives a good accuracy, and small classes are never predicted.
    Do: split by class; class weights, a weighted sampler or a focal loss; a balanced metric.
    """
    counts = labels.train.counts
    is_contrastive = compares_pairs(contrast, plan, sampler)
    present = [labels.classes[index] for index, count in enumerate(counts) if count]
    if len(counts) < 2 and not (is_contrastive and present):
        return Unchecked("the data has one class by design")
    if not present:
        return Unchecked("no label of the training split is valid, see L203")
    if len(present) == 1:
        return _one_class(labels, present[0], sampler, contrast, plan, is_contrastive)
    absent = None if len(present) == len(counts) else _absent_classes(labels, plan)
    unequal = _unequal_classes(labels, sampler, plan, is_contrastive)
    hits = [hit for hit in (absent, unequal) if hit is not None]
    return min(hits, key=lambda hit: tuple(Severity).index(hit.severity), default=None)


def _unequal_classes(
    labels: LabelFacts, sampler: SamplerFacts | None, plan: PlanFacts | None, is_contrastive: bool
) -> Hit | None:
    """Of the classes that have samples."""
    counts = [count for count in labels.train.counts if count]
    majority, ratio = max(shares(counts)), max(counts) / min(counts)
    if ratio < NOTABLE_RATIO:
        return None
    answers = [*(plan.balancing if plan else ()), *_balancing_sampler(labels.train.counts, sampler)]
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
        fix=Fix(_evened_out(is_contrastive), _weighted(plan) or remedies.equal_classes(plan, len(counts))),
        figures={"majority_share": majority, "ratio": ratio, "single_class_batch_probability": chance},
    )


def _weighted(plan: PlanFacts | None) -> remedies.Settings | None:
    """Weights of the classes that follow from their counts, where the loss has such an option and does not use it."""
    is_used = plan is None or plan.focal_gamma is not None or plan.settings.get("loss.pos_weight") in (None, "auto")
    return None if is_used else {"loss.pos_weight": "auto"}


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
    plan: PlanFacts | None,
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
        where=f"train: {name} {sum(counts):,}, {_without_sample(len(counts) - 1)}{held_out}",
        why="with one class there is nothing to tell apart" + _what_becomes_of_the_loss(is_contrastive, size),
        fix=Fix(
            "split the data anew, by class; a sampler alone cannot help: one class cannot be mixed",
            remedies.split_by_class(plan) if strangers else None,
        ),
        figures={
            "classes_present": 1,
            "classes_named": len(counts),
            "samples": sum(counts),
            "val_classes_never_trained": len(strangers),
        },
        ruled_out=tuple(ruled_out),
    )


def _without_sample(num_others: int) -> str:
    if not num_others:
        return "no other class is named"
    return f"{num_others} class{'es' if num_others > 1 else ''} without a sample"


def _what_becomes_of_the_loss(is_contrastive: bool, size: int) -> str:
    """Of the loss that is trained."""
    if not is_contrastive:
        return ": always answering it is right every time, and the loss falls without anything being learned"
    stands = f"ln({size}−1) = {math.log(size - 1):.4f}" if size > 1 else "ln(B−1)"
    return f": the contrastive loss has no negatives and stands at {stands} whatever the learning rate"


def _few(names: list[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")


def _absent_classes(labels: LabelFacts, plan: PlanFacts | None) -> Hit:
    """Classes of the list that training lacks; those that validation has count first."""
    named, counts = labels.classes, labels.train.counts
    absent = [name for name, count in zip(named, counts, strict=True) if not count]
    val = labels.val.counts if labels.val else None
    asked = absent if val is None else [name for index, name in enumerate(named) if val[index] and not counts[index]]
    figures = {"classes_absent": len(absent), "classes_named": len(named), "classes_asked": len(asked)}
    if not asked:
        return Hit(
            severity=Severity.INFO,
            confidence=Confidence.PROVEN,
            summary=f"{len(absent)} of {len(named)} classes have no sample in training or validation: "
            f"{_few(absent, 5)}",
            where=f"train: {_counted(labels)}",
            why="what is never seen in training is never predicted; here nothing asks for it either",
            fix=Fix("nothing, unless they were meant to be there"),
            figures=figures,
        )
    where = "" if val is None else f"; validation has {_few(asked, 3)}"
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.PROVEN,
        summary=f"{len(asked)} of {len(named)} classes have no training sample: {_few(asked, 5)}",
        where=f"train: {_counted(labels)}{where}",
        why="what is never seen in training is never predicted",
        fix=Fix("split the data by class, so that each class is on both sides", remedies.split_by_class(plan)),
        figures=figures,
    )


def _balancing_sampler(counts: tuple[int, ...], sampler: SamplerFacts | None) -> list[str]:
    """A sampler is meant to balance whose batches have less than half the imbalance of the split, and not by chance."""
    batches = drawn_in_an_epoch(sampler) if sampler else None
    if batches is None or not len(batches) or batches.shape[1] != len(counts):
        return []
    stock = np.array([count for count in counts if count])
    drawn = batches.sum(0)[np.array(counts) > 0]
    if not drawn.min() or drawn.max() / drawn.min() >= 0.5 * stock.max() / stock.min():
        return []
    rarest = int(stock.argmin())
    by_chance = binomial_tail(int(drawn[rarest]), int(drawn.sum()), float(stock[rarest] / stock.sum()))
    return ["the sampler"] if by_chance < P_BALANCED else []


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

    Costs: the validation looks better than it is, and the best checkpoint is the one that remembers most.
    Do: keep each sample once; keep near-duplicates on one side (data.group_by).
    """
    leak = overlap.leak
    if leak is None:
        return Unchecked(overlap.leak_missing or "samples were not compared")
    hits = [hit for hit in (_copied(leak), _near_leak(leak)) if hit is not None]
    return min(hits, key=lambda hit: tuple(Severity).index(hit.severity), default=None)


def _copied(leak: LeakFacts) -> Hit | None:
    if leak.num_shared <= LEAK_SHARE * leak.num_val:
        return None
    share = leak.num_shared / max(leak.num_val, 1)
    by_nature = leak.train_repeat_share >= share / 2
    example = f", e.g. {leak.example[0]} = {leak.example[1]}" if leak.example else ""
    repeats = f"; {leak.train_repeat_share:.1%} of the training samples repeat too" if by_nature else ""
    near = leak.num_near or 0
    if near > leak.num_shared:
        repeats += f"; with near-duplicates {near:,} ({near / max(leak.num_val, 1):.1%})"
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
    share = num_near / max(leak.num_val, 1)
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
    """A person, photo or recording in training and in validation: one is enough.

    Costs: the validation measures how well known ones are recognised, not how new ones are judged.
    Do: split by group (data.group_by; scikit-learn: GroupShuffleSplit).
    """
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
    """NaN or infinity in any tensor of any split; names the first sample.

    Costs: one such batch makes loss and weights NaN, and no metric over it is defined.
    Do: repair or leave out these samples; where NaN marks what is missing, mask it before the loss.
    """
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
