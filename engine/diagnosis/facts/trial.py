"""Facts about optimiser steps made on a copy of the network: the first few with one and the same batch, and the whole
plan taken in a few large ones. Plain data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from trainctl.engine.diagnosis.facts.watched.layers import RectifierFacts

FRESH = 0.3
"""Size of fresh weights in terms of 1/√inputs, of which torch's layers have .58: no less is one that has begun."""


@dataclass(frozen=True)
class WeightFacts:
    """A trainable matrix, kernel or table, and what the steps did to it."""

    name: str
    numel: int
    size: float
    """Root mean square of its values at first."""
    usual: float
    """The size that a fresh layer of this many inputs would have: the measure of one that begins at next to nothing."""
    gradient_first: float
    """Norm of its gradient at the first step; NaN: none reached it."""
    gradient_most: float
    """The largest of the steps, and of one of another batch."""
    update_first: float
    """Root mean square of the first update."""
    moved: float
    """That of all of them together."""
    is_table: bool
    """Whether its rows are looked up, so that most of them rest."""
    is_uniform: bool
    """Whether its rows, of several, were all the same at first and moved by the same."""

    @property
    def by_inputs(self) -> float:
        """Its size in terms of 1/√inputs."""
        return self.size / self.usual * FRESH if self.usual else math.nan

    @property
    def measure(self) -> float:
        """The size that its updates are held against."""
        return max(self.size, self.usual)

    @property
    def weight_at_first(self) -> float:
        """What a relative change of the weights does to the loss, by the gradient of the first step."""
        return self.gradient_first * self.measure * math.sqrt(self.numel)

    @property
    def weight_at_most(self) -> float:
        """The same by the largest gradient of the steps."""
        return self.gradient_most * self.measure * math.sqrt(self.numel)

    @property
    def ratio(self) -> float:
        """The first update in terms of the weights; NaN where these are all 0."""
        return self.update_first / self.measure if self.measure else math.nan


@dataclass(frozen=True)
class DecayFacts:
    """The weight decay at the first step, over the matrices that decay."""

    is_decoupled: bool
    """Whether it shrinks the weights by a share of themselves beside the gradient's update, as AdamW does; else it is
    added to the gradient."""
    coefficient: float
    size: float
    """Root mean square of these weights."""
    update: float
    """That of the update without the decay, where it is decoupled; NaN: it is not."""
    share: float
    """Norm of the decay's part of the gradient in terms of the rest, where it is added to it; NaN: it is not."""

    def equilibrium(self, rate: float) -> float:
        """Size at which a decoupled decay takes off what updates of random direction add: u / √(2·lr·λ)."""
        shrinks = 2 * rate * self.coefficient
        return self.update / math.sqrt(shrinks) if shrinks > 0 else math.inf


@dataclass(frozen=True)
class TrialFacts:
    """What a few optimiser steps did."""

    num_steps: int
    rates: tuple[float, ...]
    """Learning rate of each."""
    losses: tuple[float, ...]
    """Before each step and behind the last, under the same random numbers; shorter where one was not finite."""
    norms: tuple[float, ...]
    """Gradient norm of each step, before clipping."""
    weights: tuple[WeightFacts, ...]
    """In the order in which the network names them."""
    rectifiers: tuple[RectifierFacts, ...]
    """Of the last step."""
    first_fall: float
    """By how much the first step lowers the loss to first order: −gradient · update."""
    decay: DecayFacts | None
    """None: no weight decays."""
    same_answer: bool
    """Whether behind the steps every sample gets the same result although the inputs differ."""
    has_groups: bool
    """Whether parts of the network minimise losses of their own, so that their sum says nothing."""
    clip: float | None = None
    why_short: str = ""
    """Why it ended before its last step; empty: it did not."""

    @property
    def reached(self) -> tuple[WeightFacts, ...]:
        """Matrices to which a gradient came, of whatever size, that are no tables."""
        return tuple(w for w in self.weights if not w.is_table and w.gradient_most == w.gradient_most)

    @property
    def highest(self) -> float:
        """The largest loss in terms of the first; infinite where one was not finite; NaN: unknown."""
        if not self.losses or not self.losses[0]:
            return math.nan
        return max(value if math.isfinite(value) else math.inf for value in self.losses) / abs(self.losses[0])

    @property
    def fell(self) -> float:
        """The last loss in terms of the first; NaN: unknown."""
        if len(self.losses) < 2 or not self.losses[0]:
            return math.nan
        return self.losses[-1] / self.losses[0]


@dataclass(frozen=True)
class AloneFacts:
    """What the main term comes to beside the others, and without them, by the same large steps."""

    name: str
    """The first that weighs anything."""
    multiple: float
    """Of the plan that was taken."""
    together: float
    """Share of the main term's first value behind the steps, with all terms; infinite where it was not finite."""
    alone: float
    """The same where no other term weighs anything."""
    without: Mapping[str, float]
    """The same where all but one of the others do, by that one."""


@dataclass(frozen=True)
class ReachFacts:
    """How far the plan leads: the sum of all its learning rates, and multiples of it, taken in a few large steps.

    While steps are small, what a gradient method does depends on the sum of its rates, not on their number.
    """

    num_steps: int
    """Large steps that each multiple was taken in."""
    first: float
    """Loss of the untrained network over the batches that are asked."""
    left: Mapping[float, float]
    """Share of it behind the steps, by multiple of the plan; infinite where one was not finite."""
    main: AloneFacts | None = None
    """None: there are not two terms that weigh anything, or there was no time."""

    @property
    def own(self) -> float:
        """Share of the loss that the plan itself takes away; below 0: its large steps overshoot; NaN: unknown."""
        return 1 - self.left.get(1.0, math.nan)

    @property
    def most(self) -> float:
        """The largest share that a multiple takes away."""
        return 1 - min(self.left.values(), default=math.nan)

    def multiple(self, share: float) -> float:
        """The smallest multiple that takes away so much of the largest share."""
        return min((multiple for multiple, left in self.left.items() if 1 - left >= share * self.most), default=1.0)
