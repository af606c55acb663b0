"""Settings of a configuration that mend what was found: paths with values that follow from plan and measurement.

Shared by the rules. Whether a task has such an option is not asked here but of every finding at once, see
`differential`; only where one option or another would do is it asked which there is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from trainctl.engine.diagnosis.facts.plan import PlanFacts

Settings = Mapping[str, Any]
RATIO = 1e-3
"""Size of an update relative to the weights that is healthy."""
CALM_TEMPERATURE = 0.2
"""Of a contrastive loss: embeddings that were measured to leave a collapse sooner than at .07."""
WARMUP, LONG_WARMUP = 0.1, 0.5
"""Share of the epochs that a warmup takes, and from which on it is all there is."""
LEAST_PER_CLASS = 4
ADAPTIVE = frozenset({"adam", "adamw", "nadam", "radam", "adamax", "adafactor"})
USUAL_RATE = {True: 1e-3, False: 1e-2}
"""Learning rate to begin with: of optimisers that scale each step by the gradient's size, and of others."""


def rounded(value: float) -> float:
    """Two digits: more would be of no meaning."""
    return float(f"{value:.2g}")


def slower(plan: PlanFacts | None, factor: float = 10.0, *, clip: float = math.nan) -> Settings | None:
    """A lower learning rate, and the gradient clipped where a usual norm is known; None: no plan is."""
    if plan is None or not plan.lr > 0:
        return None
    return {"optimizer.lr": rounded(plan.lr / factor), **(clipped(plan, clip) or {})}


def clipped(plan: PlanFacts | None, norm: float) -> Settings | None:
    """The gradient clipped at a norm; None: it is unknown, or the gradient is clipped there already."""
    if plan is None or not (math.isfinite(norm) and norm > 0):
        return None
    present = plan.settings.get("clip.grad_norm")
    is_tighter = isinstance(present, int | float) and present <= norm
    return None if is_tighter else {"clip.grad_norm": rounded(norm)}


def by_update(plan: PlanFacts | None, ratio: float, wanted: float = RATIO) -> Settings | None:
    """The learning rate at which updates have a healthy size: it grows with the rate."""
    if plan is None or not (math.isfinite(ratio) and ratio > 0 and plan.lr > 0):
        return None
    return {"optimizer.lr": rounded(plan.lr * wanted / ratio)}


def warmed_up(plan: PlanFacts | None) -> Settings | None:
    """A warmup of a tenth of the epochs; None: there is one, or the schedule has its own."""
    if plan is None or plan.warmup_epochs or plan.schedule == "cyclic" or plan.epochs < 2:
        return None
    return {"schedule.warmup_epochs": max(1, round(WARMUP * plan.epochs))}


def usual_rate(plan: PlanFacts | None) -> Settings | None:
    """A rate that changes something, where the configured one is nothing or its warmup never ends."""
    if plan is None:
        return None
    if plan.warmup_epochs >= LONG_WARMUP * plan.epochs > 0:
        return {"schedule.warmup_epochs": max(1, round(WARMUP * plan.epochs)) if plan.epochs > 1 else 0}
    rate = USUAL_RATE[plan.optimizer in ADAPTIVE]
    return {"optimizer.lr": rate} if plan.lr < rate else None


def to_the_end(plan: PlanFacts | None) -> Settings | None:
    """A schedule as long as the run."""
    if plan is None:
        return None
    has_arguments = any(path.startswith("schedule.arguments.") for path in plan.settings.values)
    return {"schedule.name": "cosine", **({"schedule.arguments": {}} if has_arguments else {})}


def fuller_precision(plan: PlanFacts | None) -> Settings | None:
    """A number format of a larger range, or of more digits; None: it is the fullest, or the device decides."""
    fuller = {"fp16": "bf16", "bf16": "off"}.get(plan.amp if plan else "")
    return {"precision.amp": fuller} if fuller else None


def weighing(plan: PlanFacts | None, term: str, weight: float) -> Settings | None:
    """Another weight of a term."""
    return None if plan is None else {f"loss_weights.{term}": rounded(weight)}


def regularised(plan: PlanFacts | None, patience: int) -> Settings | None:
    """Ten times the weight decay, and an end where the validation has not improved for so many evaluations."""
    if plan is None:
        return None
    decay = plan.settings.get("optimizer.weight_decay")
    least = 1e-2 if plan.optimizer == "adamw" else 1e-4
    more = max(10 * decay, least) if isinstance(decay, int | float) else least
    settings: dict[str, Any] = {"optimizer.weight_decay": rounded(more)}
    if plan.settings.get("early_stopping.patience") is None:
        settings["early_stopping.patience"] = max(patience, 3)
    return settings


def equal_classes(plan: PlanFacts | None, num_classes: int) -> Settings | None:
    """Batches that draw each class equally often: m of each of B / m classes, m the least that fits from 4 on."""
    if plan is None or num_classes < 2 or not plan.settings.takes("data.sampler", "m-per-class"):
        return None
    size = plan.batch_size
    fitting = [m for m in range(2, size // 2 + 1) if size % m == 0 and size // m <= num_classes]
    enough = next((m for m in fitting if m >= LEAST_PER_CLASS), max(fitting, default=0))
    if not enough:
        size = LEAST_PER_CLASS * min(num_classes, max(size // LEAST_PER_CLASS, 2))
        return {"data.sampler": "m-per-class", "data.per_class": LEAST_PER_CLASS, "train.batch_size": size}
    return {"data.sampler": "m-per-class", "data.per_class": enough}


def sampled_anew(plan: PlanFacts | None, sampler: str) -> Settings | None:
    """Another way to form batches, where the task has a choice of them."""
    if plan is None or not plan.settings.takes("data.sampler", sampler):
        return None
    return None if plan.settings.get("data.sampler") == sampler else {"data.sampler": sampler}


def split_by_class(plan: PlanFacts | None) -> Settings | None:
    """A split made anew within each class, where the task can make one."""
    if plan is None or not plan.settings.takes("data.split", "stratified"):
        return None
    return None if plan.settings.get("data.split") == "stratified" else {"data.split": "stratified"}


def warmer(plan: PlanFacts | None) -> Settings | None:
    """A higher temperature of a contrastive loss, where it is low."""
    if plan is None or plan.temperature is None or plan.temperature >= CALM_TEMPERATURE:
        return None
    return {"loss.temperature": CALM_TEMPERATURE}


def first_of(*choices: Settings | None) -> Settings | None:
    """The first that there is."""
    return next((choice for choice in choices if choice), None)
