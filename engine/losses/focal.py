"""Focal loss with label smoothing for one logit, seen as the two-class logits [−z, z].

Knows logits and targets only; no task, no network.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from trainctl.engine.losses.numerics import at_least_float32


def focal(logits_N: Tensor, targets_N: Tensor, smoothing: float = 0.05, gamma: float = 2.0) -> Tensor:
    """Mean of (1 − p_y)^γ · H(t, softmax([−z, z])) (Lin et al. 2017; smoothing: Szegedy et al. 2016).

    The softmax of [−z, z] gives P(positive) = σ(2z). For a target y the smoothed distribution is
    t = y·(1−s) + (1−y)·s for the positive class and 1 − t for the other. The focusing factor looks at the
    target itself, without smoothing. A soft target y between 0 and 1 (Mixup) interpolates both linearly:
    p_y = y·P(positive) + (1−y)·P(negative). The factor takes part in the gradient.

    Args:
        logits_N: z, shape (N,).
        targets_N: y in [0, 1], shape (N,).
        smoothing: s in [0, 0.5): 1 − s for the true class, s for the other.
        gamma: focusing exponent, at least 0; 0 is plain cross-entropy.
    """
    logits_N = at_least_float32(logits_N)
    targets_N = targets_N.to(logits_N.dtype)
    log_positive_N = F.logsigmoid(2 * logits_N)
    log_negative_N = F.logsigmoid(-2 * logits_N)
    smooth_N = smoothing + (1 - 2 * smoothing) * targets_N
    cross_entropy_N = -(smooth_N * log_positive_N + (1 - smooth_N) * log_negative_N)
    # ln(1 − p_y) rather than 1 − p_y: a power of an underflowed zero has no finite gradient when γ < 1.
    log_miss_N = torch.logaddexp(targets_N.log() + log_negative_N, torch.log1p(-targets_N) + log_positive_N)
    return ((gamma * log_miss_N).exp() * cross_entropy_N).mean()


def focal_prob(logits_N: Tensor) -> Tensor:
    """P(positive) that goes with `focal`: σ(2z), in float32 or better."""
    return (2 * at_least_float32(logits_N)).sigmoid()
