"""Classification of utterances, of which some are harder: negative log-likelihood and its focal form.

Knows logits and labels only.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def nll(logits_NC: Tensor, labels_N: Tensor) -> Tensor:
    """−ln p_y of each utterance, shape (N,), in float32."""
    return F.cross_entropy(logits_NC.float(), labels_N, reduction="none")


def focal_nll(logits_NC: Tensor, labels_N: Tensor, gamma: float = 2.0) -> Tensor:
    """(1 − p_y)^γ · (−ln p_y) of each utterance, shape (N,) (Lin et al. 2017, for several classes)."""
    losses_N = nll(logits_NC, labels_N)
    # 1 − e^(−x) by expm1: near a certain answer the plain difference has no digits left.
    return (-(-losses_N).expm1()).clamp(min=1e-12) ** gamma * losses_N
