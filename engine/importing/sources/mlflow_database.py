"""MLflow's SQLite database: tables `experiments`, `runs`, `metrics` and `params`."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trainctl.engine.diagnosis.logs.places import settle_places
from trainctl.engine.diagnosis.logs.readers.tagged import Tagged
from trainctl.engine.errors import UserError
from trainctl.engine.importing.foreign import Foreign, Source, clean_name
from trainctl.engine.importing.sources.database import columns_of, companions, opened, rows_of
from trainctl.engine.importing.sources.mlflow_files import MOST_PARAMS, SYSTEM, TOOL
from trainctl.engine.importing.sources.settings import typed
from trainctl.engine.runs.states import RunState

STATES = {"FAILED": RunState.FAILED, "KILLED": RunState.KILLED, "RUNNING": RunState.RUNNING}
NEEDED = {"runs": {"run_uuid"}, "metrics": {"key", "value", "timestamp", "run_uuid", "step"}}
LARGEST = 1.7976931348623157e308
"""As which MLflow keeps infinity."""
MOST_RUNS = 10_000


def is_mlflow(connection: sqlite3.Connection) -> bool:
    """Whether a database has the tables of MLflow."""
    return all(names <= set(columns_of(connection, table)) for table, names in NEEDED.items())


def mlflow_database_sources(path: Path, connection: sqlite3.Connection) -> Sequence[Source]:
    """The runs of a database that have metrics."""
    told = columns_of(connection, "runs")
    name = "r.name" if "name" in told else "NULL"
    where = "WHERE r.lifecycle_stage = 'active'" if "lifecycle_stage" in told else ""
    has_experiments = {"experiment_id", "name"} <= set(columns_of(connection, "experiments"))
    experiment = "e.name" if has_experiments else "''"
    join = "LEFT JOIN experiments e ON e.experiment_id = r.experiment_id" if has_experiments else ""
    query = f"SELECT r.run_uuid, {name}, {experiment} FROM runs r {join} {where} LIMIT {MOST_RUNS}"
    runs = [tuple(map(_text, row)) for row in rows_of(connection, query)]
    known = {_text(row[0]) for row in rows_of(connection, "SELECT DISTINCT run_uuid FROM metrics")}
    runs = [run for run in runs if run[0] in known]
    is_one = len({experiment for _, _, experiment in runs}) <= 1
    return [
        _source(path, uuid, clean_name(f"{'' if is_one else f'{experiment}/'}{name or uuid}"))
        for uuid, name, experiment in runs
    ]


def _source(path: Path, uuid: str, name: str) -> Source:
    return Source(name, path, lambda: companions(path), lambda: _read(path, uuid, name))


def _read(path: Path, uuid: str, name: str) -> Foreign:
    metrics = Tagged()
    with opened(path) as connection:
        has_nan = "is_nan" in columns_of(connection, "metrics")
        query = f"SELECT key, value, timestamp, step, {'is_nan' if has_nan else '0'} FROM metrics WHERE run_uuid = ?"
        for key, value, time, step, is_nan in rows_of(connection, f"{query} ORDER BY timestamp, step", uuid):
            if isinstance(step, int) and isinstance(key, str) and not key.startswith(SYSTEM):
                metrics.add(key, step, math.nan if is_nan else _value(value), _seconds(time) or math.nan)
        params = _params(connection, uuid)
        state, started, ended = _state(connection, uuid)
    if not metrics.scalars:
        raise UserError(f"{path}: the run {name} has no metrics any more")
    table = settle_places(metrics.table(path, "MLflow metrics"))
    return Foreign(name, TOOL, path, table, typed(params), state=state, started=started, ended=ended)


def _params(connection: sqlite3.Connection, uuid: str) -> dict[str, str]:
    if not {"key", "value", "run_uuid"} <= set(columns_of(connection, "params")):
        return {}
    rows = rows_of(connection, f"SELECT key, value FROM params WHERE run_uuid = ? LIMIT {MOST_PARAMS}", uuid)
    return {_text(key): _text(value) for key, value in rows}


def _state(connection: sqlite3.Connection, uuid: str) -> tuple[RunState, float | None, float | None]:
    if not {"status", "start_time", "end_time"} <= set(columns_of(connection, "runs")):
        return RunState.FINISHED, None, None
    query = "SELECT status, start_time, end_time FROM runs WHERE run_uuid = ?"
    status, start, end = next(iter(rows_of(connection, query, uuid)), ("", None, None))
    return STATES.get(_text(status), RunState.FINISHED), _seconds(start), _seconds(end)


def _value(value: Any) -> float:
    if not isinstance(value, int | float):
        return math.nan
    return math.copysign(math.inf, value) if abs(value) >= LARGEST else float(value)


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return "" if value is None else str(value)


def _seconds(milliseconds: Any) -> float | None:
    is_known = isinstance(milliseconds, int | float) and 0 < milliseconds < 1e14
    return milliseconds / 1000 if is_known else None
