"""What a record of a watched loop holds: decided from its first steps, as nobody says it beforehand.

Plain decisions over names and kinds; writes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from trainctl.engine.runs.record import MAX_CLASSES, RecordLayout
from trainctl.engine.runs.term_kinds import KIND_OF_NAME, TermKind
from trainctl.engine.training.record.assemble import RowPlan
from trainctl.engine.watch.boundary import Boundary, Measured
from trainctl.engine.watch.heard import Classes, Seen
from trainctl.engine.watch.term_weights import TermWeights

TOTAL = "loss"
NOTHING: Mapping[str, Tensor] = {}
PARTS = ("term", "weight")
"""Of the name of a term's fields."""
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


class Step:
    """One step, of several optimisers a round: what comes together of it, not yet a row.

    Attributes:
        measured: by the name of the optimiser; None: it took no step in this round.
        given: what was logged, as often as it was.
        logged: the same, one scalar each; there when it is complete.
        in_graph: of the logged, what has a gradient.
        batches: that were trained on.
        ratio: |update| / |weights|, a scalar on the device; None: not measured.
        ended: when its last optimiser was done, by the clock of intervals.
        number: 1 for the first; this and what follows is known when it is complete.
        epoch: 1 for the first.
        time: seconds since 1970.
        step_s: since the step before.
        clip: see `HostRow`.
    """

    number: int
    epoch: int
    time: float
    step_s: float
    # Of what most steps do not have nothing is set.
    given: dict[str, list[Tensor]] | None = None
    logged: Mapping[str, Tensor] = NOTHING
    in_graph: set[str] | None = None
    batches: Sequence[Seen] = ()
    ratio: Tensor | None = None
    ended: float = 0.0
    clip: float = math.nan

    def __init__(self) -> None:
        self.measured: dict[str, Measured | None] = {}

    @property
    def labels(self) -> list[Classes]:
        """Classes of its batches, an array each."""
        return [seen.labels for seen in self.batches if seen.labels is not None]

    @property
    def num_samples(self) -> int:
        """Of its batches; 0: none was seen."""
        return sum([seen.size for seen in self.batches])


def sort_logged(steps: Sequence[Step]) -> Logged:
    """A figure is a term of the loss where it had a gradient, or is called a loss."""
    names = list(dict.fromkeys(name for step in steps for name in step.logged))
    in_graph = {name for step in steps for name in step.in_graph or ()}
    terms = [name for name in names if name in in_graph or _says_loss(name)]
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

    def __getitem__(self, classes: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Those classes; what is beyond all classes, as a label that is to be passed over, counts for none."""
        return classes


@dataclass(frozen=True)
class Columns:
    """The columns of a watched loop, and where each value of a step goes."""

    boundaries: tuple[Boundary, ...]
    logged: Logged
    plan: RowPlan
    totals: tuple[Boundary, ...]
    """Whose backward passes' losses are told apart."""
    rates: Mapping[str, int]
    """How many learning rates are kept of each optimiser."""

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
    totals = _totals(boundaries, steps)
    if len(totals) > 1:
        logged = Logged((), (*logged.terms, *logged.scalars))
    terms = logged.terms
    has_own_loss = bool(terms) and any(_losses(step, one) for step in steps for one in totals)
    terms = terms or ((TOTAL,) if len(totals) == 1 else tuple(f"{TOTAL}.{boundary.name}" for boundary in totals))
    found = kind_of_graph(graph) if terms == (TOTAL,) else None
    told: dict[str, TermKind] = {} if found is None else {TOTAL: found}
    groups = _group_names(boundaries)
    rates = {one.name: _num_groups(one, steps) for one in boundaries[: 1 if is_in_parts(boundaries) else None]}
    layout = RecordLayout(
        terms=terms,
        groups=tuple(dict.fromkeys(groups)),
        lr_groups=sum(rates.values()),
        lr_names=() if len(rates) == 1 else tuple(name for name, count in rates.items() for _ in range(count)),
        classes=tuple(classes) if len(classes) <= MAX_CLASSES else (),
        scalars=logged.scalars,
        sparse=tuple(name for name in logged.scalars if any(name not in step.logged for step in steps)),
        kinds={**told, **{name: kind for name, kind in kinds.items() if name in terms}},
        frozen=_frozen(boundaries),
        unmeasured=_unmeasured(terms, steps, has_terms=bool(logged.terms)),
    )
    first = [part for boundary in boundaries if (part := _first(boundary, steps)) is not None]
    plan = RowPlan(
        layout=layout,
        group_of=tuple(layout.groups.index(name) for name in groups),
        has_amp_scale=any(part.amp_scale is not None for part in first),
        labels=KnownClasses() if classes else None,
        has_own_loss=has_own_loss,
        device_rates=_device_rates(boundaries[: len(rates)], steps),
        weigh=TermWeights() if has_own_loss else None,
    )
    return Columns(tuple(boundaries), logged, plan, totals, rates)


def _device_rates(boundaries: Sequence[Boundary], steps: Sequence[Step]) -> tuple[int, ...]:
    """Places of the rates that are tensors, among those of all parameter groups."""
    first = [_first(boundary, steps) for boundary in boundaries]
    kept = [rate for part in first if part is not None for rate in part.rates]
    return tuple(place for place, rate in enumerate(kept) if isinstance(rate, Tensor))


def is_in_parts(boundaries: Sequence[Boundary]) -> bool:
    """Whether the optimisers are parts of one, each stepping within the backward pass as its gradient is there."""
    return len(boundaries) > 1 and all(boundary.is_inner for boundary in boundaries)


def _totals(boundaries: Sequence[Boundary], steps: Sequence[Step]) -> tuple[Boundary, ...]:
    """Those whose steps follow a backward pass of their own: the others step for the same loss."""
    found = tuple(one for one in boundaries if any(_losses(step, one) for step in steps)) or tuple(boundaries)
    return found[: 1 if is_in_parts(boundaries) else None]


def _losses(step: Step, boundary: Boundary) -> Sequence[Tensor]:
    part = step.measured.get(boundary.name)
    return () if part is None else part.losses


def _first(boundary: Boundary, steps: Sequence[Step]) -> Measured | None:
    return next((part for step in steps if (part := step.measured.get(boundary.name)) is not None), None)


def _num_groups(boundary: Boundary, steps: Sequence[Step]) -> int:
    part = _first(boundary, steps)
    return len(part.rates) if part else 0


def _group_names(boundaries: Sequence[Boundary]) -> list[str]:
    """The group of each parameter norm of a row."""
    is_one = len(boundaries) == 1 or is_in_parts(boundaries)
    found: list[str] = []
    for boundary in boundaries:
        names = [boundary.meter.groups[place] for place in boundary.meter.group_of]
        found += names if is_one else [f"{boundary.name}.{name}" for name in names]
    return found


def _unmeasured(terms: Sequence[str], steps: Sequence[Step], *, has_terms: bool) -> tuple[str, ...]:
    """Fields that hold nothing: no backward pass was heard and no term is logged; no batch came from a loader."""
    is_heard = any(part is not None and part.losses for step in steps for part in step.measured.values())
    total = () if is_heard or has_terms else ("loss", *(f"{part}.{name}" for part in PARTS for name in terms))
    return (*total, *(() if any(step.num_samples for step in steps) else ("batch_size", "data_s")))


def _frozen(boundaries: Sequence[Boundary]) -> tuple[str, ...]:
    """Parts of the network that none of the optimisers trains."""
    trained = {name for boundary in boundaries for name in boundary.meter.groups}
    return tuple(dict.fromkeys(name for one in boundaries for name in one.frozen if name not in trained))
