"""Supervised contrastive loss over all pairs of a batch (Khosla et al. 2020, L_out).

Knows embeddings and labels only; no task, no network. Its closed forms are in `supcon_bounds`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from trainctl.engine.losses.numerics import at_least_float32

NORM_EPS = 1e-6
"""Embeddings shorter than this are not scaled up to length 1: their direction is noise."""


@dataclass(frozen=True)
class SupCon:
    """The loss of a batch and what it depends on; scalars on the device."""

    loss: Tensor
    """Mean over the anchors that have a positive; 0, without gradient, where none has."""
    positives: Tensor
    """Mean number of positives of all anchors."""
    no_positive: Tensor
    """Anchors without a positive. They are left out of `loss`, but are negatives to the others."""
    mean_cosine: Tensor
    """Mean cosine of different samples: 1 is complete collapse. NaN for a batch of one."""


def supcon(embeddings_BD: Tensor, labels_B: Tensor, temperature: float = 0.07) -> SupCon:
    """L_i = −mean over positives p of [s_ip/T − ln Σ_{a≠i} e^{s_ia/T}], s the cosine, averaged over anchors i.

    Everything is a negative that is not of the anchor's class. The embeddings are scaled to length 1 here, whatever
    the network did. Computed in float32 or better, under autocast too. Nothing waits for the device.

    Args:
        embeddings_BD: shape (B, D), any length.
        labels_B: class of each, shape (B,).
        temperature: T; .07 in the paper.
    """
    with torch.autocast(embeddings_BD.device.type, enabled=False):
        units_BD = F.normalize(at_least_float32(embeddings_BD), dim=1, eps=NORM_EPS)
        return _all_pairs(units_BD, labels_B, temperature)


def anchor_losses(embeddings_BD: Tensor, labels_B: Tensor, temperature: float = 0.07) -> Tensor:
    """L_i of every anchor, shape (B,), without gradient; 0 for anchors without a positive."""
    units_BD = F.normalize(at_least_float32(embeddings_BD.detach()), dim=1, eps=NORM_EPS)
    logits_BB = units_BD @ units_BD.T / temperature
    same_BB = (labels_B[:, None] == labels_B).to(logits_BB.dtype).fill_diagonal_(0)
    logits_BB.fill_diagonal_(torch.finfo(logits_BB.dtype).min)
    num_B = same_BB.sum(1)
    losses_B = logits_BB.logsumexp(1) - (same_BB * logits_BB).sum(1) / num_B.clamp(min=1)
    return torch.where(num_B > 0, losses_B, 0.0)


def _all_pairs(units_BD: Tensor, labels_B: Tensor, temperature: float) -> SupCon:
    num = len(units_BD)
    logits_BB = units_BD @ (units_BD / temperature).T
    with torch.no_grad():
        same_BB = (labels_B[:, None] == labels_B).to(logits_BB.dtype).fill_diagonal_(0)
        num_B = same_BB.sum(1)
        has_B = (num_B > 0).to(logits_BB.dtype)
        share_B = has_B / has_B.sum().clamp(min=1)
        # One weight for each pair: 1 / (positives of the anchor) / (anchors that count).
        weight_BB = same_BB * (share_B / num_B.clamp(min=1))[:, None]
        centre_D = units_BD.sum(0)
        mean_cosine = (centre_D @ centre_D - units_BD.square().sum()) / (num * (num - 1) or float("nan"))
    # The most negative finite number and not −inf: a weight of 0 must keep it out of the sum as well.
    logits_BB = logits_BB.fill_diagonal_(torch.finfo(logits_BB.dtype).min)
    loss = share_B @ logits_BB.logsumexp(1) - (weight_BB * logits_BB).sum()
    return SupCon(loss, num_B.mean(), num - has_B.sum(), mean_cosine)
