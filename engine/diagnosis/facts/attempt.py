"""Facts about what a training does first, tried for its errors alone: steps, and a validation. Plain data, no torch."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Stage(StrEnum):
    """What was being done when a training's own code failed."""

    NETWORK = "network"
    """The network was built."""
    BATCHES = "batches"
    """The sampler was asked for an epoch."""
    FIRST = "first"
    """The first step."""
    LATER = "later"
    """The second step or the third."""
    LAST = "last"
    """The last batch of an epoch, which has another size than the others."""


@dataclass(frozen=True)
class Failure:
    """An error that the task's code, or torch in its name, raised."""

    kind: str
    """Its class: `RuntimeError`."""
    text: str
    """Its first line."""
    place: str
    """File, line and function of the task's own code that led to it; empty: it is unknown."""
    code: str = ""
    """What stands there; empty: it cannot be read."""


@dataclass(frozen=True)
class ColumnFacts:
    """One column of a validation's per-sample results."""

    name: str
    rows: int
    """First dimension; 0 too where it is a bare number."""
    is_number: bool = False
    """Whether it has no dimension at all."""


@dataclass(frozen=True)
class AttemptFacts:
    """What went wrong, if anything did, and what a validation gives."""

    training: Failure | None = None
    stage: Stage = Stage.FIRST
    """Where `training` happened."""
    batch_size: int = 0
    """Samples of the batch at which it happened; 0: there was none."""
    names: tuple[str, ...] = ()
    """Of the tensors of a batch."""
    validation: Failure | None = None
    """Of steps over the validation split, or of what is computed from all of it."""
    is_doubtful: bool = False
    """Whether `validation` may be the doing of the attempt, which answered a part of the split only."""
    num_answered: int = 0
    """Validation samples that were answered."""
    num_val: int = 0
    is_uneven: bool = False
    """Whether the last validation batch has another size than the others."""
    metrics: tuple[str, ...] | None = None
    """Names of what a validation measures; None: it failed, or was not reached."""
    columns: tuple[ColumnFacts, ...] = ()
    """Of one validation batch."""
    num_rows: int = 0
    """Samples of that batch."""
    keeps_worst: bool = False
    """Whether the task gives a loss of each validation sample, by which the worst are kept."""
    monitor: str = ""
    """Metric that chooses the best checkpoint, and whether more (`max`) or less (`min`) of it is better."""
    mode: str = ""
    asked_for: tuple[tuple[str, str], ...] = ()
    """Options that name a metric, with what they name."""
