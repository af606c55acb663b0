"""Facts about inputs and what is to be answered: what a simple learner makes of them, within a split and across.

Plain data, no torch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

DEVIATIONS = 4.0
"""Standard errors beyond which a difference of two hit rates is no accident, whatever was looked at before."""


@dataclass(frozen=True)
class Learnt:
    """How well a simple learner answers, left-one-out within each split and from one split to the other.

    Every figure is 0 at chance and 1 where all answers are right: of classes the mean recall r as (r − 1/C)/(1 − 1/C),
    of a figure the correlation of answer and truth.
    """

    num_train: int
    """Training samples that it learnt from."""
    num_val: int
    num_classes: int
    """Classes that both splits have; 0: a figure is to be answered."""
    train: float
    """A training sample from the other training samples."""
    val: float
    """A validation sample from the other validation samples."""
    across: float
    """Validation samples from the training samples."""
    train_apart: float
    """A stretch of the training samples from the rest: lower than `train` where neighbours are of one origin."""
    val_apart: float
    renumbered: float
    """As `across`, with the classes exchanged one for one so that most is right; 0: no exchange is one for one."""
    unlike: float
    """Largest ratio of the shares of a class in the two splits; 1: a figure is to be answered."""

    @property
    def within(self) -> float:
        """What the splits tell of themselves, each for itself, even of samples of another origin."""
        return min(self.train, self.train_apart, self.val, self.val_apart)

    @property
    def within_train(self) -> float:
        """The same of the training split."""
        return min(self.train, self.train_apart)

    def error(self, level: float, count: int) -> float:
        """Standard error of a figure of this level that `count` samples gave."""
        if not self.num_classes:
            return (1 - min(max(level, 0.0), 0.99) ** 2) / math.sqrt(max(count, 1))
        chance = 1 / self.num_classes
        recall = min(max(chance + level * (1 - chance), chance), 1 - 1 / max(count, 2))
        return math.sqrt(recall * (1 - recall) / max(count, 1)) / (1 - chance)

    def is_beyond(self, higher: float, of_higher: int, lower: float, of_lower: int) -> bool:
        """Whether one figure is above another by more than chance gives, of so many samples each."""
        error = math.hypot(self.error(higher, of_higher), self.error(lower, of_lower))
        return higher - lower > DEVIATIONS * error


@dataclass(frozen=True)
class Shift:
    """How far the inputs of the validation are from those of training."""

    area: float
    """Chance that a sample of the validation looks more like one than a sample of training does (area under the ROC
    curve of a learner that tells the two apart, left-one-out): .5 where they are alike."""
    within: float
    """The same of the two halves of the training split, in its order."""
    distance: float
    """Root mean square over the columns of the difference of the means, in deviations."""
    scale: float
    """Median over the columns of the deviation in the validation in terms of that in training."""


@dataclass(frozen=True)
class Augmented:
    """What training gets of its inputs beside what is stored of them."""

    num_samples: int
    kept: float
    """Share of the variance of what training gets that the stored value of the same place explains."""
    gain: float
    """Median over the columns of the factor between the two."""
    offset: float
    """Median over the columns of the difference of their means, in deviations of what is stored."""
    alike: float
    """Deviation from sample to sample of what training gets, in terms of what is stored."""
    across: float
    """As `Learnt.across`, learnt from augmented samples; NaN: not known."""


@dataclass(frozen=True)
class RelationFacts:
    """What a few hundred samples of each split say."""

    learnt: Learnt | None
    """None: the samples have no class and no single figure to answer, or too few were there."""
    shift: Shift | None
    """None: too few samples."""
    augmented: Augmented | None
    """None: training gets what is stored."""
    total_train: int
    """Training samples there are."""
    total_val: int
