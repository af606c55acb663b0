"""Steps and validations as a database of trackio: a project with one run. Standard library only.

The file goes into the folder of trackio's projects (`TRACKIO_DIR`), where its name is that of the project. Names of the
figures: the fields with the first dot as a slash (`loss`, `term/bce`, `lr`), and `val/METRIC`, `val_ema/METRIC`,
`hardware/FIGURE`.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import math
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from trainctl.engine.runs.atomic import DiskError, to_json, to_plain
from trainctl.engine.runs.export.columns import NOT_MEASURED, Column, blocks, shortest
from trainctl.engine.runs.export.tables import Tables

SPLITS = {"raw": "val", "ema": "val_ema"}
_TABLES = (
    "CREATE TABLE metrics (id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL, timestamp TEXT NOT NULL,"
    " run_name TEXT NOT NULL, step INTEGER NOT NULL, metrics TEXT NOT NULL, log_id TEXT, space_id TEXT)",
    "CREATE TABLE configs (id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL, run_name TEXT NOT NULL,"
    " config TEXT NOT NULL, created_at TEXT NOT NULL, UNIQUE(run_id))",
    "CREATE INDEX idx_metrics_run_step ON metrics(run_id, step)",
    "CREATE INDEX idx_metrics_run_timestamp ON metrics(run_id, timestamp)",
)
Row = tuple[str, str, str, int, str]


def write_database(tables: Tables, path: Path, name: str, settings: Mapping[str, Any]) -> None:
    """Write the database.

    Args:
        tables: what was recorded.
        path: a file that is not there yet.
        name: of the run.
        settings: of the run, by name.

    Raises:
        DiskError: the disk refuses.
    """
    try:
        _write(tables, path, name, settings)
    except sqlite3.Error as err:
        raise DiskError(f"cannot write {path}: {err}", "check the disk it lies on") from err


def _write(tables: Tables, path: Path, name: str, settings: Mapping[str, Any]) -> None:
    identity = hashlib.sha256(f"{name} {float(tables.records[0]['time'])}".encode()).hexdigest()[:32]
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        for table in _TABLES:
            connection.execute(table)
        told = "INSERT INTO metrics (run_id, timestamp, run_name, step, metrics) VALUES (?, ?, ?, ?, ?)"
        connection.executemany(told, _rows(tables, identity, name))
        began = _stamp(float(tables.records[0]["time"]))
        config = to_json({**to_plain(settings), "_Username": None, "_Created": began, "_Group": None})
        kept = "INSERT INTO configs (run_id, run_name, config, created_at) VALUES (?, ?, ?, ?)"
        connection.execute(kept, (identity, name, config, began))


def _rows(tables: Tables, identity: str, name: str) -> Iterator[Row]:
    columns = [(tag(column), column) for column in tables.columns if column.name not in ("step", "time")]
    for block in blocks(tables.records):
        figures = zip(*(shortest(column.values(block)).tolist() for _, column in columns), strict=True)
        for step, time, row in zip(block["step"].tolist(), block["time"].tolist(), figures, strict=True):
            known = {
                label: value
                for (label, column), value in zip(columns, row, strict=True)
                if not (column.field in NOT_MEASURED and value != value)
            }
            yield identity, _stamp(time), name, step, _json(known)
    for one in tables.validations:
        known = {f"{SPLITS.get(one.weights, one.weights)}/{metric}": value for metric, value in one.metrics.items()}
        yield identity, _stamp(one.time), name, one.step, _json(known | {"epoch": one.epoch})
    for sample in tables.hardware:
        known = {f"hardware/{figure.replace('.', '/')}": value for figure, value in sample.figures.items()}
        yield identity, _stamp(sample.time), name, sample.step, _json(known)


def tag(column: Column) -> str:
    """trackio's name of a column: `term/bce`; of a single learning rate `lr`."""
    return column.name.removesuffix("[0]").replace("[", "/").replace("]", "").replace(".", "/", 1)


def _json(figures: Mapping[str, Any]) -> str:
    """As trackio writes figures: what JSON has no number for in words."""
    return json.dumps({name: _in_words(value) for name, value in figures.items()})


def _in_words(value: Any) -> Any:
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _stamp(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat()
