"""Facts about data, labels, the overlap of the splits, and batches as a sampler forms them. Plain data, no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Place:
    """Where in a split something was seen."""

    split: str
    tensor: str
    sample: int
    """Index into the split."""
    name: str
    """Where the sample came from; empty if the data does not say."""
    num_samples: int
    """Samples concerned in this tensor."""

    def __str__(self) -> str:
        origin = f" ({self.name})" if self.name else ""
        more = f" and {self.num_samples - 1:,} more" if self.num_samples > 1 else ""
        return f"{self.tensor} of {self.split} sample {self.sample}{origin}{more}"


@dataclass(frozen=True)
class Tail:
    """The hundredth of the samples whose number is farthest from the median."""

    share: float
    """Of the sum of squares around the median."""
    distance: float
    """Their median distance from the median, in terms of that of all; infinite where that is 0."""
    farthest: float
    """The value of the farthest."""


@dataclass(frozen=True)
class TensorFacts:
    """Statistics of one tensor, over its finite values."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    mean: float
    std: float
    minimum: float
    maximum: float
    num_nonfinite: int
    num_columns: int | None = None
    """Features, or channels of pictures, of a tensor whose values are quantities; None: not asked, or they are not."""
    num_constant: int | None = None
    """Of these, how many have one and the same value in every sample."""
    zeros: float | None = None
    """Share of the values of the others that are 0."""
    tail: Tail | None = None
    """Of one number a sample; None: it is another tensor, of whole numbers only, or of less than a hundred samples."""

    @property
    def is_constant(self) -> bool:
        """Whether every finite value is the same."""
        return self.minimum == self.maximum


@dataclass(frozen=True)
class SplitLabels:
    """Class labels of one split."""

    split: str
    counts: tuple[int, ...]
    """Samples of each class; what lies outside 0..C−1 is not counted here."""
    lowest: int
    highest: int
    num_outside: int = 0
    """Labels outside 0..C−1."""
    example: Place | None = None
    """A sample whose label is outside."""

    @property
    def num_samples(self) -> int:
        """All labels, those outside included."""
        return sum(self.counts) + self.num_outside


@dataclass(frozen=True)
class LabelFacts:
    """Class labels of the data set."""

    classes: tuple[str, ...]
    train: SplitLabels
    val: SplitLabels | None = None

    @property
    def splits(self) -> tuple[SplitLabels, ...]:
        """The splits that have labels."""
        return (self.train,) if self.val is None else (self.train, self.val)


@dataclass(frozen=True)
class SplitFacts:
    """One split."""

    name: str
    num_samples: int
    tensors: tuple[TensorFacts, ...]
    nonfinite: tuple[Place, ...]
    """First sample with a value that is not finite, of each tensor that has one."""


@dataclass(frozen=True)
class LeakFacts:
    """Samples that stand in both splits, byte for byte. Blank samples (one value throughout) are left out."""

    num_val: int
    """Validation samples that were compared."""
    num_shared: int
    """Of these, how many also are in the training split."""
    train_repeat_share: float
    """Share of training samples with an equal one in the training split itself: inputs that repeat by nature."""
    example: tuple[str, str] | None
    """A validation sample and its equal in training."""
    num_near: int | None = None
    """Validation samples with one in training that is nearly the same; None: not looked for."""
    near_example: tuple[str, str] | None = None
    num_labelled: int = 0
    """Samples of both splits that have a label and were compared; 0: none were."""
    num_contradicted: int = 0
    """Of these, how many have an equal with another label."""
    contradiction: tuple[str, str] | None = None


@dataclass(frozen=True)
class GroupFacts:
    """Persons, photos or recordings that the data names."""

    num_train: int
    num_val: int
    shared: tuple[str, ...]
    """The first few that are in both splits."""
    num_shared: int
    num_val_samples: int
    """Validation samples that belong to a shared group."""
    fix: Mapping[str, str] = field(default_factory=dict[str, str])
    """Options by dotted path with which no group is in both; empty: none are known."""


@dataclass(frozen=True)
class OverlapFacts:
    """What stands on both sides of the split: seen in the data, or recorded by a run at its start."""

    num_val: int
    """Validation samples."""
    leak: LeakFacts | None
    """None: not looked for, see `leak_missing`."""
    groups: GroupFacts | None
    """None: the data names no groups."""
    leak_missing: str = ""


@dataclass(frozen=True)
class DataFacts:
    """The tensors of the data set."""

    train: SplitFacts
    val: SplitFacts
    notes: tuple[str, ...] = ()
    missing: str = ""
    """Why the tensors could not be read; empty where they could."""

    @property
    def splits(self) -> tuple[SplitFacts, SplitFacts]:
        """Both splits."""
        return (self.train, self.val)


@dataclass(frozen=True)
class SamplerFacts:
    """Batches as the sampler forms them, or as the steps of a run recorded them."""

    source: str
    """`sampler` or `records`."""
    sizes: tuple[int, ...]
    """Samples of each batch that was looked at."""
    counts: np.ndarray[Any, np.dtype[np.int64]] | None
    """Samples of each class in each batch, shape (batches, classes); None: no labels."""
    batches_per_epoch: int | None
    """None: unknown."""
    last_size: int | None
    """Samples in the last batch of an epoch; None: unknown."""
    repeats: bool | None
    """Whether two epochs have the same batches in the same order; None: unknown, or one batch an epoch."""
    mean_places: tuple[float, ...] = ()
    """Mean place, 0 … 1, of the samples of each batch among those of their class; empty: unknown."""
    classes: tuple[str, ...] = ()
    """Names of the classes of `counts`."""
    drawn: float = 1.0
    """Share of the training split that the first epoch draws; asked only where all epochs are the same."""
    mean_targets: Mapping[str, tuple[float, ...]] = field(default_factory=dict[str, tuple[float, ...]])
    """Of each tensor with one number a sample: its mean over each batch of the first epoch, as `mean_places`."""

    @property
    def batch_size(self) -> int:
        """Usual number of samples in a batch."""
        return int(np.median(self.sizes)) if self.sizes else 0
