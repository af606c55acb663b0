"""How a loss term is taken over the samples of a batch: what their order and their number do to it. Judges nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import nn

from trainctl.engine.data.batch import Batch
from trainctl.engine.diagnosis.facts.network import ReductionFacts
from trainctl.engine.diagnosis.probes.isolation import undisturbed
from trainctl.engine.tasks.task import Task

MOST = 64
"""Samples that are tried; the batch is doubled."""
SAME = 1e-6
"""Relative difference of two passes of the same batch up to which the step draws nothing at random."""


def measure_reduction(task: Task, model: nn.Module, batch: Batch) -> ReductionFacts | None:
    """The terms of a batch, of the same samples in other orders, and of the batch beside itself; in evaluation mode.

    Args:
        task: gives the terms.
        model: a network that may be run; it is back in its mode afterwards.
        batch: as the loop makes it.

    Returns:
        None where nothing can be told: fewer than three samples, a step that draws random numbers, or that fails on
        other batches than its own.
    """
    part = {name: tensor[:MOST] for name, tensor in batch.items()}
    size = len(next(iter(part.values())))
    if size < 3 or len({len(tensor) for tensor in part.values()}) > 1:
        return None
    was_training = model.training
    model.eval()
    try:
        first, again = (_terms(task, model, part, seed) for seed in (1, 2))
        if any(_change(first[name], again[name]) > SAME for name in first):
            return None
        orders = [torch.arange(size).flip(0), torch.arange(size).roll(1)]
        others = [_terms(task, model, {name: t[rows.to(t.device)] for name, t in part.items()}, 1) for rows in orders]
        doubled = _terms(task, model, {name: torch.cat([t, t]) for name, t in part.items()}, 1)
    except Exception:  # the task's code is the user's, and was promised batches of its own kind only
        return None
    finally:
        model.train(was_training)
    return ReductionFacts(
        num_samples=size,
        order_change={name: max(_change(first[name], other[name]) for other in others) for name in first},
        doubled={name: doubled[name] / first[name] if first[name] else math.nan for name in first},
    )


def _terms(task: Task, model: nn.Module, batch: Batch, seed: int) -> Mapping[str, float]:
    with undisturbed(seed), torch.no_grad():
        return {name: float(term.double().mean()) for name, term in task.step(model, dict(batch)).terms.items()}


def _change(a: float, b: float) -> float:
    """Relative difference; NaN for values that are not finite, which compare as no difference."""
    return abs(a - b) / max(abs(a), abs(b), 1e-12)
