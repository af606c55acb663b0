"""The loss terms that the eye classifier can be trained with, one line each. Knows logits and options, no network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from trainctl.engine.losses.bce import bce, bce_prob
from trainctl.engine.losses.focal import focal, focal_prob
from trainctl.engine.tasks.eyes.config import EyesLoss


@dataclass(frozen=True)
class Term:
    """A loss over one logit per image."""

    loss: Callable[[Tensor, Tensor, EyesLoss, float | None], Tensor]
    """Scalar from logits (B,), targets (B,) in [0, 1], options, and the weight of the open class where it has one."""
    prob: Callable[[Tensor], Tensor]
    """P(open), shape (B,), as the loss means it, from logits (B,)."""
    weighs_classes: bool = False
    """Whether it takes the weight of the open class, which follows from the training split."""


def _bce(logits_B: Tensor, targets_B: Tensor, options: EyesLoss, pos_weight: float | None) -> Tensor:
    del options
    if pos_weight is None:
        raise ValueError("pos_weight is computed from the training split: call load() first")
    return bce(logits_B, targets_B, pos_weight)


def _focal(logits_B: Tensor, targets_B: Tensor, options: EyesLoss, pos_weight: float | None) -> Tensor:
    del pos_weight
    return focal(logits_B, targets_B, options.smoothing, options.gamma)


TERMS: dict[str, Term] = {
    "bce": Term(_bce, bce_prob, weighs_classes=True),
    "focal": Term(_focal, focal_prob),
}
"""By name, which is also the name under which the term is recorded."""
