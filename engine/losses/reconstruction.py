"""How far features made again lie from the features, over the utterances of a batch that are there.

Knows tensors only; no network and no task.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from trainctl.engine.losses.gather import is_shared, joined

Distance = Literal["mse", "smooth_l1"]


def reconstruction(again_ND: Tensor, features_ND: Tensor, distance: Distance) -> Tensor:
    """Mean over utterances and features of (a − x)², or of the SmoothL1 distance.

    SmoothL1 is (a − x)²/2 where |a − x| < 1, and |a − x| − 1/2 beyond: for small errors half of the squared one, so
    that a change from one to the other halves the term's weight as well.

    Args:
        again_ND: made again, of the utterances that are there, (N, D).
        features_ND: what they should be.
        distance: which.
    """
    return per_utterance(again_ND, features_ND, distance).mean()


def last_dialogue(again_ND: Tensor, features_ND: Tensor, valid_BL: Tensor, distance: Distance) -> Tensor:
    """The *sum* over the utterances of the last dialogue: what a loss becomes that is set to zero for each dialogue.

    A mistake, kept to show what it does. The term is as large as that dialogue is long, whatever the others are.

    Args:
        again_ND: made again, of the utterances that are there, (N, D).
        features_ND: what they should be.
        valid_BL: which of the batch those are.
        distance: which.
    """
    if is_shared():
        errors_N = per_utterance(again_ND, features_ND, distance)
        return joined(errors_N.new_zeros(valid_BL.shape).masked_scatter(valid_BL, errors_N))[-1].sum()
    dialogues = torch.arange(len(valid_BL), device=valid_BL.device)
    of_dialogue_N = dialogues[:, None].expand_as(valid_BL)[valid_BL]
    is_last_N = of_dialogue_N == len(valid_BL) - 1
    return (per_utterance(again_ND, features_ND, distance) * is_last_N).sum()


def constant_error(features_ND: Tensor, distance: Distance, rounds: int = 8) -> float:
    """The least mean distance that one and the same answer for every utterance has: what knows nothing reaches.

    The mean for a squared error; for SmoothL1, whose derivative is the clamped error, Newton's steps from there.

    Args:
        features_ND: features of the utterances, (N, D), without padding.
        distance: which.
        rounds: Newton's steps.
    """
    answer_D = features_ND.mean(0)
    for _ in range(rounds if distance == "smooth_l1" else 0):
        error_ND = features_ND - answer_D
        slope_D = (error_ND.abs() < 1).float().mean(0).clamp(min=0.05)  # where hardly an error is small: small steps
        answer_D = answer_D + error_ND.clamp(-1, 1).mean(0) / slope_D
    return float(per_utterance(answer_D.expand_as(features_ND), features_ND, distance).mean())


def per_utterance(again: Tensor, features: Tensor, distance: Distance) -> Tensor:
    """Mean over the last dimension of the distance."""
    again = again.float()
    if distance == "mse":
        return (again - features).square().mean(-1)
    return F.smooth_l1_loss(again, features, reduction="none").mean(-1)
