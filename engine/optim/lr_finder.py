"""Learning rate range test (Smith 2017): raise the learning rate exponentially and watch the loss.

Works on copies; the network, its optimiser and the random numbers are as before afterwards. Suggests the learning
rate of the steepest descent of the smoothed loss, and shows where it diverges.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

SMOOTHING = 0.9
"""Momentum of the exponential average of the loss."""
DIVERGED = 4.0
"""The sweep ends when the smoothed loss exceeds its minimum by this factor (plus one, for small losses)."""
CHECK_EVERY = 8
"""Steps between looks at the loss; each look waits for the device."""
FALL = 0.01
"""Relative fall of the smoothed loss below which nothing is suggested."""
SKIPPED = 5
"""First points whose average is still settling: they are not suggested."""


@dataclass(frozen=True)
class RangeTest:
    """Result of a sweep; lists of the same length."""

    lrs: list[float]
    losses: list[float]
    smoothed: list[float]
    suggestion: float | None
    """Steepest descent; none when the loss never fell."""
    diverged_at: float | None
    """First learning rate at which the sweep was broken off."""


def sweep(
    model: nn.Module,
    make_optimizer: Callable[[nn.Module], Optimizer],
    loss_of: Callable[[nn.Module], Tensor],
    *,
    start: float = 1e-7,
    end: float = 10.0,
    num_steps: int = 100,
    on_progress: Callable[[list[float], list[float]], object] | None = None,
) -> RangeTest:
    """Train a copy of `model` for `num_steps` steps with a learning rate rising from `start` to `end`.

    Args:
        model: not changed.
        make_optimizer: builds the optimiser of the copy.
        loss_of: loss of the next batch, a scalar with gradient.
        start: first learning rate.
        end: last learning rate.
        num_steps: length of the sweep.
        on_progress: told all learning rates and losses so far at every look at the loss.
    """
    trained = copy.deepcopy(model).train()
    optimizer = make_optimizer(trained)
    lrs = [start * (end / start) ** (k / (num_steps - 1)) for k in range(num_steps)]
    losses: list[Tensor] = []
    for lr in lrs:
        for group in optimizer.param_groups:
            group["lr"] = lr
        loss = loss_of(trained)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.detach())
        if len(losses) % CHECK_EVERY == 0:
            seen = torch.stack(losses).tolist()
            if on_progress is not None:
                on_progress(lrs[: len(seen)], seen)
            if _has_diverged(smooth(seen)):
                break
    return judge(lrs[: len(losses)], torch.stack(losses).tolist())


def judge(lrs: list[float], losses: list[float]) -> RangeTest:
    """Smooth, find where it diverged, and suggest."""
    smoothed = smooth(losses)
    end = next((k for k in range(1, len(smoothed)) if _has_diverged(smoothed[: k + 1])), None)
    useful = smoothed[:end]
    return RangeTest(
        lrs=lrs,
        losses=losses,
        smoothed=smoothed,
        suggestion=_steepest(lrs[: len(useful)], useful),
        diverged_at=None if end is None else lrs[end],
    )


def smooth(losses: list[float]) -> list[float]:
    """Exponential average, corrected for its start."""
    average, smoothed = 0.0, []
    for k, loss in enumerate(losses, 1):
        average = SMOOTHING * average + (1 - SMOOTHING) * loss
        smoothed.append(average / (1 - SMOOTHING**k))
    return smoothed


def _has_diverged(smoothed: list[float]) -> bool:
    last, least = smoothed[-1], min(smoothed)
    return not math.isfinite(last) or last > DIVERGED * abs(least) + 1


def _steepest(lrs: list[float], smoothed: list[float]) -> float | None:
    if len(smoothed) < SKIPPED + 3 or min(smoothed) > (1 - FALL) * smoothed[0]:
        return None
    slope = np.gradient(np.array(smoothed), np.log(lrs))[SKIPPED:]
    k = int(np.argmin(slope))
    return lrs[SKIPPED + k] if slope[k] < 0 else None
