"""How far features made again lie from the features, over the utterances of a batch that are there.

Knows tensors only; no network and no task.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torch.nn import functional as F

Distance = Literal["mse", "smooth_l1"]


def reconstruction(again_BLD: Tensor, features_BLD: Tensor, valid_BL: Tensor, distance: Distance) -> Tensor:
    """Mean over utterances and features of (a − x)², or of the SmoothL1 distance.

    SmoothL1 is (a − x)²/2 where |a − x| < 1, and |a − x| − 1/2 beyond: for small errors half of the squared one, so
    that a change from one to the other halves the term's weight as well.

    Args:
        again_BLD: made again, (B, L, D).
        features_BLD: what they should be.
        valid_BL: utterances that are there; padding counts for nothing.
        distance: which.
    """
    return per_utterance(again_BLD, features_BLD, distance)[valid_BL].mean()


def last_dialogue(again_BLD: Tensor, features_BLD: Tensor, valid_BL: Tensor, distance: Distance) -> Tensor:
    """The *sum* over the utterances of the last dialogue: what a loss becomes that is set to zero for each dialogue.

    A mistake, kept to show what it does. The term is as large as that dialogue is long, whatever the others are.
    """
    return per_utterance(again_BLD[-1], features_BLD[-1], distance)[valid_BL[-1]].sum()


def per_utterance(again: Tensor, features: Tensor, distance: Distance) -> Tensor:
    """Mean over the last dimension of the distance."""
    again = again.float()
    if distance == "mse":
        return (again - features).square().mean(-1)
    return F.smooth_l1_loss(again, features, reduction="none").mean(-1)
