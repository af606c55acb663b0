"""Steps, validations and hardware as JSON lines: strict JSON, vectors as lists, class counts by name, NaN as null."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainctl.engine.runs.atomic import to_json
from trainctl.engine.runs.export.columns import blocks, shortest
from trainctl.engine.runs.export.hardware import hardware_row
from trainctl.engine.runs.export.tables import Tables
from trainctl.engine.runs.record import RecordLayout
from trainctl.engine.runs.store import Records


def write_steps(tables: Tables, path: Path) -> None:
    """One object per step."""
    with path.open("w", encoding="utf-8") as file:
        for block in blocks(tables.records):
            file.writelines(_line(step) for step in step_objects(block, tables.layout))


def write_validations(tables: Tables, path: Path) -> None:
    """One object per validation and set of weights."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(to_json(dataclasses.asdict(row)) + "\n" for row in tables.validations)


def write_hardware(tables: Tables, path: Path) -> None:
    """One object per sample; what is not known is left out."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(to_json(hardware_row(sample)) + "\n" for sample in tables.hardware)


def step_objects(records: Records, layout: RecordLayout) -> Iterator[dict[str, Any]]:
    """Each record as plain data that strict JSON allows, by field; NaN and infinities are None."""
    names = [name for name in records.dtype.names or () if name not in layout.unmeasured]
    columns = [_plain(shortest(records[name])) for name in names]
    for values in zip(*columns, strict=True):
        step = dict(zip(names, values, strict=True))
        if len(layout.classes) == len(step.get("classes", ())) > 0:
            step["classes"] = dict(zip(layout.classes, step["classes"], strict=True))
        yield step


def _plain(values: NDArray[Any]) -> list[Any]:
    finite = np.isfinite(values)
    if finite.all():
        return values.tolist()
    out = values.astype(object)
    out[~finite] = None
    return out.tolist()


def _line(step: dict[str, Any]) -> str:
    # Not `to_json`: the columns are plain already, and looking at each value again takes most of the time.
    return json.dumps(step, allow_nan=False, ensure_ascii=False) + "\n"
