"""Facts about the loss functions of torch that a step calls. Plain data, no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class LossCall:
    """A loss function of torch, as a training step called it."""

    name: str
    """As torch calls it: `cross_entropy`, `mse_loss`; `difference` for a subtraction."""
    made_by: str
    """The function that its first argument is the output of: `softmax`, `log_softmax`, `sigmoid`, `tanh`, `relu`;
    empty: another."""
    in_unit: bool
    """Whether that argument lies in [0, 1] throughout."""
    sums_to_one: bool
    """Whether it sums to 1 over the classes, for each sample."""
    highest: float
    """Its largest value; NaN: not asked."""
    value: float
    """What the function gave, in the mean."""
    input_shape: tuple[int, ...]
    target_shape: tuple[int, ...]
    """Empty: a scalar, or none."""
    target_mean: float = math.nan
    """Of targets that are quantities; NaN: they are classes."""
    target_std: float = math.nan
    out_of_reach: float = 0.0
    """Share of the targets beyond what the activation can give that made the answers."""
    class_weights: tuple[float, ...] = ()
    """Weight of each class in a cross-entropy; empty: none is given."""

    @property
    def num_classes(self) -> int:
        """Classes of a cross-entropy."""
        return self.input_shape[1] if len(self.input_shape) > 1 else self.input_shape[-1] if self.input_shape else 0

    @property
    def is_broadcast(self) -> bool:
        """Whether each answer is held against the targets of others: (B, 1) beside (B) are stretched to (B, B)."""
        shorter, longer = sorted((self.input_shape, self.target_shape), key=len)
        return len(longer) == len(shorter) + 1 and longer == (*shorter, 1) and shorter[-1:] > (1,)


@dataclass(frozen=True)
class BatchSoftmax:
    """A softmax over the samples of the batch."""

    place: str
    """The module that calls it, or `the step`."""
    shape: tuple[int, ...]
