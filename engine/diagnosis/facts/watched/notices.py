"""Facts about what torch and Python warned of while a step was made. Plain data, no torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Notice:
    """A warning that was raised."""

    kind: str
    """Its class: `UserWarning`."""
    text: str
    """Its first line."""
    place: str
    """File and line that it names, of torch's own code too; empty: unknown."""
    is_of_torch: bool
    """Whether torch raised it, or named the place."""
