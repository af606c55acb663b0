"""What a loop that is not ours tells of itself: how its data come, what it is asked, what of its network is trained.

Plain data; knows no file.
"""

from __future__ import annotations

from dataclasses import dataclass

from trainctl.engine.diagnosis.facts.watched.layers import RectifierFacts
from trainctl.engine.diagnosis.facts.watched.links import LinkFacts
from trainctl.engine.diagnosis.facts.watched.loss_calls import LossCall

FEWEST = 3
"""Steps between which it must have been looked whether gradients are cleared."""

NOT_SEEN = "needs a batch through the network, or the first steps of a watched loop"
"""Why what only these show is not checked."""


@dataclass(frozen=True)
class FeedFacts:
    """The order in which a loader gives its samples."""

    order: str
    """`sequential`, `shuffled` or `custom`."""
    sampler: str
    """Name of its sampler."""
    places: int = 0
    """Steps of an epoch whose losses were compared over several epochs; 0: none were."""
    neighbours: float = 0.0
    """Correlation of the loss at one place of the epoch with that at the next, over the mean of the epochs."""
    repeats: float = 0.0
    """Correlation of the losses of two epochs, place by place, in the median."""

    @property
    def is_in_order(self) -> bool:
        """Whether samples come in the order in which the data set has them."""
        return self.order == "sequential"


@dataclass(frozen=True)
class AnswerFacts:
    """How often each class was the answer in the first steps, where the loss is a cross-entropy over classes."""

    count: int
    classes: int
    entropy: float
    """Of their frequencies, in nats: the cross-entropy of a network that knows these alone."""
    loss: float
    """The same as the loop's own loss of a step: with what it multiplies or adds up."""
    largest: float
    """Share of the most frequent one."""


@dataclass(frozen=True)
class StairsFacts:
    """Where the loss of a whole training fell: within its epochs, or from one to the next.

    What is learned of samples in general shows in those that follow, within the epoch. What is learned by heart shows
    when its samples come again.
    """

    epochs: int
    first: float
    """Mean loss of the first epoch."""
    fallen: float
    """From that to the mean of the last."""
    within: float
    """Sum of what the straight lines through the epochs fall."""
    error: float
    """Standard error of that sum."""


@dataclass(frozen=True)
class PartsFacts:
    """Scalars of the network by what becomes of them."""

    trained: int
    frozen: int
    """That want no gradient."""
    left: int
    """That want one and are in no optimiser."""
    left_reached: int
    """Of these, that had one."""
    frozen_alone: int
    """Of the frozen, those without a trained twin of their name and shape."""
    only_small: bool
    """Whether nothing but biases and norms is trained."""
    adapters: bool
    """Whether nothing but adapters is, by name."""
    frozen_names: tuple[str, ...]
    left_names: tuple[str, ...]
    frozen_drawn: float | None
    """Share of the frozen matrices that may be independent draws; None: none of them tells."""
    left_drawn: float | None

    @property
    def total(self) -> int:
        """All scalars."""
        return self.trained + self.frozen + self.left


@dataclass(frozen=True)
class FirstPassFacts:
    """What a network showed in its first forward pass of training."""

    links: tuple[LinkFacts, ...] = ()
    rectifiers: tuple[RectifierFacts, ...] = ()


@dataclass(frozen=True)
class EvaluatingFacts:
    """A network that is trained in evaluation mode, in 20 steps or more up to the newest."""

    since: int
    """First step in this mode."""
    was_training: bool
    """Whether steps before were in training mode."""
    layers: int
    """Dropouts and BatchNorms in evaluation mode."""
    norms: int
    """The BatchNorms among them."""
    fresh: int
    """Those of them that are trained and have the statistics of the beginning."""
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class ForeignFacts:
    """What is known beside the records; parts that are not are None."""

    feed: FeedFacts | None = None
    answers: AnswerFacts | None = None
    stairs: StairsFacts | None = None
    parts: PartsFacts | None = None
    first_pass: FirstPassFacts | None = None
    losses: tuple[LossCall, ...] = ()
    """Loss functions of torch that the first backward pass began with."""
    evaluating: EvaluatingFacts | None = None
    uncleared: tuple[int, int] | None = None
    """Steps that began with the gradients of the one before, and steps that were looked at."""

    @property
    def is_never_cleared(self) -> bool | None:
        """Whether gradients are never cleared; None: it was not seen."""
        if self.uncleared is None or self.uncleared[1] < FEWEST:
            return None
        return self.uncleared[0] == self.uncleared[1]
