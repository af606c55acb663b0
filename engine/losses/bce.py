"""Binary cross-entropy on logits, with soft targets and a weight for the positive class.

Knows logits and targets only; no task, no network.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from trainctl.engine.losses.numerics import at_least_float32


def bce(logits_N: Tensor, targets_N: Tensor, pos_weight: float = 1.0) -> Tensor:
    """Mean over the batch of −[w·y·ln σ(z) + (1−y)·ln(1−σ(z))] (OCEC training document, §1.5).

    Computed in float32 or better; finite for any finite logit of practical size.

    Args:
        logits_N: z, shape (N,).
        targets_N: y in [0, 1], shape (N,); soft targets come from Mixup.
        pos_weight: w; negatives / positives makes both classes weigh the same.
    """
    logits_N = at_least_float32(logits_N)
    # `new_full` fills on the device; a tensor made from a Python number would be copied there and wait.
    weight = logits_N.new_full((), pos_weight)
    return F.binary_cross_entropy_with_logits(logits_N, targets_N.to(logits_N.dtype), pos_weight=weight)


def bce_prob(logits_N: Tensor) -> Tensor:
    """P(positive) that goes with `bce`: σ(z), in float32 or better."""
    return at_least_float32(logits_N).sigmoid()


def pos_weight_of(labels_N: Tensor) -> float:
    """Negatives / positives of 0/1 labels.

    Raises:
        ValueError: one of the classes is missing.
    """
    positives = int((labels_N == 1).sum())
    negatives = int((labels_N == 0).sum())
    if not positives or not negatives:
        raise ValueError(f"{positives} positives and {negatives} negatives")
    return negatives / positives
