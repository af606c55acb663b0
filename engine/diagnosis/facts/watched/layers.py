"""Facts about the layers of an untrained network as one batch passes through it. Plain data, no torch."""

from __future__ import annotations

from dataclasses import dataclass

from trainctl.engine.diagnosis.facts.watched.links import LinkFacts

LARGE, SMALL = 20.0, 0.02
"""Scale of an input from which on, and up to which, it is far from 1."""
FAR = 15.0
"""The same of its mean, in terms of its spread."""
DROWNS, LARGER = 0.99, 30.0
"""Share of a single column from which on the others are drowned, and how many times larger it then is."""


@dataclass(frozen=True)
class EntryFacts:
    """A layer that reads the data: nothing that is trained stands before it."""

    name: str
    kind: str
    """`linear`, `conv2d`, `lstm`, …"""
    num_samples: int
    num_columns: int
    """Features or channels that it reads."""
    scale: float
    """Standard deviation over the samples that its input has for it: the spread in terms of the norm of its weights."""
    spread: float
    """Root mean square over its units of the deviation over the samples of what it gives, its bias left out."""
    offset: float
    """The same of what it gives in the mean over the samples, in terms of the spread."""
    zeros: float
    """Share of the input that is exactly 0."""
    largest: float
    """Share of the variance of what it gives that a single column makes; NaN: too few columns to ask."""
    largest_column: int
    largest_ratio: float
    """Deviation of that column in terms of the median deviation of the columns that vary; NaN as above."""
    constant: float
    """Share of the columns that are the same for every sample."""
    varying_zeros: float
    """Share of the others' values that is exactly 0; NaN: there are none."""
    is_scale_free: bool
    """Whether the results stay the same when its input is brought to deviation 1, and around 0 where it is far from it:
    a norm follows. Asked only where size or mean are odd."""

    @property
    def is_large(self) -> bool:
        """Whether the input is far too large for the layer; both it and what becomes of it."""
        return self.scale > LARGE and self.spread > LARGE / 2

    @property
    def is_small(self) -> bool:
        """Whether it is far too small."""
        return self.scale < SMALL and self.spread < SMALL

    @property
    def is_far(self) -> bool:
        """Whether what all samples share outweighs what tells them apart."""
        return self.offset > FAR

    @property
    def has_drowning_column(self) -> bool:
        """Whether one column leaves nothing of the others."""
        return self.largest > DROWNS and self.largest_ratio > LARGER


@dataclass(frozen=True)
class RectifierFacts:
    """A layer that passes nothing below a bound."""

    name: str
    num_units: int
    dead: float
    """Share of its units that are at the bound for every sample and place."""


@dataclass(frozen=True)
class ModeFacts:
    """A layer that does one thing in training and another in evaluation, and as which it was run."""

    name: str
    kind: str
    """`dropout` or `batch norm`."""
    in_training: frozenset[bool]
    """Modes in which a training step ran it; empty: it did not."""
    in_evaluation: frozenset[bool]
    """Modes in which a step of a validation ran it."""
    is_trained: bool = True
    """Of a norm: whether its weights, or those of the network before it, are trained."""
    is_fresh: bool = True
    """Of a norm: whether its statistics were those of a beginning, mean 0 and variance 1, before the batch."""
    values: int = 0
    """Of a norm: values of a channel in the batch that it saw, the fewest."""
    dropped: float = 0.0
    """Of a dropout on activations: the share that it drops."""
    momentum: float = 1.0
    """Of a norm: share of a batch in its statistics, the smallest; 1: it was not run in training mode."""


@dataclass(frozen=True)
class LayersFacts:
    """What one batch showed of the layers."""

    entries: tuple[EntryFacts, ...]
    rectifiers: tuple[RectifierFacts, ...]
    modes: tuple[ModeFacts, ...]
    stays_in_evaluation: bool = False
    """Whether a training step leaves the network in evaluation mode."""
    links: tuple[LinkFacts, ...] = ()
    """Dense layers and convolutions that read what others made."""
