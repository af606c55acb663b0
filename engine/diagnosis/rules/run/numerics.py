"""N901: losses and gradients that are not finite. Pure functions of evidence."""

from __future__ import annotations

import math

from trainctl.engine.diagnosis import remedies
from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.network import BatchFacts
from trainctl.engine.diagnosis.facts.plan import PlanFacts
from trainctl.engine.diagnosis.facts.run import NonfiniteStep, RecordFacts
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked

EXPLODED = 5.0
"""Gradient norm over the median of the steps before from which on it had exploded."""
DESTROYED = 1.0
"""|update| / |weights| from which on an update replaces the weights rather than changing them."""
ENOUGH_BEFORE = 10
"""Steps before it without which nothing is said about how it came about."""


@rule(
    "N901",
    "loss or gradient not finite",
    section="loss",
    severity=Severity.ERROR,
    precedence=Precedence.DATA,
    cost=Cost.BATCH,
    rivals=("D107", "L203"),
)
def not_finite(
    batch: BatchFacts | None = None, records: RecordFacts | None = None, plan: PlanFacts | None = None
) -> Answer:
    """NaN or infinity in the first batch, or at a recorded step (those a gradient scaler skips are left out).

    Costs: from then on every weight that it reaches is NaN.
    Do: look there for log(0), sqrt(0), a division by zero or an overflow; then a lower rate, clipping.
    Follows from: D107, L203.
    """
    if records is not None and records.num_steps:
        return None if records.first_nonfinite is None else _in_run(records.first_nonfinite, plan)
    if batch is None:
        return Unchecked("needs a batch through the network or the records of a run")
    bad_terms = [name for name, value in batch.terms.items() if not math.isfinite(value)]
    bad_gradients = [p.name for p in batch.trainable if p.grad_norm is not None and not math.isfinite(p.grad_norm)]
    if not bad_terms and not bad_gradients:
        return None
    return _in_batch(batch, bad_terms, bad_gradients, plan)


def _in_batch(batch: BatchFacts, bad_terms: list[str], bad_gradients: list[str], plan: PlanFacts | None) -> Hit:
    where = f"first in the output of {batch.first_nonfinite}" if batch.first_nonfinite else "in the loss itself"
    if not bad_terms:
        where = f"the loss is finite ({batch.loss:.4g}), the backward pass is not: {', '.join(bad_gradients[:3])}"
    return Hit(
        severity=Severity.ERROR,
        confidence=Confidence.PROVEN,
        summary=f"{', '.join(bad_terms) or f'{len(bad_gradients)} gradients'} not finite before the first update",
        where=where,
        why="the first update makes every weight NaN",
        fix=Fix(
            "look there for log(0), sqrt(0), a division by zero or an overflow; clamp or add an epsilon",
            remedies.fuller_precision(plan),
        ),
        figures={"terms": len(bad_terms), "gradients": len(bad_gradients)},
        because=("D107", "L203"),
    )


def _in_run(step: NonfiniteStep, plan: PlanFacts | None) -> Hit:
    parts = ", ".join(step.terms) or f"gradient of {', '.join(step.groups[:3]) or 'the network'}"
    why, fix = _what_came_before(step, plan)
    return Hit(
        severity=Severity.ERROR,
        confidence=Confidence.PROVEN,
        summary=f"{parts} not finite at step {step.step}",
        where=f"epoch {step.epoch}, learning rate {step.lr:.3g}, {step.num_steps} such steps in all",
        why=why,
        fix=fix,
        figures={
            "step": step.step,
            "loss": step.loss,
            "lr": step.lr,
            "nonfinite_gradients": step.num_parameters,
            "grad_norm_before": step.norm_last,
            "grad_norm_median": step.norm_before,
            "update_ratio": step.update_ratio,
        },
    )


def _what_came_before(step: NonfiniteStep, plan: PlanFacts | None) -> tuple[str, Fix]:
    """Whether the learning rate, a slow explosion or a single batch led to it, as far as the records tell."""
    look = Fix("look for NaN in the data, and for log(0), sqrt(0) or a division by zero")
    # A network that one update destroyed had no usual norm; one that exploded slowly had.
    is_slow = not step.update_ratio > DESTROYED and step.num_before >= ENOUGH_BEFORE
    clip = remedies.clipped(plan, 2 * step.norm_before) if is_slow else None
    slower = Fix(
        "a tenth of the learning rate, and clip the gradient",
        {"optimizer.lr": remedies.rounded(step.lr / 10), **(clip or {})} if step.lr > 0 else None,
    )
    if not step.num_before:
        return "it was so from the first step: the data or an operation, not the learning rate", look
    if step.update_ratio > DESTROYED:
        return (
            f"an update before it was {step.update_ratio:.3g} times as large as the weights themselves: the "
            f"learning rate of {step.lr:.3g} destroyed them",
            slower,
        )
    if step.norm_last > EXPLODED * step.norm_before:
        return (
            f"the gradient had exploded: norm {step.norm_last:.3g} one step before, "
            f"{step.norm_last / step.norm_before:.0f} times its median",
            slower,
        )
    if step.num_before < ENOUGH_BEFORE:
        return f"{step.num_before} steps before it are too few to tell an explosion from a bad batch", look
    calm = Fix(look.text, remedies.fuller_precision(plan))
    return (
        f"the step before was ordinary (gradient norm {step.norm_last:.3g}, median {step.norm_before:.3g}): "
        "one batch or one operation, not a slow explosion",
        calm,
    )
