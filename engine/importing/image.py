"""What a foreign training is as a run: the layout of its records, the records block by block, its events. Pure.

A record stands for a row of the log that has the training loss. What a series lacks there is carried on from before;
what is measured now and then is an event.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainctl.engine.diagnosis.logs.facts import LogFacts, Series, read_facts
from trainctl.engine.diagnosis.logs.names import Kind, words_of
from trainctl.engine.diagnosis.logs.roles import Roles
from trainctl.engine.diagnosis.logs.table import Floats, LogTable
from trainctl.engine.importing.foreign import Foreign
from trainctl.engine.importing.placing import Placed, joined, placed
from trainctl.engine.importing.sorting import Named, Parts, sort_series
from trainctl.engine.runs.record import RecordLayout, Records

BLOCK = 1 << 16
"""Records made at once."""
NEVER = ("data_s", "step_s", "batch_size", "clip", "nonfinite", "num_classes")
"""Fields that no log is read for."""
CLOCKS = (["time"], ["elapsed"], ["runtime"], ["time", "elapsed"], ["wall", "time"], ["timestamp"])
"""Names of columns that may be a clock: seconds since the beginning, or since 1970."""
SINCE_1970, LATEST = 1e9, 1e11
"""From which on seconds are counted from 1970, and what is later than any."""
LARGEST = float(np.finfo(np.float32).max)
PACE_S = 1.0
"""Between two records of a log that tells no time, so that a replay has an order; `time` is then unmeasured."""


@dataclass(frozen=True)
class Image:
    """A training as a run."""

    foreign: Foreign
    facts: LogFacts
    parts: Parts
    places: Placed
    layout: RecordLayout
    columns: tuple[tuple[str, NDArray[Any]], ...]
    """Fields of the records in their order, shape (n,) each; of `lr` (n, groups)."""
    times: Floats
    """Of each record, seconds since 1970."""

    def __len__(self) -> int:
        return len(self.places.rows)

    def blocks(self, first: int = 0) -> Iterator[Records]:
        """The records from `first` on."""
        dtype = self.layout.dtype
        nothing = np.zeros(1, dtype)
        for name in self.layout.unmeasured:
            if dtype[name].base.kind == "f":
                nothing[name] = np.nan
        for start in range(first, len(self), BLOCK):
            stop = min(start + BLOCK, len(self))
            records = np.repeat(nothing, stop - start)
            for name, values in self.columns:
                records[name] = values[start:stop]
            yield records

    @property
    def has_times(self) -> bool:
        """Whether the source tells when a row was written."""
        return "time" not in self.layout.unmeasured


def image_of(foreign: Foreign, roles: Roles, modified: float) -> Image:
    """What a training is as a run.

    Args:
        foreign: the training.
        roles: what the user says that names are.
        modified: when the source was last written, seconds since 1970.

    Raises:
        UserError: a role of a name that the log does not have.
    """
    facts = read_facts(joined(foreign.table), roles=roles)
    parts = sort_series(facts)
    places = placed(facts.table, parts.rows)
    columns = dict(_columns(parts, places))
    times, has_times = _times(facts.table, places, modified)
    columns |= {"step": places.steps, "epoch": places.epochs, "time": times}
    layout = RecordLayout(
        terms=tuple(term.name for term in parts.terms),
        groups=tuple(group.name for group in parts.groups),
        lr_groups=max(len(parts.rates), 1),
        scalars=tuple(scalar.name for scalar in parts.scalars),
        sparse=tuple(scalar.name for scalar in parts.scalars if len(scalar.series.rows) < len(places.rows)),
    )
    unmeasured = [name for name in layout.dtype.names or () if name not in columns]
    unmeasured += [] if has_times else ["time"]
    unmeasured += [] if places.epochs.any() else ["epoch"]
    layout = RecordLayout(
        layout.terms,
        layout.groups,
        layout.lr_groups,
        scalars=layout.scalars,
        sparse=layout.sparse,
        unmeasured=tuple(unmeasured),
    )
    return Image(foreign, facts, parts, places, layout, tuple(columns.items()), times)


def _columns(parts: Parts, places: Placed) -> Iterator[tuple[str, NDArray[Any]]]:
    """What is recorded of the series, by field."""
    num = len(places.rows)
    if parts.loss is not None:
        yield "loss", _single(_values(parts.loss, places))
    yield from _each("term", parts.terms, places)
    if parts.weights is not None:
        for term, weight in zip(parts.terms, parts.weights, strict=True):
            yield f"weight.{term.name}", np.broadcast_to(np.float32(weight), (num,))
    if parts.rates:
        yield "lr", np.stack([_values(rate, places) for rate in parts.rates], axis=1)
    if parts.norm is not None:
        yield "grad_norm", _single(_values(parts.norm, places))
    yield from _each("grad_norm", parts.groups, places)
    if parts.ratio is not None:
        yield "update_ratio", _single(_values(parts.ratio, places, carry=False))
    if parts.scale is not None:
        yield "amp_scale", _single(_values(parts.scale, places))
    yield from _each("scalar", parts.scalars, places)


def _each(kind: str, named: Sequence[Named], places: Placed) -> Iterator[tuple[str, NDArray[Any]]]:
    for one in named:
        yield f"{kind}.{one.name}", _single(_values(one.series, places))


def _values(series: Series, places: Placed, *, carry: bool = True) -> Floats:
    """The values at the training rows; where there is none the one before, at the beginning the first."""
    if not len(series.rows):
        return np.full(len(places.rows), np.nan)
    at = np.searchsorted(series.rows, places.rows, side="right") - 1
    values = series.values[np.maximum(at, 0)]
    if carry:
        return values
    is_there = (at >= 0) & (series.rows[np.maximum(at, 0)] == places.rows)
    return np.where(is_there, values, np.nan)


def _single(values: Floats) -> NDArray[np.float32]:
    """In single precision; what is finite stays finite."""
    return np.where(np.isfinite(values), np.clip(values, -LARGEST, LARGEST), values).astype(np.float32)


def _times(table: LogTable, places: Placed, modified: float) -> tuple[Floats, bool]:
    """When each record was written, and whether the log tells."""
    num = len(places.rows)
    if table.times is not None and num:
        told = table.times[places.rows]
        known = np.isfinite(told) & (told > 0)
        if known.mean() >= 0.5:  # the rest between its neighbours
            told = np.interp(np.arange(num), np.flatnonzero(known), told[known])
            return np.maximum.accumulate(told), True
    elapsed = _elapsed(table, places)
    if elapsed is not None:
        return elapsed if elapsed[0] > SINCE_1970 else modified - elapsed[-1] + elapsed, True
    return modified - PACE_S * np.arange(num - 1, -1, -1, dtype=np.float64), False


def _elapsed(table: LogTable, places: Placed) -> Floats | None:
    """Seconds at each record, from the beginning or from 1970, where the log has a clock; None: it has none."""
    if not len(places.rows):
        return None
    clocks = [table.steps[places.rows]] if table.step_unit == "second" else []
    named = (column for column in table.columns if words_of(column.name) in CLOCKS)
    clocks += [column.at_rows(table.num_rows)[places.rows] for column in named]
    return next((clock for clock in clocks if _is_clock(clock)), None)


def _is_clock(seconds: Floats) -> bool:
    """Whether it goes on from row to row, as the time a step takes does not."""
    return bool(np.isfinite(seconds).all() and (np.diff(seconds) >= 0).all() and 0 <= seconds[0] < seconds[-1] < LATEST)


def series_at(named: Named, places: Placed) -> Iterator[tuple[int, int, int, float]]:
    """Of a result the row, step, epoch and value of everything that stands."""
    rows = named.series.rows
    stands, steps, epochs = places.of(rows)
    values = named.series.values
    for k in np.flatnonzero(stands).tolist():
        yield int(rows[k]), int(steps[k]), int(epochs[k]), float(values[k])


def lower_is_better(kind: Kind) -> bool | None:
    """Whether less of a figure is better; None: nothing tells."""
    if kind in (Kind.TOTAL, Kind.TERM, Kind.ERROR):
        return True
    return False if kind in (Kind.RATE, Kind.CORRELATION, Kind.SCORE, Kind.REWARD, Kind.EXPLAINED_VARIANCE) else None
