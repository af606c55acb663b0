"""G711, R802: what a network of this shape cannot do, however long it trains. Pure functions."""

from __future__ import annotations

import math

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.foreign import NOT_SEEN, ForeignFacts
from trainctl.engine.diagnosis.facts.network import BatchFacts
from trainctl.engine.diagnosis.facts.watched.links import LinkFacts
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked

MOST_NAMES = 4
REBUILDS = ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "binary_cross_entropy")
"""Losses by which a network is held to rebuild what it was given."""
NOBODY = "nothing looked on while the step was made"
ONE_LAYER = "no dense layer or convolution reads what another one made"


@rule(
    "G711",
    "no activation between layers",
    section="model",
    severity=Severity.WARNING,
    precedence=Precedence.GRADIENT_FLOW,
    cost=Cost.BATCH,
)
def no_activation(batch: BatchFacts | None = None, foreign: ForeignFacts | None = None) -> Answer:
    """Every dense layer or convolution that reads what another one made gets it with nothing but affine operations in
    between (BatchNorm, dropout, scales), and is not narrower there than before and behind it.

    Narrower ones are products of two small matrices in place of a large one, as in LoRA and factorised embeddings;
    convolutions in groups of channels are not asked. Where it is so between some of the layers only, an information.
    Of a watched loop it is asked of the first forward pass of a network that was named (`model=`).

    Costs: layers without an activation between them are one layer: depth and width count for nothing.
    Do: ReLU, GELU or tanh behind every layer but the last.
    """
    seen = batch.layers if batch is not None else foreign.first_pass if foreign is not None else None
    if seen is None:
        return Unchecked(NOT_SEEN if batch is None else NOBODY)
    links = seen.links
    if not links:
        return Unchecked(ONE_LAYER)
    wasted = [link for link in links if link.is_wasted]
    if not wasted:
        return None
    is_whole = len(wasted) == len(links)
    return Hit(
        severity=Severity.WARNING if is_whole else Severity.INFO,
        confidence=Confidence.PROVEN if is_whole else Confidence.LIKELY,
        summary=f"{len(wasted)} of {len(links)} layers follow the one before them without an activation",
        where=_names(wasted),
        why="a product of matrices is a matrix: together they can do what a single layer can, and no more",
        fix=Fix("ReLU, GELU or tanh behind every layer but the last"),
        figures={"wasted": len(wasted), "layers": len(links)},
    )


@rule(
    "R802",
    "too few units",
    section="model",
    severity=Severity.WARNING,
    precedence=Precedence.CAPACITY,
    cost=Cost.BATCH,
)
def too_few_units(batch: BatchFacts) -> Answer:
    """A layer that reads at most 3 numbers of a sample, between layers that are 8 times wider or more, and through
    which all goes that the results know of a sample: made the same for all samples there, the results are the same.

    Where the loss compares as many values as the layers are wide, as in an autoencoder, it may be meant and is an
    information. Side paths (squeeze and excitation, adapters) carry a part only.

    Costs: what does not fit through is lost, whatever the layers around it could do: training and validation end
    equally bad.
    Do: at least as many units as there are classes or things to tell; nothing between two wide layers but an
    activation.
    """
    if batch.layers is None:
        return Unchecked(NOBODY)
    if not batch.layers.links:
        return Unchecked(ONE_LAYER)
    narrow = [link for link in batch.layers.links if link.is_narrow and link.carries_all]
    if not narrow:
        return None
    worst = min(narrow, key=lambda link: link.width)
    return Hit(
        severity=Severity.INFO if _rebuilds(batch, worst) else Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"all that is known of a sample goes through {worst.width} number{'s' * (worst.width != 1)} "
        f"in front of {worst.name}",
        where=f"layers before it read up to {worst.widest_before} numbers, and it makes {worst.after} of them",
        why="the results stay the same for all samples where these numbers do: nothing passes beside them",
        fix=Fix("more units there: at least as many as there are classes or things to tell"),
        figures={"width": worst.width, "before": worst.widest_before, "after": worst.after},
    )


def _rebuilds(batch: BatchFacts, narrow: LinkFacts) -> bool:
    """Whether the loss compares about as many values of a sample as go into the narrow layer's neighbours."""
    return any(
        call.name.startswith(REBUILDS) and math.prod(call.input_shape[1:]) >= min(narrow.after, narrow.widest_before)
        for call in batch.loss_calls
    )


def _names(links: list[LinkFacts]) -> str:
    return ", ".join(link.name for link in links[:MOST_NAMES]) + (", ..." if len(links) > MOST_NAMES else "")
