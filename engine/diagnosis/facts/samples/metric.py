"""Facts about the monitored metric: what it makes of the same answers in other orders, of some of them, and of others.

Plain data, no torch.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MetricFacts:
    """The metric that chooses the best checkpoint, of networks that were just built."""

    name: str
    num_samples: int
    """Validation samples whose answers it was given."""
    value: float
    repeats: float
    """Standard deviation of its values for one and the same answers."""
    orders: float
    """The same for the same answers in other orders, each beside its own truth."""
    halves: float
    """The same for halves of the samples, drawn at random: how far it moves by chance."""
    others: tuple[float, ...]
    """Its values for the answers of further networks."""
    are_others: bool
    """Whether those answers are others at all."""
    first: int | None
    """The least number of samples at the front that decide it alone; None: more than a quarter do."""
