"""G712: whether the weights begin at a size that lets signals and gradients through. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.network import BatchFacts
from trainctl.engine.diagnosis.facts.trial import TrialFacts
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked

HUGE, TINY = 5.0, 0.01
"""Size of the weights in terms of 1/√inputs, from which on, and below which, it is out of every usual recipe."""
LEAST = 2
NORM = "batch norm"


@rule(
    "G712",
    "weights begin at an unusual size",
    section="gradient flow",
    severity=Severity.WARNING,
    precedence=Precedence.GRADIENT_FLOW,
    cost=Cost.BATCH,
)
def unusual_size(trial: TrialFacts, batch: BatchFacts | None = None) -> Answer:
    """More than half of the matrices, two or more, whose values have a root mean square of more than 5, or less than
    .01, in terms of 1/√inputs.

    Usual recipes give .58 (torch), 1 (Xavier, orthogonal) and 1.4 (Kaiming). With BatchNorm, which undoes it in the
    forward pass, an information. So are large ones none of which is seen to meet the data as it is: weights that are
    scaled when they are used are drawn at size 1. Tables that are looked up are not asked.

    Costs: signals grow or fade from layer to layer: gradients explode, units saturate, or nothing moves for long.
    Do: torch's own initialisation, Xavier for tanh, Kaiming for ReLU; a factor belongs into the activation.
    Follows from: N901, G708.
    """
    weights = trial.reached
    if len(weights) < LEAST:
        return Unchecked("needs two matrices that a gradient reaches")
    huge = {weight.name: weight.by_inputs for weight in weights if weight.by_inputs > HUGE}
    tiny = {weight.name: weight.by_inputs for weight in weights if 0 < weight.by_inputs < TINY}
    odd = max(huge, tiny, key=len)
    if len(odd) < max(LEAST, len(weights) // 2 + 1):
        return None
    layers = None if batch is None else batch.layers
    has_norm = layers is not None and any(mode.kind == NORM for mode in layers.modes)
    entries = () if layers is None else layers.entries
    meets_data = any(name.rpartition(".")[0] == entry.name for name in odd for entry in entries)
    return _hit(odd, len(weights), is_large=odd is huge, is_grave=not has_norm and (odd is tiny or meets_data))


def _hit(odd: Mapping[str, float], count: int, *, is_large: bool, is_grave: bool) -> Hit:
    median, names = float(np.median([*odd.values()])), [*odd]
    return Hit(
        severity=Severity.WARNING if is_grave else Severity.INFO,
        confidence=Confidence.LIKELY,
        summary=f"{len(names)} of {count} matrices begin {median:.2g} times as large as 1/√inputs",
        where=", ".join(names[:4]) + (", ..." if len(names) > 4 else ""),
        why="every layer multiplies what comes through by about that: too much for the one behind it"
        if is_large
        else "every layer multiplies what comes through by about that: next to nothing arrives, and comes back",
        fix=Fix("torch's own initialisation, Xavier for tanh, Kaiming for ReLU"),
        figures={"median": median, "odd": len(names), "matrices": count},
        because=("N901", "G708"),
    )
