"""The events of a foreign training: its beginning, the means of its epochs, its validations, its end.

As runs of ours tell them, so that whoever reads those reads these. Pure: makes lines, writes none.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainctl.engine.diagnosis.logs.names import VAL, Kind
from trainctl.engine.importing.image import Image, lower_is_better, series_at
from trainctl.engine.importing.sorting import QUALITY, Named
from trainctl.engine.runs.events import EventKind, EventLine, EventWriter
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.summary import Best

MOST_EPOCHS = 16_384
"""Epochs of which the means are told: no reader keeps more."""
PARTIAL = frozenset({"precision", "recall", "sensitivity", "specificity"})
"""Metrics that may be bought at the price of another."""
EXIT_REASONS = {
    RunState.FAILED: "failed, as the tool that wrote it says",
    RunState.KILLED: "killed, as the tool that wrote it says",
}


@dataclass(frozen=True)
class Monitor:
    """The result that says which validation is the best."""

    name: str
    is_lower_better: bool


@dataclass(frozen=True)
class Measured:
    """A validation."""

    step: int
    epoch: int
    values: Mapping[str, float]
    is_best: bool


@dataclass(frozen=True)
class Story:
    """What happened in a training."""

    lines: tuple[EventLine, ...]
    """In the order of their steps, without the end."""
    num_epochs: int
    """Finished ones."""
    last: Mapping[str, float]
    """Newest value of each result."""
    best: Best | None


def story_of(image: Image) -> Story:
    """The events of a training."""
    monitor = _monitor(image.parts.results)
    measured = list(_measured(image, monitor))
    epochs = list(_epochs(image))
    told = [(step, 0, EventKind.EPOCH, data) for step, data in epochs]
    told += [(one.step, 1, EventKind.VALIDATION, _validation(one, monitor)) for one in measured]
    told.sort(key=lambda entry: entry[:2])
    moments = _moments(image, [entry[0] for entry in told])
    start = float(image.times[0]) if len(image.times) else 0.0
    lines = [EventWriter.made(EventKind.START, 0, _about(image), start)]
    lines += [EventWriter.made(EventKind.NOTE, 0, {"text": text}, start) for text in _notes(image)]
    lines += [
        EventWriter.made(kind, step, data, when) for (step, _, kind, data), when in zip(told, moments, strict=True)
    ]
    last = {name: value for one in measured for name, value in one.values.items()}
    best = next((one for one in reversed(measured) if one.is_best), None)
    reached = None if best is None or monitor is None else Best(monitor.name, best.values[monitor.name], best.epoch)
    return Story(tuple(lines), len(epochs), last, reached)


def end_line(image: Image, state: RunState) -> EventLine:
    """The event that ends the training."""
    step = int(image.places.steps[-1]) if len(image) else 0
    when = float(image.times[-1]) if len(image) else None
    return EventWriter.made(EventKind.END, step, {"state": str(state), "exit_reason": exit_reason(state)}, when)


def exit_reason(state: RunState) -> str:
    """Why it ended, as far as that is known."""
    return EXIT_REASONS.get(state, "")


def _about(image: Image) -> dict[str, Any]:
    foreign = image.foreign
    return {"preset": f"imported from {foreign.path.name or foreign.path}", "tool": foreign.tool}


def _notes(image: Image) -> Iterator[str]:
    places, parts = image.places, image.parts
    yield from image.foreign.notes
    yield from image.foreign.table.notes
    if places.num_taken_back:
        yield (
            f"{places.num_taken_back:,} rows are left out: the log goes back to an earlier {places.unit} and tells"
            " them again"
        )
    if places.unit == "row":
        yield "the log counts no steps: a step is a row"
    elif places.unit == "epoch":
        yield "the log has a row for each epoch: a step is an epoch"
    if parts.loss is None and parts.terms:
        yield "the log names no total loss: its terms are shown as they are"
    if not image.has_times:
        yield "the log does not tell when its rows were written: nothing is known of times and speed"
    if parts.left_out:
        yield f"{len(parts.left_out)} columns are left out: {', '.join(parts.left_out[:3])} ..."


def _epochs(image: Image) -> Iterator[tuple[int, dict[str, Any]]]:
    """Last step of each epoch, and the means of its training rows."""
    epochs, steps = image.places.epochs, image.places.steps
    if not epochs.any():
        return
    first = np.flatnonzero(np.concatenate(([True], np.diff(epochs) > 0)))
    if len(first) > MOST_EPOCHS:
        return
    last = np.append(first[1:], len(epochs)) - 1
    means = {name: _means(values, first, last) for name, values in image.columns if _is_loss(name)}
    for k, (begin, end) in enumerate(zip(first.tolist(), last.tolist(), strict=True)):
        train = {name.removeprefix("term."): float(values[k]) for name, values in means.items()}
        data: dict[str, Any] = {"epoch": int(epochs[end]), "train": train}
        if image.has_times and end > begin:
            data["seconds"] = float(image.times[end] - image.times[begin])
        yield int(steps[end]), data


def _is_loss(name: str) -> bool:
    return name == "loss" or name.startswith("term.")


def _means(values: Any, first: Any, last: Any) -> Any:
    with np.errstate(all="ignore"):  # a value that is not finite is data here
        return np.add.reduceat(values.astype(np.float64), first) / (last - first + 1)


def _monitor(results: tuple[Named, ...]) -> Monitor | None:
    """The validation loss, else the first figure of a validation of which it is known which way is better."""
    usable = [one for one in results if lower_is_better(one.series.meaning.kind) is not None]
    found = min(usable, key=_rank, default=None)
    return None if found is None else Monitor(found.name, bool(lower_is_better(found.series.meaning.kind)))


def _rank(named: Named) -> int:
    """How well a result chooses the best validation: the least, the best."""
    meaning = named.series.meaning
    if named.name == "loss":
        return 0
    if meaning.split not in (VAL, ""):
        return 4
    if meaning.kind in (*QUALITY, Kind.REWARD):
        return 2 if meaning.words & PARTIAL else 1
    return 3


def _measured(image: Image, monitor: Monitor | None) -> Iterator[Measured]:
    """The validations: what was told in one row, or at one step."""
    by_place: dict[tuple[int, int], tuple[int, dict[str, float]]] = {}
    for named in image.parts.results:
        for row, step, epoch, value in series_at(named, image.places):
            key = (step, 0) if image.places.unit != "row" else (step, row)
            by_place.setdefault(key, (epoch, {}))[1][named.name] = value
    best = math.nan
    for (step, _), (epoch, values) in sorted(by_place.items(), key=lambda entry: entry[0]):
        value = math.nan if monitor is None else values.get(monitor.name, math.nan)
        sign = 1.0 if monitor is not None and monitor.is_lower_better else -1.0
        is_best = math.isfinite(value) and not sign * value >= sign * best
        best = value if is_best else best
        yield Measured(step, epoch, values, is_best)


def _validation(one: Measured, monitor: Monitor | None) -> dict[str, Any]:
    data: dict[str, Any] = {"epoch": one.epoch, "raw": dict(one.values), "best": one.is_best}
    if monitor is not None and monitor.name in one.values:
        data |= {"monitor": monitor.name, "monitor_mode": "min" if monitor.is_lower_better else "max"}
    return data


def _moments(image: Image, steps: list[int]) -> list[float]:
    """When each of these steps was done: what comes at its end is behind its record."""
    if not len(image):
        return [0.0] * len(steps)
    at = np.searchsorted(image.places.steps, np.array(steps, np.int64), side="right") - 1
    return [float(image.times[max(k, 0)]) for k in at.tolist()]
