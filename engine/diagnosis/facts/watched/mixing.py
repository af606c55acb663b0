"""Facts about samples of a batch that reach each other's results. Plain data, no torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MixingFacts:
    """What exchanging one sample of a batch does to the results of the others, in evaluation mode."""

    num_samples: int
    moved: float
    """Largest change of another sample's result, in terms of the change of its own."""
    num_moved: int
    """Samples whose results change by more than rounding."""
    missing: str = ""
    """Why it could not be told; the rest is then of no meaning."""


MOVED = 1e-3
"""Change from which on it is no rounding of another order of adding up."""
