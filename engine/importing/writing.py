"""Writes a foreign training as a run directory, and brings one up to date with a source that has grown.

Knows the files of a run; nothing of where the training comes from but what its image says.
"""

from __future__ import annotations

import math
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainctl.engine.diagnosis.logs.facts import Series
from trainctl.engine.diagnosis.records.imported import RESULT
from trainctl.engine.importing.image import Image
from trainctl.engine.importing.story import Story, end_line, exit_reason, story_of
from trainctl.engine.runs.atomic import write_atomic
from trainctl.engine.runs.events import EventLine
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.lines import append_lines
from trainctl.engine.runs.meta import write_meta
from trainctl.engine.runs.states import SCHEMA, RunState
from trainctl.engine.runs.status import Status, write_status
from trainctl.engine.runs.store import StepWriter
from trainctl.engine.runs.summary import Summary, write_summary

OWN_SECTIONS = ("about", "provenance")
"""Of our own `config.yaml`: there they say where values come from."""
JUDGE_S = 10.0
"""How long the rules may read what was imported."""


@dataclass(frozen=True)
class Origin:
    """Where an imported run comes from, as `meta.json` tells it."""

    path: str
    """Of the source, absolute."""
    tool: str
    name: str
    fingerprint: str
    """Of what was read."""
    modified: float
    """When the source was last written, seconds since 1970."""
    size: int
    """Bytes of the source."""
    columns: str = ""
    """What the user said of its names."""


def preset_of(image: Image) -> str:
    """What stands for the preset of an imported run."""
    return f"{image.foreign.tool}/{image.foreign.name}"


def write_run(paths: RunPaths, image: Image, origin: Origin, *, is_followed: bool = False) -> Story:
    """Write the files of a run into an empty folder; returns what happened in it.

    Args:
        paths: the run; its folder is there.
        image: the training.
        origin: where it comes from.
        is_followed: it may grow: its end is told by `finish`.

    Raises:
        UserError: the disk refuses.
    """
    story = story_of(image)
    if image.foreign.config:
        write_atomic(paths.config, _config(image).encode())
    write_meta(paths, _meta(image, origin))
    append_lines(paths.events, story.lines)
    _append_records(paths, image)
    if is_followed:
        say_running(paths, image)
    else:
        finish(paths, image, story)
    return story


def grow(paths: RunPaths, image: Image, before: Image, story: Story) -> Story:
    """Bring a run up to date with what its source has become; returns what happened in it.

    What was written already is kept where the source only has more; else the records begin anew.

    Raises:
        UserError: the disk refuses.
    """
    new = story_of(image)
    is_longer = image.layout == before.layout and _is_beginning(before, image)
    if not is_longer:
        for path in (paths.steps, paths.steps_layout, paths.overview, paths.overview_layout):
            path.unlink(missing_ok=True)
    if image.foreign.config and image.foreign.config != before.foreign.config:
        write_atomic(paths.config, _config(image).encode())
    _append_records(paths, image, len(before) if is_longer else 0)
    _tell(paths, new.lines, story.lines)
    say_running(paths, image)
    return new


def say_running(paths: RunPaths, image: Image) -> None:
    """Say that the source may still grow."""
    paths.summary.unlink(missing_ok=True)
    write_status(paths, _status(image, RunState.RUNNING, time.time()))


def finish(paths: RunPaths, image: Image, story: Story) -> None:
    """Sum the run up and say that it is over.

    Raises:
        UserError: the disk refuses.
    """
    from trainctl.engine.diagnosis.conclusion import conclude  # every rule: not needed to begin

    state = image.foreign.state if image.foreign.state.is_over else RunState.FINISHED
    append_lines(paths.events, [end_line(image, state)])
    judgement = conclude(paths, state, JUDGE_S)
    summary = Summary(
        state=state,
        steps=_last_step(image),
        epochs=story.num_epochs,
        seconds=_seconds(image),
        samples_per_s=math.nan,
        metrics=dict(story.last),
        best=story.best,
        findings=judgement.findings,
        num_checks=judgement.num_checks,
        not_judged=judgement.not_judged,
        verdict=judgement.verdict,
        looked_at=judgement.looked_at,
        exit_reason=exit_reason(state),
    )
    write_summary(paths, summary)
    write_status(paths, _status(image, state, _ended(image)))


def _append_records(paths: RunPaths, image: Image, first: int = 0) -> None:
    if not len(image):
        return
    writer = StepWriter(paths, image.layout, keep=int(image.places.steps[first - 1]) if first else None)
    try:
        for records in image.blocks(first):
            writer.append(records)
    finally:
        writer.close()


def _is_beginning(before: Image, image: Image) -> bool:
    """Whether the records of `before` are the first ones of `image`."""
    if len(image) < len(before):
        return False
    for (name, old), (_, new) in zip(before.columns, image.columns, strict=True):
        if name != "time" and not np.array_equal(old, new[: len(old)], equal_nan=old.dtype.kind == "f"):
            return False
    return not image.has_times or bool(np.array_equal(before.times, image.times[: len(before)]))


def _tell(paths: RunPaths, lines: tuple[EventLine, ...], before: tuple[EventLine, ...]) -> None:
    """Append what is new of the events; where an earlier one has changed, write them anew."""
    if lines[: len(before)] == before and not _has_end(paths):
        if len(lines) > len(before):
            append_lines(paths.events, lines[len(before) :])
    else:
        write_atomic(paths.events, "".join(f"{line}\n" for line in lines).encode())


def _has_end(paths: RunPaths) -> bool:
    return paths.summary.exists()


def _status(image: Image, state: RunState, heartbeat: float) -> Status:
    step = _last_step(image)
    epochs = image.places.epochs
    epoch = int(epochs[-1]) if len(epochs) else 0
    seconds = _seconds(image)
    return Status(
        state=state,
        pid=os.getpid() if not state.is_over else 0,
        host=socket.gethostname(),
        step=step,
        epoch=epoch,
        epochs=epoch if state.is_over else 0,
        total_steps=step if state.is_over else 0,
        started=_started(image),
        heartbeat=heartbeat,
        steps_per_s=(len(image) - 1) / seconds if seconds > 0 else math.nan,
        samples_per_s=math.nan,
        eta_s=None,
        device="",
        preset=preset_of(image),
    )


def _meta(image: Image, origin: Origin) -> dict[str, Any]:
    config = image.foreign.config
    seed = config.get("seed")
    return {
        "schema": SCHEMA,
        "preset": preset_of(image),
        "started": _started(image),
        "imported": time.time(),
        "imported_from": origin,
        "step_unit": image.places.unit,
        "batches": image.facts.table.batches,
        "series": list(_series(image)),
        **({"seed": seed} if isinstance(seed, int) else {}),
    }


def _series(image: Image) -> Iterator[dict[str, Any]]:
    """Where each series of the log is kept, and what the log calls it: so it can be judged as a log again."""
    parts = image.parts
    kept: list[tuple[str, Series | None]] = [("loss", parts.loss)]
    kept += [(f"lr[{k}]", rate) for k, rate in enumerate(parts.rates)]
    kept += [(f"term.{one.name}", one.series) for one in parts.terms if one.series is not parts.loss]
    kept += [("grad_norm", parts.norm), ("amp_scale", parts.scale), ("update_ratio", parts.ratio)]
    kept += [(f"grad_norm.{one.name}", one.series) for one in parts.groups]
    kept += [(f"scalar.{one.name}", one.series) for one in parts.scalars]
    kept += [(f"{RESULT}{one.name}", one.series) for one in parts.results]
    for place, series in kept:
        if series is not None:
            units = series.column.half_units
            bounds = [float(units.min()), float(units.max())] if len(units) else [0.0, 0.0]
            column = series.column
            entry = {"at": place, "name": column.name, "split": column.split, "percent": column.is_percent}
            yield entry | {"half_unit": bounds}


def _config(image: Image) -> str:
    """The tool's settings as `config.yaml`, under the names it has for them."""
    from trainctl.engine.config.yamlfile import dump

    return dump({key: value for key, value in image.foreign.config.items() if key not in OWN_SECTIONS})


def _last_step(image: Image) -> int:
    return int(image.places.steps[-1]) if len(image) else 0


def _started(image: Image) -> float:
    if image.foreign.started is not None:
        return image.foreign.started
    return float(image.times[0]) if len(image) else time.time()


def _ended(image: Image) -> float:
    if image.foreign.ended is not None:
        return image.foreign.ended
    return float(image.times[-1]) if len(image) else time.time()


def _seconds(image: Image) -> float:
    if image.foreign.started is not None and image.foreign.ended is not None:
        return max(image.foreign.ended - image.foreign.started, 0.0)
    return float(image.times[-1] - image.times[0]) if image.has_times and len(image) else math.nan
