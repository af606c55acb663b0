"""Learning rate range test (Smith 2017): raise the learning rate exponentially and watch the loss.

Works on copies; the network, its optimiser and the random numbers are as before afterwards. Finds where the loss falls
most steeply, where the fall ends and where it diverges, and suggests the middle of the fall.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Optimizer

from trainctl.engine.optim.lean import step_of

SMOOTHING = 0.9
"""Momentum of the exponential average of the loss."""
DIVERGED = 4.0
"""The sweep ends when the smoothed loss exceeds its minimum by this factor (plus one, for small losses)."""
CHECK_EVERY = 8
"""Steps between looks at the loss; each look waits for the device."""
FALL = 0.05
"""Relative fall of the loss below which nothing is suggested: less may be the noise of the batches."""
WINDOW_SHARE = 12
"""Lines are fitted to this part of the points on either side."""
MIN_POINTS = 8
RIM = 0.1
"""Part of the fall that belongs to its beginning, and to its end."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RangeTest:
    """Result of a sweep; lists of the same length."""

    lrs: list[float]
    losses: list[float]
    smoothed: list[float]
    steepest: float | None
    """Where the loss falls most steeply; none when it never fell."""
    bottom: float | None
    """Where the fall ends: from here on a higher rate gains nothing."""
    suggestion: float | None
    """Half way, on the logarithmic axis, from the steepest fall to its end; none when the loss never fell."""
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
    step = step_of(optimizer)
    lrs = [start * (end / start) ** (k / (num_steps - 1)) for k in range(num_steps)]
    losses: list[Tensor] = []
    for lr in lrs:
        for group in optimizer.param_groups:
            group["lr"] = lr
        loss = loss_of(trained)
        loss.backward()
        step()
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
    steepest, bottom = _fall(lrs[:end], losses[:end])
    suggestion = None if steepest is None or bottom is None else math.sqrt(steepest * bottom)
    return RangeTest(lrs, losses, smoothed, steepest, bottom, suggestion, None if end is None else lrs[end])


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


def _fall(lrs: list[float], losses: list[float]) -> tuple[float | None, float | None]:
    """Learning rates at which the loss falls most steeply and at which the fall ends.

    Judged on straight lines fitted around each point, which look both ways: the exponential average lags behind, and
    at its start follows the noise of single batches.
    """
    if len(losses) < MIN_POINTS:
        return None, None
    level, slope = _local_lines(np.array(losses), max(len(losses) // WINDOW_SHARE, 3))
    lowest = int(np.argmin(level))
    start = float(np.median(level[: max(len(level) // WINDOW_SHARE, 1)]))
    fall = start - float(level[lowest])
    if fall <= FALL * abs(start):
        return None, None
    bottom = int(np.argmax(level <= start - (1 - RIM) * fall))
    # Where nothing has fallen yet, a slope is the noise of the batches.
    begun = int(np.argmax(level <= start - RIM * fall))
    steepest = begun + int(np.argmin(slope[begun : bottom + 1]))
    return lrs[steepest], lrs[bottom]


def _local_lines(losses: Floats, reach: int) -> tuple[Floats, Floats]:
    """Height and slope per step of the least-squares line through each point and `reach` neighbours on either side."""
    level, slope = np.empty_like(losses), np.empty_like(losses)
    for k in range(len(losses)):
        first, stop = max(k - reach, 0), min(k + reach + 1, len(losses))
        offsets = np.arange(first, stop) - k
        slope[k], level[k] = np.polyfit(offsets, losses[first:stop], 1)
    return level, slope
