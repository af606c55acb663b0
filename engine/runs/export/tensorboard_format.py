"""Steps and validations as a TensorBoard event file, through tensorboard's own protocol buffers (no torch).

Tags: the fields with the first dot as a slash (`loss`, `term/bce`, `grad_norm/stem`, `lr/0`), and
`validation/raw/METRIC`, `validation/ema/METRIC`.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from trainctl.engine.errors import UserError
from trainctl.engine.runs.export.columns import NOT_MEASURED, Column, blocks
from trainctl.engine.runs.export.tables import Tables
from trainctl.engine.runs.store import Records

FILE_MARK = "events.out.tfevents"
Point = tuple[int, float, list[tuple[str, float]]]
"""Step, seconds since 1970, and the values by tag."""


def event_file(tables: Tables, folder: Path) -> Path:
    """Name of the event file in `folder`, the same at every export of a run.

    Raises:
        UserError: the folder is a file, or holds another program's events, which TensorBoard would mix with these.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file", "give a folder with --out")
    path = folder / f"{FILE_MARK}.{int(tables.records[0]['time'])}.trainctl"
    others = [file.name for file in folder.glob(f"*{FILE_MARK}*") if file != path] if folder.is_dir() else []
    if others:
        raise UserError(f"{folder} holds other event files ({others[0]})", "give an empty folder with --out")
    return path


def write_events(tables: Tables, path: Path) -> None:
    """Write the event file.

    Raises:
        UserError: tensorboard is not installed.
    """
    event_type, summary_type, record_writer = _import()
    with path.open("wb") as file:
        writer = record_writer(file)
        first = event_type(wall_time=float(tables.records[0]["time"]), file_version="brain.Event:2")
        writer.write(first.SerializeToString())
        for step, time, values in _points(tables):
            summary = summary_type(value=[summary_type.Value(tag=tag, simple_value=value) for tag, value in values])
            writer.write(event_type(step=step, wall_time=time, summary=summary).SerializeToString())


def tag(column: Column) -> str:
    """TensorBoard's name of a column: `term/bce`, `lr/0`."""
    return column.name.replace("[", "/").replace("]", "").replace(".", "/", 1)


def _points(tables: Tables) -> Iterator[Point]:
    columns = [column for column in tables.columns if column.name not in ("step", "time")]
    for block in blocks(tables.records):
        yield from _step_points(block, columns)
    for row in tables.validations:
        yield row.step, row.time, [(f"validation/{row.weights}/{k}", v) for k, v in row.metrics.items()]
    for sample in tables.hardware:
        yield sample.step, sample.time, [(f"hardware/{k.replace('.', '/')}", v) for k, v in sample.figures.items()]


def _step_points(block: Records, columns: Iterable[Column]) -> Iterator[Point]:
    shown = [(tag(column), column.field in NOT_MEASURED) for column in columns]
    rows = zip(*(column.values(block).tolist() for column in columns), strict=True)
    for step, time, row in zip(block["step"].tolist(), block["time"].tolist(), rows, strict=True):
        named = zip(shown, row, strict=True)
        yield step, time, [(name, v) for (name, optional), v in named if not (optional and math.isnan(v))]


def _import() -> tuple[Any, Any, Any]:
    try:
        event_pb2 = importlib.import_module("tensorboard.compat.proto.event_pb2")
        summary_pb2 = importlib.import_module("tensorboard.compat.proto.summary_pb2")
        record_writer = importlib.import_module("tensorboard.summary.writer.record_writer")
    except ImportError as err:
        raise UserError("TensorBoard files need tensorboard", "pip install 'trainctl-cockpit[tensorboard]'") from err
    return event_pb2.Event, summary_pb2.Summary, record_writer.RecordWriter
