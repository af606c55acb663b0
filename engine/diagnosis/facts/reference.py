"""How a training differs from one that is known to be good: plain figures, of which rules say what they mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Role(StrEnum):
    """What a series says of a training."""

    TRAINING = "training loss"
    VALIDATION = "validation loss"
    METRIC = "metric"
    TERM = "loss term"
    NORM = "gradient norm"
    RATE = "learning rate"

    @property
    def is_outcome(self) -> bool:
        """Whether one side of it is worse; a gradient or a rate is only another one."""
        return self not in (Role.NORM, Role.RATE)


@dataclass(frozen=True)
class Parting:
    """Where a series leaves that of the good training for good, or for a long while."""

    name: str
    role: Role
    is_of_training: bool
    """Whether it is measured on the samples that are learned from."""
    unit: str
    """Of `at`: epoch, step, or value where neither is known."""
    at: float
    share: float
    """The same as a share of what both trainings have, 0 to 1."""
    here: float
    """Level from there on, while they are apart."""
    good: float
    noise: float
    """Deviation of a level, of both together; of a gradient norm or a rate, of its logarithm."""
    is_to_the_end: bool

    @property
    def place(self) -> str:
        """`epoch 3`."""
        return f"{self.unit} {self.at:g}"


@dataclass(frozen=True)
class ReferenceFacts:
    """A training beside a good one of the same task."""

    source: str
    """Name of the good one."""
    partings: tuple[Parting, ...]
    """Earliest first; outcomes only where they are worse here."""
    together: tuple[str, ...]
    """Series of both that do not part so."""
    settings: Mapping[str, tuple[Any, Any]] = field(default_factory=dict[str, tuple[Any, Any]])
    """Value here and in the good one of what they are configured with differently, by dotted path."""
    data: tuple[str, ...] = ()
    """In which respects the data are others, in words."""
