"""What a record of a watched loop holds: decided from its first steps, as nobody says it beforehand.

Plain decisions over names and kinds; writes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from trainctl.engine.runs.record import MAX_CLASSES, RecordLayout
from trainctl.engine.runs.term_kinds import KIND_OF_NAME, TermKind
from trainctl.engine.training.record.assemble import RowPlan
from trainctl.engine.watch.boundary import Boundary, Measured
from trainctl.engine.watch.term_weights import TermWeights

TOTAL = "loss"
GRAPHS: Mapping[str, TermKind] = {
    "NllLoss": "cross_entropy",
    "BinaryCrossEntropy": "binary_cross_entropy",
}
"""What the last function of a loss's graph says of its kind."""
PASSED_THROUGH = ("Div", "Mul", "Mean", "ToCopy", "Squeeze", "View", "Alias")
"""Functions behind a loss that leave it what it is."""


@dataclass(frozen=True)
class Logged:
    """Names that the loop logs: parts of the loss, and other figures."""

    terms: tuple[str, ...]
    scalars: tuple[str, ...]


@dataclass
class Step:
    """One step as it was heard, not yet a row."""

    measured: Mapping[str, Measured | None]
    """By the name of the optimiser; None: it took no step in this round."""
    logged: Mapping[str, Tensor]
    in_graph: frozenset[str] = frozenset()
    """Of the logged, what has a gradient."""
    labels: Sequence[np.ndarray[Any, np.dtype[np.int64]]] = field(default_factory=list[Any])


def sort_logged(steps: Sequence[Step]) -> Logged:
    """A figure is a term of the loss where it had a gradient, or is called a loss."""
    names = list(dict.fromkeys(name for step in steps for name in step.logged))
    terms = [name for name in names if any(name in step.in_graph for step in steps) or _says_loss(name)]
    return Logged(tuple(terms), tuple(name for name in names if name not in terms))


def _says_loss(name: str) -> bool:
    return "loss" in name.lower() or name in KIND_OF_NAME


def kind_of_graph(graph: Any) -> TermKind | None:
    """What a loss is by the functions that made it; None: they do not say."""
    for _ in range(8):
        if graph is None:
            return None
        name = str(graph.name())
        for begin, kind in GRAPHS.items():
            if name.startswith(begin):
                return kind
        if not name.startswith(PASSED_THROUGH):
            return None
        graph = next((before for before, _ in graph.next_functions if before is not None), None)
    return None


class KnownClasses:
    """In place of the labels of all samples: what a batch names are its classes themselves."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __getitem__(self, classes: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Those that there are; what is beyond, as a label that is to be passed over, is left out."""
        return classes[(classes >= 0) & (classes < self.count)]


@dataclass(frozen=True)
class Columns:
    """The columns of a watched loop, and where each value of a step goes."""

    boundaries: tuple[Boundary, ...]
    logged: Logged
    plan: RowPlan

    @property
    def has_total(self) -> bool:
        """Whether the terms are the losses of the backward passes, not what was logged."""
        return not self.plan.has_own_loss and not self.logged.terms


def decide(
    boundaries: Sequence[Boundary],
    steps: Sequence[Step],
    classes: Sequence[str],
    graph: Any,
    kinds: Mapping[str, TermKind],
) -> Columns:
    """The columns for a loop that began with these steps.

    Args:
        boundaries: of the optimisers that stepped.
        steps: the first ones.
        classes: names; empty: unknown.
        graph: last function of the first loss's graph.
        kinds: what terms are, where the user says so.
    """
    logged = sort_logged(steps)
    has_losses = any(part is not None and part.losses for step in steps for part in step.measured.values())
    if len(boundaries) > 1:
        logged = Logged((), (*logged.terms, *logged.scalars))
    terms = logged.terms
    has_own_loss = bool(terms) and has_losses
    if not terms:
        terms = (TOTAL,) if len(boundaries) == 1 else tuple(f"{TOTAL}.{boundary.name}" for boundary in boundaries)
    found = kind_of_graph(graph)
    told: dict[str, TermKind] = {TOTAL: found} if found is not None and terms == (TOTAL,) else {}
    layout = RecordLayout(
        terms=terms,
        groups=tuple(name for boundary in boundaries for name in _group_names(boundary, len(boundaries))),
        lr_groups=sum(_num_groups(boundary, steps) for boundary in boundaries),
        lr_names=_rate_names(boundaries, steps),
        classes=tuple(classes) if len(classes) <= MAX_CLASSES else (),
        scalars=logged.scalars,
        kinds={**told, **{name: kind for name, kind in kinds.items() if name in terms}},
        frozen=tuple(dict.fromkeys(name for boundary in boundaries for name in boundary.frozen)),
    )
    first = [_first(boundary, steps) for boundary in boundaries]
    rates = [rate for part in first for rate in (part.rates if part else [])]
    plan = RowPlan(
        layout=layout,
        group_of=_groups_of(boundaries),
        has_amp_scale=any(part is not None and part.amp_scale is not None for part in first),
        labels=KnownClasses(len(classes)) if classes else None,
        has_own_loss=has_own_loss,
        device_rates=tuple(place for place, rate in enumerate(rates) if isinstance(rate, Tensor)),
        weigh=TermWeights() if has_own_loss else None,
    )
    return Columns(tuple(boundaries), logged, plan)


def _first(boundary: Boundary, steps: Sequence[Step]) -> Measured | None:
    return next((part for step in steps if (part := step.measured.get(boundary.name)) is not None), None)


def _num_groups(boundary: Boundary, steps: Sequence[Step]) -> int:
    part = _first(boundary, steps)
    return len(part.rates) if part else 0


def _rate_names(boundaries: Sequence[Boundary], steps: Sequence[Step]) -> tuple[str, ...]:
    if len(boundaries) == 1:
        return ()
    return tuple(boundary.name for boundary in boundaries for _ in range(_num_groups(boundary, steps)))


def _group_names(boundary: Boundary, count: int) -> list[str]:
    names = boundary.meter.groups
    return names if count == 1 else [f"{boundary.name}.{name}" for name in names]


def _groups_of(boundaries: Sequence[Boundary]) -> tuple[int, ...]:
    found: list[int] = []
    for boundary in boundaries:
        start = max(found, default=-1) + 1
        found += [start + place for place in boundary.meter.group_of]
    return tuple(found)
