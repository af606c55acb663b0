"""Facts about gates and other clamped or saturating values inside a network. Plain data, no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

CLOSED, OPEN = "gate.closed.", "gate.open."
"""Beginning of the scalars by which a task records shares of a gate's values that are 0, and 1."""
NO_GATES = "the network has no gates, or its task records no shares of them (scalars gate.closed.NAME, gate.open.NAME)"
"""Why there are no `GateFacts` of most tasks."""


@dataclass(frozen=True)
class GateFacts:
    """One gate: shares of its values at its ends."""

    name: str
    source: str
    """`batch` (through an untrained network) or `records`."""
    closed: float
    """Share of the values at the lower end; of a run: median over the newest steps."""
    open: float
    """Share at the upper end."""
    is_clamped: bool | None = None
    """Whether the ends are flat, without any gradient; False: they are only approached. None: unknown."""
    first_closed: float = math.nan
    """Share at the first step of a run; NaN: unknown."""
    first_open: float = math.nan
    num_steps: int = 1
    """Steps looked at."""
    without_gradient: Mapping[str, float] = field(default_factory=dict[str, float])
    """Share of the values to which each loss term passes no gradient, measured in one batch."""

    @property
    def at_ends(self) -> float:
        """Share of the values at either end."""
        return self.closed + self.open

    @property
    def first_at_ends(self) -> float:
        """The same at the first step."""
        return self.first_closed + self.first_open
