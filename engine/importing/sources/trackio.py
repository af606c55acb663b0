"""trackio's SQLite database of a project: `metrics` has a JSON object for each step, `configs` one for each run."""

from __future__ import annotations

import datetime
import json
import math
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from trainctl.engine.diagnosis.logs.places import settle_places
from trainctl.engine.diagnosis.logs.readers.tagged import Tagged
from trainctl.engine.errors import UserError
from trainctl.engine.importing.foreign import Foreign, Source, clean_name
from trainctl.engine.importing.sources.database import columns_of, companions, opened, rows_of
from trainctl.engine.importing.sources.settings import plain

TOOL = "trackio"
NEEDED = {"run_name", "step", "metrics", "timestamp"}
WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
"""As which trackio keeps what JSON has no number for."""
MOST_RUNS = 10_000
OWN = "_"
"""Before the names of what trackio adds to a configuration."""


def is_trackio(connection: sqlite3.Connection) -> bool:
    """Whether a database has the table of trackio."""
    return set(columns_of(connection, "metrics")) >= NEEDED


def trackio_sources(path: Path, connection: sqlite3.Connection) -> Sequence[Source]:
    """The runs of a project."""
    key = _key(connection)
    query = f"SELECT DISTINCT {key}, run_name FROM metrics LIMIT {MOST_RUNS}"
    return [_source(path, run, clean_name(str(name)) or "run") for run, name in rows_of(connection, query)]


def _key(connection: sqlite3.Connection) -> str:
    """The column that tells runs apart: older databases have but their names."""
    return "run_id" if "run_id" in columns_of(connection, "metrics") else "run_name"


def _source(path: Path, run: Any, name: str) -> Source:
    return Source(name, path, lambda: companions(path), lambda: _read(path, run, name))


def _read(path: Path, run: Any, name: str) -> Foreign:
    metrics = Tagged()
    with opened(path) as connection:
        key = _key(connection)
        query = f"SELECT timestamp, step, metrics FROM metrics WHERE {key} = ? ORDER BY step, timestamp"
        for stamp, step, told in rows_of(connection, query, run):
            if isinstance(step, int):
                time = _seconds(stamp)
                for tag, value in _figures(_object(told)):
                    metrics.add(tag, step, value, time)
        config = _config(connection, key, run)
    if not metrics.scalars:
        raise UserError(f"{path}: the run {name} has no figures")
    return Foreign(name, TOOL, path, settle_places(metrics.table(path, "trackio metrics")), config)


def _config(connection: sqlite3.Connection, key: str, run: Any) -> dict[str, Any]:
    if not {key, "config"} <= set(columns_of(connection, "configs")):
        return {}
    found = next(iter(rows_of(connection, f"SELECT config FROM configs WHERE {key} = ?", run)), (None,))[0]
    return plain({name: value for name, value in _object(found).items() if not name.startswith(OWN)})


def _object(told: Any) -> Mapping[str, Any]:
    try:
        found: Any = json.loads(told)
    except (TypeError, ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _figures(told: Mapping[str, Any], above: str = "", depth: int = 0) -> Iterator[tuple[str, float]]:
    for name, value in told.items():
        if isinstance(value, Mapping) and depth < 4:
            yield from _figures(cast("dict[str, Any]", value), f"{above}{name}/", depth + 1)
        elif isinstance(value, str) and value in WORDS:
            yield f"{above}{name}", WORDS[value]
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield f"{above}{name}", float(value) if abs(value) < 1e308 else math.inf


def _seconds(stamp: Any) -> float:
    """Seconds since 1970 of a time as ISO 8601 writes it; NaN: it is none."""
    try:
        return datetime.datetime.fromisoformat(str(stamp)).timestamp()
    except (ValueError, OverflowError, OSError):
        return math.nan
