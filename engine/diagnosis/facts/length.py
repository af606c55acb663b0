"""How long a planned training is: batches of an epoch, updates of the whole. Pure functions of facts."""

from __future__ import annotations

import math

from trainctl.engine.diagnosis.facts.data import DataFacts, SamplerFacts
from trainctl.engine.diagnosis.facts.plan import PlanFacts


def batches_per_epoch(plan: PlanFacts, data: DataFacts | None, sampler: SamplerFacts | None) -> int | None:
    """Batches of an epoch; None: neither sampler nor data tell."""
    if sampler is not None and sampler.batches_per_epoch is not None:
        return sampler.batches_per_epoch
    if data is None:
        return None
    whole, rest = divmod(data.train.num_samples, plan.batch_size)
    return whole + (1 if rest and not plan.drop_last else 0)


def planned_steps(plan: PlanFacts, num_batches: int) -> tuple[int, bool]:
    """Optimiser steps of the whole run, and whether `train.max_steps` cuts it short."""
    steps = plan.epochs * math.ceil(num_batches / plan.accumulation)
    total = steps if plan.max_steps is None else min(plan.max_steps, steps)
    return total, total < steps
