"""The tool that reads curves of a run, however long it is, in bounded time and memory. Reads run directories only."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from trainctl.engine.errors import UserError
from trainctl.engine.runs.blocks import BLOCK
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.overview import OverviewReader
from trainctl.engine.runs.reader import RunReader
from trainctl.engine.runs.record import RecordLayout
from trainctl.engine.runs.series import derive_series, may_be_absent, series_names
from trainctl.engine.runs.store import StoredRecords
from trainctl.tui.cli.mcp.bounds import Answer, RunName
from trainctl.tui.cli.mcp.curves import Curve, exact_curve, joined_curves, stretches
from trainctl.tui.cli.mcp.grounds import Grounds

VALIDATION = "validation."
"""Beginning of the names of validation metrics; `validation.ema.` of those of averaged weights."""
MOST_NAMES = 8
MOST_VALUES = 500
"""Points of all curves together."""
MOST_RECORDS = 1 << 17
"""Of more records the overview is read, whose blocks are then much shorter than a stretch."""
PORTION = 1 << 14
"""Records read at once."""


def run_series(
    grounds: Grounds,
    run: RunName = "latest",
    names: Annotated[
        list[str] | None,
        Field(
            max_length=MOST_NAMES,
            description="Curves by name, e.g. loss, validation.f1; left out: say which there are.",
        ),
    ] = None,
    points: Annotated[int, Field(ge=2, le=200, description="Points of each curve at most.")] = 50,
    first_step: Annotated[int | None, Field(description="From this step on; left out: the beginning.")] = None,
    last_step: Annotated[int | None, Field(description="Up to this step; left out: the newest.")] = None,
) -> Answer:
    """Read curves of a run: losses, learning rate, gradient norms, times, validation metrics.

    A curve with more values than points comes in stretches of equal numbers of steps: mean, min and max of each, and
    how many values in it were not finite. `steps` are the last steps of the stretches.
    """
    reader, answer = RunReader(grounds.run(run)), Answer()
    reader.poll()
    validations = _validations(reader)
    recorded = _recorded_names(reader)
    known = [*recorded, *validations]
    if not names:
        answer.data = {"names": answer.first(known, 200, "names")}
        return answer
    for name in names:
        _refuse_unknown(name, known)
    fewer = min(points, MOST_VALUES // len(names))
    if fewer < points:
        answer.left_out.append(f"points beyond {fewer} of each of {len(names)} curves; ask for fewer names")
    first, last = first_step or 0, last_step if last_step is not None else np.iinfo(np.int64).max
    curves = _recorded(reader, [name for name in names if name in recorded], first, last)
    for name in names:
        if name in validations:
            curves[name] = _within(validations[name], first, last)
    answer.data = {
        "run": reader.paths.root.name,
        "series": {name: _told(curves[name], fewer, answer, name) for name in names},
    }
    return answer


def _refuse_unknown(name: str, known: Sequence[str]) -> None:
    if name in known:
        return
    near = difflib.get_close_matches(name, known, 3)
    hint = f"did you mean {', '.join(near)}?" if near else f"there is: {', '.join(known[:20])}"
    raise UserError(f"no curve {name!r} in this run", hint)


def _recorded_names(reader: RunReader) -> tuple[str, ...]:
    layout, dtype = reader.steps.layout, reader.steps.dtype
    return () if layout is None or dtype is None else series_names(dtype, layout)


def _validations(reader: RunReader) -> dict[str, Curve]:
    """The curve of each metric."""
    found: dict[str, list[tuple[int, float]]] = {}
    for event in reader.current_events():
        if event.kind is not EventKind.VALIDATION:
            continue
        for weights, prefix in (("raw", VALIDATION), ("ema", f"{VALIDATION}ema.")):
            values: Any = event.data.get(weights)
            for name, value in values.items() if isinstance(values, dict) else ():
                number = float(value) if isinstance(value, (int, float)) else np.nan
                found.setdefault(f"{prefix}{name}", []).append((event.step, number))
    return {name: exact_curve(*map(np.array, zip(*pairs, strict=True))) for name, pairs in found.items()}


def _within(curve: Curve, first: int, last: int) -> Curve:
    return curve.part((curve.steps >= first) & (curve.steps <= last))


def _recorded(reader: RunReader, names: Sequence[str], first: int, last: int) -> dict[str, Curve]:
    """The curves of some columns between two steps; of very many records from the overview."""
    if reader.steps.layout is None or not names:
        return {}
    stored = reader.steps.stored()
    start, stop = stored.find("step", first), stored.find("step", last, right=True)
    if stop - start <= MOST_RECORDS:
        return _exactly(reader.steps.layout, stored, names, start, stop)
    whole = -(-start // BLOCK) * BLOCK, stop // BLOCK * BLOCK
    head, tail = (_exactly(reader.steps.layout, stored, names, a, b) for a, b in ((start, whole[0]), (whole[1], stop)))
    middle = _overview(reader, names, whole[0] // BLOCK, whole[1] // BLOCK)
    return {name: joined_curves([head[name].summed(), middle[name], tail[name].summed()]) for name in names}


def _exactly(
    layout: RecordLayout, stored: StoredRecords, names: Sequence[str], start: int, stop: int
) -> dict[str, Curve]:
    """Each value of some columns."""
    origin = float(stored[0]["time"]) if len(stored) else 0.0
    parts: dict[str, list[NDArray[Any]]] = {name: [np.empty(0)] for name in names}
    steps: list[NDArray[Any]] = [np.empty(0, np.int64)]
    for begin in range(start, stop, PORTION):
        records = stored[begin : min(begin + PORTION, stop)]
        steps.append(records["step"])
        for name, values in derive_series(records, layout, origin).items():
            if name in parts:
                parts[name].append(values)
    whole = np.concatenate(steps)
    return {
        name: exact_curve(whole, np.concatenate(of), may_lack=may_be_absent(name, layout)) for name, of in parts.items()
    }


def _overview(reader: RunReader, names: Sequence[str], start: int, stop: int) -> dict[str, Curve]:
    """Of whole blocks, by their numbers: an entry each."""
    layout, dtype = reader.steps.layout, reader.steps.dtype
    assert layout is not None and dtype is not None
    source = OverviewReader(reader.paths, layout, dtype)
    try:
        while not source.is_complete:
            source.advance()
        found = source.overview()
    finally:
        source.close()
    blocks, curves = found.blocks[start:stop], {}
    for name in names:
        k = found.names.index(name)
        low, high, mean = (blocks[part][:, k].astype(np.float64) for part in ("lo", "hi", "mean"))
        bad = blocks["bad"][:, k].astype(np.int64)
        steps, weight = blocks["step"].astype(np.int64), (BLOCK - bad).astype(np.float64)
        curves[name] = Curve(steps, low, high, mean, bad, weight, len(blocks) * BLOCK)
    return curves


def _told(curve: Curve, points: int, answer: Answer, name: str) -> dict[str, Any]:
    """A curve as plain data."""
    if curve.is_exact and len(curve.steps) <= points:
        return {"steps": curve.steps, "values": curve.mean}
    found = list(stretches(curve, points))
    answer.left_out.append(
        f"{name}: {curve.samples:,} values in {len(found)} stretches; narrow the steps for more detail"
    )
    keys = ("steps", "mean", "min", "max", *(["nonfinite"] if any(one.nonfinite for one in found) else []))
    return {key: [getattr(one, key) for one in found] for key in keys}
