"""Facts about the terms of a loss: their gradients in one batch, their values and weights over a run. Plain data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

NO_TERMS = "nothing has been trained yet"
"""Why there are no `TermsFacts` before a run."""


@dataclass(frozen=True)
class TermGradient:
    """Gradient of one loss term, raw, in one batch of an untrained network."""

    name: str
    weight: float
    value: float
    norm: float
    """Over all parameters; 0: it reaches none."""
    shared: float
    """Over the parameters that the main term reaches as well."""
    main: float
    """Norm of the main term's raw gradient over the same parameters."""


@dataclass(frozen=True)
class GradientsFacts:
    """Each term's gradient; the main term is the first of the step's that weighs anything."""

    main: TermGradient
    others: tuple[TermGradient, ...]

    def share(self, term: TermGradient) -> float:
        """Weighted norm of a term's gradient where it meets the main term's, against all of the main term's.

        Not against the main term's on the shared parameters alone: those may be a corner of the network that it
        hardly touches, in which a regulariser outweighs it and does no harm.
        """
        mine, main = term.weight * term.shared, self.main.weight * self.main.norm
        return mine / (mine + main) if mine + main > 0 else math.nan


@dataclass(frozen=True)
class WeightCourse:
    """Weight of a term from epoch to epoch, of those that the records at hand tell."""

    name: str
    configured: float
    """At the first step."""
    values: tuple[float, ...]
    """Of each epoch, oldest first."""


@dataclass(frozen=True)
class TermCourse:
    """How one raw loss term went over a run."""

    name: str
    kind: str
    """What it is (`TermKind`); empty: unknown."""
    weight: float
    """Newest."""
    first: float
    """Median of the first tenth of the steps."""
    last: float
    """Median of the last tenth."""
    share: float
    """Median of |weight · term| over the sum of all of these, in the first tenth."""
    noise: float
    """Robust deviation of ln |term| about its running median, over the steps in which it stands above half its first
    value; NaN: too few of them."""
    num_noise: int
    """Steps that the noise is of."""
    by_last: float = math.nan
    """Correlation of that with ln of the things in the last sample of the batch; NaN: not recorded, or too few."""
    by_all: float = math.nan
    """The same with the things in the whole batch."""
    validated: tuple[float, ...] = ()
    """Of the newest validations, oldest first."""
    constant: float = math.nan
    """What the best constant answer reaches on the validation split; NaN: unknown."""

    @property
    def fell(self) -> float:
        """Share of its first value that it lost; NaN for one that began at 0."""
        return 1 - self.last / self.first if self.first > 0 else math.nan


@dataclass(frozen=True)
class TermsFacts:
    """The loss terms of a run, in the order of its step."""

    num_steps: int
    """Records at hand."""
    batch_size: int
    terms: tuple[TermCourse, ...]
    weights: tuple[WeightCourse, ...] = ()
    early: str = ""
    """Why it is too early to say that a term stands still, or why its beginning is not known; empty: neither."""
    useful: Mapping[str, tuple[float, float]] = field(default_factory=dict[str, "tuple[float, float]"])
    """Range within which the task's document keeps a term's weight."""
