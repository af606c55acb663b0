"""What the cockpit knows of a run, in memory: series, events, the newest record. No files, no widgets.

Grows by `RunUpdate`s and by nothing else. Memory is bounded: series are pyramids, the console is in the panel.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainctl.engine.runs.events import Event, EventKind, current_events
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.record import RecordLayout
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.status import Liveness, Status
from trainctl.engine.runs.summary import Summary
from trainctl.tui.charts.pyramid import Points, Pyramid

Records = NDArray[np.void]
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class RunUpdate:
    """What is new. Fields that do not change are repeated, lists and records hold only what was added."""

    restarted: bool = False
    """The run was resumed and its records start over: forget the earlier ones."""
    layout: RecordLayout | None = None
    records: Records | None = None
    events: tuple[Event, ...] = ()
    console: tuple[str, ...] = ()
    """Complete lines the process printed."""
    status: Status | None = None
    liveness: Liveness = Liveness.STARTING
    age_s: float = 0.0
    """Since the last sign of life."""
    meta: dict[str, Any] | None = None
    summary: Summary | None = None
    exit_code: int | None = None
    """How the process we started ended; none while it runs, or where somebody else started it."""
    problems: tuple[str, ...] = ()
    """Files that cannot be understood."""


@dataclass(frozen=True)
class Plan:
    """The learning rate plan in force."""

    points: Points
    """Learning rate over steps."""
    total_steps: int
    warmup_steps: int

    @classmethod
    def of(cls, event: Event) -> Plan:
        """From a `plan` event."""
        pairs = [pair for pair in event.data.get("points") or () if len(pair) == 2]
        array = np.array(pairs, np.float64).reshape(-1, 2)
        total, warmup = (int(event.data.get(name) or 0) for name in ("total_steps", "warmup_steps"))
        return cls(Points(array[:, 0], array[:, 1]), total, warmup)


@dataclass
class RunView:
    """The state behind every panel.

    `series` holds pyramids by record field: `loss`, `lr` (first group), `grad_norm`, `grad_norm.<group>`,
    `scalar.<name>`; and `weighted.<term>` for each loss term times its weight;
    positions are optimiser steps.
    """

    paths: RunPaths
    layout: RecordLayout | None = None
    series: dict[str, Pyramid] = field(default_factory=dict[str, Pyramid])
    last: np.void | None = None
    """Newest step record."""
    events: list[Event] = field(default_factory=list[Event])
    """In force: without those a resume took back."""
    plan: Plan | None = None
    """Of the newest `plan` event in force."""
    epoch_counts: Counts | None = None
    """Samples of each class seen in the epoch in progress."""
    last_epoch_counts: Counts | None = None
    """The same, over the whole previous epoch."""
    epoch: int = 0
    first_nonfinite: int | None = None
    """First step whose loss is not finite."""
    status: Status | None = None
    liveness: Liveness = Liveness.STARTING
    age_s: float = 0.0
    meta: dict[str, Any] | None = None
    summary: Summary | None = None
    exit_code: int | None = None
    problems: tuple[str, ...] = ()
    asked: dict[str, str] = field(default_factory=dict[str, str])
    """Commands sent and not acknowledged yet: id to words."""

    @property
    def state(self) -> RunState:
        """Where the run stands, as it says itself."""
        if self.summary is not None and self.liveness is not Liveness.LIVE:
            return self.summary.state
        return self.status.state if self.status else RunState.STARTING

    @property
    def is_over(self) -> bool:
        """Whether nobody reads commands any more."""
        return self.state.is_over or self.liveness is Liveness.CRASHED or self.exit_code is not None

    @property
    def step(self) -> int:
        """Last finished optimiser step."""
        recorded = int(self.last["step"]) if self.last is not None else 0
        return max(recorded, self.status.step if self.status else 0)

    @property
    def preset(self) -> str:
        """Full name of the preset, empty while unknown."""
        if self.status:
            return self.status.preset
        return str((self.meta or {}).get("preset", ""))

    def apply(self, update: RunUpdate) -> list[Event]:
        """Take in what is new; returns the events added."""
        if update.restarted:
            self._forget_records()
        self.layout = update.layout or self.layout
        if update.records is not None and len(update.records):
            self._take_records(update.records)
        if update.events:
            self.events = current_events([*self.events, *update.events])
            if {EventKind.PLAN, EventKind.RESUME} & {event.kind for event in update.events}:
                plans = self.of_kind(EventKind.PLAN)
                self.plan = Plan.of(plans[-1]) if plans else None
        for event in update.events:
            if event.kind is EventKind.COMMAND:
                self.asked.pop(str(event.data.get("id")), None)
        self.status, self.liveness, self.age_s = update.status, update.liveness, update.age_s
        self.meta, self.summary, self.problems = update.meta, update.summary, update.problems
        self.exit_code = update.exit_code
        return list(update.events)

    def of_kind(self, *kinds: EventKind) -> list[Event]:
        """Events of these kinds, oldest first."""
        return [event for event in self.events if event.kind in kinds]

    def validation(self, which: str, metric: str) -> Points:
        """A validation metric over the steps; `which` is `raw` or `ema`."""
        found = [
            (event.step, event.data[which][metric])
            for event in self.of_kind(EventKind.VALIDATION)
            if isinstance(event.data.get(which), dict) and metric in event.data[which]
        ]
        steps = np.array([step for step, _ in found], np.float64)
        values = np.array([np.nan if value is None else value for _, value in found], np.float64)
        return Points(steps, values)

    def batch_counts(self) -> Counts | None:
        """Samples of each class in the newest batch."""
        if self.last is None or "classes" not in (self.last.dtype.names or ()):
            return None
        return np.asarray(self.last["classes"], np.int64)

    def _forget_records(self) -> None:
        self.series, self.last, self.first_nonfinite = {}, None, None
        self.epoch_counts = self.last_epoch_counts = None
        self.epoch = 0

    def _take_records(self, records: Records) -> None:
        first = float(records["step"][0])
        for name in records.dtype.names or ():
            if name == "lr":
                self._series("lr", first).extend(records["lr"][:, 0])
            elif name in ("loss", "grad_norm") or name.startswith(("grad_norm.", "scalar.")):
                self._series(name, first).extend(records[name])
        for term in self.layout.terms if self.layout else ():
            weighted = records[f"term.{term}"] * records[f"weight.{term}"]
            self._series(f"weighted.{term}", first).extend(weighted)
        self.last = records[-1]
        self._note_nonfinite(records)
        if "classes" in (records.dtype.names or ()):
            self._count_classes(records)

    def _series(self, name: str, first: float) -> Pyramid:
        if name not in self.series:
            self.series[name] = Pyramid(first)
        return self.series[name]

    def _note_nonfinite(self, records: Records) -> None:
        if self.first_nonfinite is None:
            wrong = np.flatnonzero(~np.isfinite(records["loss"]))
            if len(wrong):
                self.first_nonfinite = int(records["step"][wrong[0]])

    def _count_classes(self, records: Records) -> None:
        counts, epochs = records["classes"].astype(np.int64), records["epoch"]
        for epoch in np.unique(epochs):
            of_epoch = counts[epochs == epoch].sum(axis=0)
            if int(epoch) != self.epoch:
                self.last_epoch_counts = self.epoch_counts
                self.epoch, self.epoch_counts = int(epoch), of_epoch
            else:
                self.epoch_counts = self.epoch_counts + of_epoch if self.epoch_counts is not None else of_epoch
