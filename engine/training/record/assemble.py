"""Turns a block of device rows and the host's notes into step records. Pure NumPy, vectorised over the block.

What can be computed here is not computed in the loop: group norms, the weighted total, class counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from trainctl.engine.runs.record import MAX_CLASSES, RecordLayout

Array = np.ndarray[Any, np.dtype[Any]]


class HostRow(NamedTuple):
    """What the loop knows of a step without asking the device."""

    step: int
    epoch: int
    time: float
    data_s: float
    step_s: float
    lr: tuple[float, ...]
    """Of each parameter group."""
    weights: tuple[float, ...]
    clip: float
    batch_size: int
    ratio_measured: bool
    indices: Sequence[Array]
    """Samples of the step (one array per accumulated batch), into the labels of the training split."""


class Labels(Protocol):
    """Classes by what a step notes of its samples; an array of the classes of all samples is that."""

    def __getitem__(self, samples: Array, /) -> Array:
        """Class of each of these samples, int64; what is beyond the classes that there are is counted for none."""
        ...


@dataclass(frozen=True)
class RowPlan:
    """Which column of a device row is what: terms, parameter norms, loss and AMP scale (if any), scalars, rates (those
    that are tensors), update ratio."""

    layout: RecordLayout
    group_of: tuple[int, ...]
    """Module group of each parameter norm."""
    has_amp_scale: bool
    labels: Labels | None
    """Class of each training sample, int64, or none."""
    has_own_loss: bool = False
    """Whether the loss is a column of its own, behind the norms, because nobody says how the terms make it up."""
    device_rates: tuple[int, ...] = ()
    """Parameter groups whose learning rate is a tensor: columns behind the scalars."""
    weigh: Callable[[Array, Array], Array] | None = None
    """Tells the weights of the terms, shape (n, k), from the terms and the loss, where the notes have none."""
    num_own: int = 0
    """Last columns, which are no part of the run's records: see `own`."""

    @property
    def num_guarded(self) -> int:
        """Leading scalars that must be finite: the terms and the norms."""
        return len(self.layout.terms) + len(self.group_of)

    @property
    def width(self) -> int:
        """Scalars in a device row, the extra column not counted."""
        extra = int(self.has_own_loss) + int(self.has_amp_scale) + len(self.device_rates) + self.num_own
        return self.num_guarded + extra + len(self.layout.scalars)


def assemble(plan: RowPlan, rows: Array, notes: Sequence[HostRow]) -> Array:
    """Step records of a block.

    Args:
        plan: what the columns are.
        rows: device rows, float32, shape (n, plan.width + 1).
        notes: the host's part, n of them.
    """
    layout = plan.layout
    records = np.zeros(len(notes), layout.dtype)
    _fill_host(records, notes)
    num_terms = len(layout.terms)
    terms, norms = rows[:, :num_terms], rows[:, num_terms : plan.num_guarded]
    weights = np.array([note.weights for note in notes], np.float32).reshape(len(notes), num_terms)
    next_column = plan.num_guarded + int(plan.has_own_loss)
    records["loss"] = rows[:, plan.num_guarded] if plan.has_own_loss else (terms * weights).sum(1)
    if plan.weigh is not None:
        weights = plan.weigh(terms, records["loss"])
    for column, name in enumerate(layout.terms):
        records[f"term.{name}"] = terms[:, column]
        records[f"weight.{name}"] = weights[:, column]
    _fill_norms(records, norms, plan)
    measured = np.array([note.ratio_measured for note in notes])
    records["update_ratio"] = np.where(measured, rows[:, plan.width], np.nan)
    records["amp_scale"] = rows[:, next_column] if plan.has_amp_scale else np.nan
    next_column += int(plan.has_amp_scale)
    for column, name in enumerate(layout.scalars):
        records[f"scalar.{name}"] = rows[:, next_column + column]
    next_column += len(layout.scalars)
    for column, group in enumerate(plan.device_rates):
        records["lr"][:, group] = rows[:, next_column + column]
    _fill_classes(records, notes, plan)
    return records


def _fill_host(records: Array, notes: Sequence[HostRow]) -> None:
    """Every column that has a note of its name."""
    for name, values in zip(HostRow._fields, zip(*notes, strict=True), strict=True):
        if name in (records.dtype.names or ()):
            records[name] = values


def _fill_norms(records: Array, norms: Array, plan: RowPlan) -> None:
    squares = norms.astype(np.float64) ** 2
    records["grad_norm"] = np.sqrt(squares.sum(1))
    records["nonfinite"] = (~np.isfinite(norms)).sum(1)
    group_of = np.array(plan.group_of)
    for index, name in enumerate(plan.layout.groups):
        records[f"grad_norm.{name}"] = np.sqrt(squares[:, group_of == index].sum(1))


def _fill_classes(records: Array, notes: Sequence[HostRow], plan: RowPlan) -> None:
    if plan.labels is None:
        records["num_classes"] = np.nan
        return
    num_classes = len(plan.layout.classes)
    # One look-up for the whole block: of a fast loop's steps there are hundreds.
    sizes = [sum(map(len, note.indices)) for note in notes]
    labels = plan.labels[np.concatenate([part for note in notes for part in note.indices])]
    rows = np.repeat(np.arange(len(notes)), sizes)
    is_class = (labels >= 0) & (labels < num_classes)
    if not is_class.all():
        rows, labels = rows[is_class], labels[is_class]
    flat = np.bincount(rows * num_classes + labels, minlength=len(notes) * num_classes)
    counts = flat.reshape(len(notes), num_classes)
    records["num_classes"] = (counts > 0).sum(1)
    if num_classes <= MAX_CLASSES:
        records["classes"] = counts
