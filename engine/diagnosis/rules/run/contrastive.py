"""K401, K402, K403, K405: why a supervised contrastive loss stands still. Pure functions of evidence.

The order of the questions: one class in each batch (D103, D101), equal embeddings (K403), too few positives (K402);
what is left is the least that the batches allow, or a network that has not begun to learn (K401).
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from trainctl.engine.diagnosis import remedies
from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts import contrast as causes
from trainctl.engine.diagnosis.facts.data import LabelFacts, SamplerFacts
from trainctl.engine.diagnosis.facts.network import ContrastFacts
from trainctl.engine.diagnosis.facts.plan import PlanFacts
from trainctl.engine.diagnosis.facts.statistics import expected_with_positive, least_batch_size, shares
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked
from trainctl.engine.losses.supcon_bounds import floor

PINNED, PINNED_STEPS = 0.02, 20
EXACT, NEAR = 1 - 1e-4, 0.99
"""Cosines that a network cannot be trained from, and that are worth a warning before training: embeddings that differ
by a tenth of what they could (1 − cosine = d · deviation², deviation .1/√d)."""
FLOOR_BATCHES = 10
ROOM, SHARP, USUAL = 0.1, 0.01, 0.1
"""Share by which a loss must be able to fall below ln(B−1); temperature below which one pair of many decides; and one
that works."""


@rule(
    "K401",
    "contrastive loss at its floor",
    section="loss",
    severity=Severity.WARNING,
    precedence=Precedence.LOSS,
    cost=Cost.RECORDS,
)
def pinned_loss(
    contrast: ContrastFacts,
    sampler: SamplerFacts | None = None,
    labels: LabelFacts | None = None,
    plan: PlanFacts | None = None,
) -> Answer:
    """The term within .02 of ln(B−1), and no more than .02 apart, over the newest 20 steps or more.

    A symptom: of one class per batch, of equal embeddings or of missing positives, where these are found.

    Costs: nothing is learned: every sample is as near to each other one as to its own class.
    Do: look at the classes of a batch first, then at the mean cosine, then at positives; the learning rate last.
    Follows from: D103, D101, K403, K402.
    """
    if contrast.source != "records":
        return Unchecked("nothing has been trained yet")
    if contrast.num_steps < PINNED_STEPS:
        return Unchecked(f"needs {PINNED_STEPS} steps with a finite loss, there are {contrast.num_steps}")
    if not (abs(contrast.gap) < PINNED and contrast.gap_std < PINNED):
        return None
    is_single = contrast.same_share == 1
    if contrast.early and not is_single:
        return Unchecked(contrast.early)
    least = None if is_single else _own_floor(sampler, plan)
    ruled_out = [
        *causes.not_the_split(labels),
        *causes.not_single_class(sampler),
        *causes.not_collapsed(contrast),
        *causes.not_the_positives(sampler),
    ]
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"{contrast.term} stands at {contrast.loss:.4f}, equal embeddings give "
        f"{causes.collapsed_value(contrast.batch_size)}",
        where=f"newest {contrast.num_steps} steps: within {abs(contrast.gap):.1g} of it, "
        f"deviation {contrast.gap_std:.1g}",
        why=_why_pinned(is_single, least, contrast),
        fix=_fix_pinned(is_single, least, contrast, plan),
        figures={
            "loss": contrast.loss,
            "gap": contrast.gap,
            "gap_std": contrast.gap_std,
            "batch_size": contrast.batch_size,
            "floor": "unknown" if least is None else least,
        },
        ruled_out=tuple(ruled_out),
        because=("D103", "D101", "K403", "K402"),
    )


def _own_floor(sampler: SamplerFacts | None, plan: PlanFacts | None) -> float | None:
    """The least loss that the newest batches allow, on average; None: classes or temperature unknown."""
    if sampler is None or sampler.counts is None or plan is None or plan.temperature is None:
        return None
    newest = sampler.counts[-FLOOR_BATCHES:]
    return float(np.mean([floor(row.tolist(), plan.temperature) for row in newest])) if len(newest) else None


def _is_own(least: float | None, contrast: ContrastFacts) -> bool:
    return least is not None and contrast.loss - least < PINNED


def _why_pinned(is_single: bool, least: float | None, contrast: ContrastFacts) -> str:
    if is_single:
        return "with one class in the batch that is the least there can be, whatever the network does"
    if least is None:
        return "the batches hold several classes, so that less is possible"
    if _is_own(least, contrast):
        return f"the least that these batches allow is {least:.4f}: the floor is the data's own"
    return f"these batches allow {least:.4f}: the network has not begun to tell the classes apart"


def _fix_pinned(is_single: bool, least: float | None, contrast: ContrastFacts, plan: PlanFacts | None) -> Fix:
    if is_single:
        return Fix("see which of split and sampler holds one class: diagnose the data")
    if _is_own(least, contrast):
        return Fix(
            "more classes in a batch, more evenly drawn, or a lower temperature",
            remedies.sampled_anew(plan, "stratified"),
        )
    return Fix(
        "a warmup, a higher temperature (.1 to .2), or another learning rate",
        remedies.first_of(remedies.warmer(plan), remedies.warmed_up(plan), remedies.slower(plan)),
    )


@rule(
    "K402",
    "too few positives",
    section="loss",
    severity=Severity.WARNING,
    precedence=Precedence.LOSS,
    cost=Cost.DATA,
)
def too_few_positives(
    contrast: ContrastFacts,
    sampler: SamplerFacts,
    labels: LabelFacts | None = None,
    plan: PlanFacts | None = None,
) -> Answer:
    """Less than 90 % of the anchors have a positive in their batch (error: less than 50 %).

    Random batches give 1 − Σ p_c (1 − p_c)^(B−1).

    Costs: anchors without a positive add nothing: a part of each batch is wasted, and the loss is noisy.
    Do: several samples of each class in a batch (P classes × K ≥ 4), or larger batches.
    """
    if sampler.counts is None or not len(sampler.counts):
        return Unchecked("no class labels of batches")
    if sampler.source == "records" and (plan is None or plan.accumulation > 1):
        return Unchecked("records count the classes of accumulated batches together")
    share, size = causes.anchors_with_positive(sampler.counts), sampler.batch_size
    if not share < causes.FEW_POSITIVES:
        return None
    split = labels.train.counts if labels is not None else tuple(int(count) for count in sampler.counts.sum(0))
    chance = expected_with_positive(shares(split), size)
    lonely = sum(1 for count in split if count == 1) / max(sum(split), 1)
    least = (
        None if 1 - lonely < causes.FEW_POSITIVES else least_batch_size(shares(split), causes.FEW_POSITIVES, sum(split))
    )
    return Hit(
        severity=Severity.ERROR if share < causes.TOO_FEW_POSITIVES else Severity.WARNING,
        confidence=Confidence.PROVEN,
        summary=f"{share:.0%} of the anchors have a positive in their batch",
        where=f"{len(sampler.counts)} batches of {size}, {sum(1 for count in split if count)} classes: random batches "
        f"give 1 − Σp(1−p)^(B−1) = {chance:.2f}",
        why="an anchor without a positive teaches nothing; it only pushes the others away"
        + _least_words(least, lonely),
        fix=_more_positives(least, plan),
        figures={
            "with_positive": share,
            "expected_with_positive": chance,
            "batch_size": size,
            "least_batch_size": "none" if least is None else least,
        },
        ruled_out=(
            *causes.not_the_split(labels),
            *causes.not_single_class(sampler),
            *causes.not_collapsed(contrast),
        ),
    )


def _least_words(least: int | None, lonely: float) -> str:
    if least is not None:
        return f"; {causes.FEW_POSITIVES:.0%} of random batches' anchors have one from B = {least} on"
    return f"; {lonely:.0%} of the samples are alone in their class" if lonely else ""


def _more_positives(least: int | None, plan: PlanFacts | None) -> Fix:
    if least is None:
        return Fix("merge classes or collect more of them: no batch size helps samples that are alone in their class")
    return Fix(
        f"several samples of each class in a batch (stratified, or P classes × K ≥ 4), or batches of {least}",
        remedies.sampled_anew(plan, "stratified") or {"train.batch_size": least},
    )


@rule(
    "K403",
    "collapsed embedding",
    section="model",
    severity=Severity.ERROR,
    # Asked before the positives: equal embeddings have no gradient, however the batches are formed.
    precedence=Precedence.MECHANICS,
    cost=Cost.BATCH,
)
def collapsed_embedding(
    contrast: ContrastFacts,
    sampler: SamplerFacts | None = None,
    labels: LabelFacts | None = None,
    plan: PlanFacts | None = None,
) -> Answer:
    """Cosines across classes above .95: of the newest steps of a run, or of a batch through an untrained network.

    Untrained networks may start near it and leave it, so that before training only a cosine of 1 is an error,
    above .99 a warning and above .95 an information. With one class equal embeddings are what the loss asks for.

    Costs: all samples have the same place, and the loss stands at ln(B−1) with next to no gradient.
    Do: a warmup, a lower learning rate, a higher temperature, normalisation before the last layer.
    Follows from: D107, D108, D106, G708, G712, G706, G704, R802.
    """
    is_zero = contrast.num_zero == contrast.batch_size
    if contrast.same_share == 1 and not is_zero:
        return Unchecked("the batch holds one class, for which equal embeddings are as good as any")
    cosine = contrast.mean_cosine if math.isnan(contrast.same_share) else contrast.across_cosine
    if math.isnan(cosine) and not is_zero:
        return Unchecked("the cosines of the embeddings are not known")
    if not is_zero and cosine <= causes.COLLAPSED:
        return None
    if contrast.early:
        return Unchecked(contrast.early)
    severity, confidence = _how_bad(contrast, cosine, is_zero)
    return Hit(
        severity=severity,
        confidence=confidence,
        summary="all embeddings have length 0" if is_zero else f"mean cosine {contrast.mean_cosine:.4f}",
        where=_where_collapsed(contrast, is_zero),
        why=f"equal embeddings make the loss {causes.collapsed_value(contrast.batch_size)} whatever the labels, with "
        f"gradient 0; here it is {contrast.loss:.4f}",
        fix=_fix_collapsed(contrast, plan),
        figures={
            "mean_cosine": contrast.mean_cosine,
            "across_cosine": contrast.across_cosine,
            "zero_embeddings": contrast.num_zero,
            "loss": contrast.loss,
            "collapsed_loss": contrast.loss - contrast.gap,
        },
        ruled_out=(
            *causes.not_the_split(labels),
            *causes.not_single_class(sampler),
            *causes.not_the_positives(sampler),
        ),
        because=("D107", "D108", "D106", "G708", "G712", "G706", "G704", "R802"),
    )


def _fix_collapsed(contrast: ContrastFacts, plan: PlanFacts | None) -> Fix:
    normalised = (
        None if plan is None or plan.settings.get("model.layer_norm") is not False else {"model.layer_norm": True}
    )
    if contrast.source == "batch":
        return Fix(
            "look at the last layers (weights of 0, a saturated or dead activation, features that do not vary)",
            None if contrast.num_zero == contrast.batch_size else normalised,
        )
    return Fix(
        "a warmup, a lower learning rate, a higher temperature, normalisation before the last layer",
        remedies.first_of(remedies.warmer(plan), remedies.slower(plan)),
    )


def _how_bad(contrast: ContrastFacts, cosine: float, is_zero: bool) -> tuple[Severity, Confidence]:
    has_closed_form = abs(contrast.gap) < PINNED
    if is_zero or (contrast.source == "batch" and cosine > EXACT):
        return Severity.ERROR, Confidence.PROVEN if has_closed_form else Confidence.LIKELY
    if contrast.source == "batch":
        return Severity.WARNING if cosine > NEAR else Severity.INFO, Confidence.LIKELY
    return Severity.ERROR, Confidence.PROVEN if has_closed_form else Confidence.LIKELY


def _where_collapsed(contrast: ContrastFacts, is_zero: bool) -> str:
    across = "" if is_zero or math.isnan(contrast.across_cosine) else f"; across classes {contrast.across_cosine:.4f}"
    if contrast.source == "batch":
        return f"first batch of {contrast.batch_size} through the untrained network{across}"
    return f"newest {contrast.num_steps} steps{across} or more"


@rule(
    "K405",
    "temperature out of range",
    section="loss",
    severity=Severity.WARNING,
    precedence=Precedence.LOSS,
    cost=Cost.DATA,
)
def odd_temperature(contrast: ContrastFacts, plan: PlanFacts, sampler: SamplerFacts) -> Answer:
    """A temperature at which the best embeddings of these batches' classes lower the loss by less than a tenth of
    ln(B−1), where equal ones are, and at .1 by more; below .01 an information.

    The least loss is that of Graf et al. 2021, theorem 2: each class one point, the points as far apart as they can be.

    Costs: at a high temperature all pairs look alike and the gradient is next to nothing; at a low one the nearest pair
    alone decides, and half precision overflows.
    Do: .05 to .2.
    """
    temperature, size = plan.temperature, contrast.batch_size
    if temperature is None:
        return Unchecked("no temperature of a contrastive loss is configured")
    if not temperature > 0 or size < 3:  # refused elsewhere
        return None
    if temperature < SHARP:
        return _odd(temperature, Severity.INFO, f"a temperature of {temperature:g}: e^(2/T) is beyond single precision")
    least, usual = _own_floor(sampler, plan), _own_floor(sampler, replace(plan, temperature=USUAL))
    if least is None or usual is None:
        return Unchecked("no class labels of batches")
    equal = math.log(size - 1)
    room, is_by_batches = (equal - least) / equal, (equal - usual) / equal < ROOM
    if room >= ROOM or is_by_batches:
        return None
    summary = f"at a temperature of {temperature:g} the loss can fall from {equal:.4f} to {least:.4f} at best"
    return _odd(temperature, Severity.WARNING, summary, room=room, floor=least)


def _odd(temperature: float, severity: Severity, summary: str, **figures: float) -> Hit:
    return Hit(
        severity=severity,
        confidence=Confidence.LIKELY,
        summary=summary,
        where=f"loss.temperature={temperature:g}",
        why="cosines lie between -1 and 1, and are divided by it",
        fix=Fix("a temperature of .05 to .2", {"loss.temperature": USUAL}),
        figures={"temperature": temperature, **figures},
    )
