"""Terms on the posteriors of a mixture: decided, balanced, undecided (training improvements document, §1–2).

Each takes log-posteriors (B, K) and gives a scalar in float32 or better, under autocast too. Knows no mixture, no
network, no weights of terms; what the values can be is in `clustering_bounds`. Nothing waits for the device.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from trainctl.engine.losses.numerics import at_least_float32

LEAST = -1e4
"""Log-posteriors below it are taken as it: both are a posterior of 0 in float64, but −∞ · 0 is NaN."""


def cluster_loss(log_posteriors_BK: Tensor) -> Tensor:
    """−mean over samples of the largest posterior: from −1 (one-hot) to −1/K (uniform)."""
    return -at_least_float32(log_posteriors_BK).amax(1).exp().mean()


def entropy_loss(log_posteriors_BK: Tensor) -> Tensor:
    """−mean over samples of H(p) = −Σ p ln p, in nats: from −ln K (uniform) to 0 (one-hot).

    Minimising it makes posteriors undecided, which is the opposite of what `cluster_loss` does.
    """
    log_posteriors_BK = _finite(log_posteriors_BK)
    return (log_posteriors_BK.exp() * log_posteriors_BK).sum(1).mean()


def balance_loss(log_posteriors_BK: Tensor) -> Tensor:
    """KL(q ‖ uniform) = ln K + Σ q ln q of the mean posterior q of the batch: from 0 (balanced) to ln K."""
    return _divergence(_log_mean(log_posteriors_BK))


def balance_loss_over_average(
    log_posteriors_BK: Tensor, average_K: Tensor | None, momentum: float
) -> tuple[Tensor, Tensor]:
    """`balance_loss` of the moving average a = momentum · previous + (1 − momentum) · mean posterior of the batch.

    A batch of B decided samples cannot be balanced better than B draws are; the average sees about 1/(1 − momentum)
    batches. Only the batch's share has a gradient, which is therefore (1 − momentum) times as large.

    Args:
        log_posteriors_BK: (B, K).
        average_K: the previous average, sums to 1; None: there is none yet, the average is that of the batch.
        momentum: from 0 (the batch alone) to below 1.

    Returns:
        the loss, and the new average (K,) without gradient.
    """
    log_mean_K = _log_mean(log_posteriors_BK)
    if average_K is None:
        return _divergence(log_mean_K), log_mean_K.detach().exp()
    mixed_K = momentum * average_K.detach().to(log_mean_K) + (1 - momentum) * log_mean_K.exp()
    # The logarithm of 0 has no gradient; what it is multiplied with is 0 then.
    log_mixed_K = mixed_K.clamp(min=torch.finfo(mixed_K.dtype).tiny).log()
    return (mixed_K * log_mixed_K).sum() + math.log(len(mixed_K)), mixed_K.detach()


def _log_mean(log_posteriors_BK: Tensor) -> Tensor:
    """Logarithm of the mean posterior of a batch, (K,)."""
    return _finite(log_posteriors_BK).logsumexp(0) - math.log(len(log_posteriors_BK))


def _divergence(log_share_K: Tensor) -> Tensor:
    return (log_share_K.exp() * log_share_K).sum() + math.log(len(log_share_K))


def _finite(log_posteriors_BK: Tensor) -> Tensor:
    return at_least_float32(log_posteriors_BK).clamp(min=LEAST)
