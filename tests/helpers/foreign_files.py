"""What other tools leave behind, written as they write it: small stores of MLflow and trackio, event files, logs."""

from __future__ import annotations

import csv
import json
import math
import sqlite3
import struct
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from trainctl.engine.diagnosis.logs.readers.event_records import _masked_crc

REAL = Path(__file__).parents[1] / "data" / "foreign"
"""Files that the tools themselves wrote."""
Row = Mapping[str, float]

MLFLOW = (
    "CREATE TABLE experiments (experiment_id INTEGER PRIMARY KEY, name VARCHAR(256) NOT NULL)",
    "CREATE TABLE runs (run_uuid VARCHAR(32) NOT NULL, name VARCHAR(250), status VARCHAR(9), start_time BIGINT,"
    " end_time BIGINT, lifecycle_stage VARCHAR(20), experiment_id INTEGER)",
    'CREATE TABLE metrics ("key" VARCHAR(250) NOT NULL, value FLOAT NOT NULL, timestamp BIGINT NOT NULL,'
    " run_uuid VARCHAR(32) NOT NULL, step BIGINT NOT NULL, is_nan BOOLEAN NOT NULL)",
    'CREATE TABLE params ("key" VARCHAR(250) NOT NULL, value VARCHAR(8000) NOT NULL, run_uuid VARCHAR(32) NOT NULL)',
)
TRACKIO = (
    "CREATE TABLE metrics (id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL, timestamp TEXT NOT NULL,"
    " run_name TEXT NOT NULL, step INTEGER NOT NULL, metrics TEXT NOT NULL)",
    "CREATE TABLE configs (id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL, run_name TEXT NOT NULL,"
    " config TEXT NOT NULL, created_at TEXT NOT NULL, UNIQUE(run_id))",
)


def course(steps: int, every: int = 10) -> list[dict[str, float]]:
    """A training that goes well: loss, rate and norm at each step, a validation now and then."""
    rows: list[dict[str, float]] = []
    for step in range(steps):
        level = math.exp(-step / 30)
        rows.append({"step": step, "train/loss": level + 0.1, "lr": 1e-3 * (1 - step / steps), "grad_norm": 1 + level})
        if step % every == every - 1:
            rows[-1] |= {"val/loss": level + 0.2, "val/acc": 1 - level}
    return rows


def write_csv(path: Path, rows: Sequence[Row]) -> Path:
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, names, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_events(path: Path, rows: Iterable[Row], *, began: float = 1.7e9) -> Path:
    """An event file with a summary for each value."""
    path.parent.mkdir(parents=True, exist_ok=True)
    records = [_double(1, began) + _bytes(3, b"brain.Event:2")]
    for row in rows:
        step = int(row["step"])
        for tag, value in row.items():
            if tag != "step":
                summary = _bytes(1, _bytes(1, tag.encode()) + b"\x15" + struct.pack("<f", value))
                records.append(_double(1, began + step) + b"\x10" + _varint(step) + _bytes(5, summary))
    path.write_bytes(b"".join(map(framed, records)))
    return path


def framed(record: bytes) -> bytes:
    """A record of an event file."""
    length = struct.pack("<Q", len(record))
    sums = (struct.pack("<I", _masked_crc(part)) for part in (length, record))
    return length + next(sums) + record + next(sums)


def _double(number: int, value: float) -> bytes:
    return _varint(number << 3 | 1) + struct.pack("<d", value)


def _bytes(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])


def write_mlruns(
    folder: Path,
    rows: Sequence[Row],
    *,
    name: str = "clever-fox",
    run_id: str = "r1",
    params: Mapping[str, str] | None = None,
    status: int = 3,
) -> Path:
    """A run in MLflow's store of files."""
    experiment = folder / "1"
    run = experiment / run_id
    (run / "tags").mkdir(parents=True)
    (experiment / "meta.yaml").write_text("experiment_id: '1'\nname: demo\n")
    (run / "meta.yaml").write_text(
        f"run_id: {run_id}\nrun_name: {name}\nstatus: {status}\nstart_time: 1700000000000\nend_time: 1700000090000\n"
    )
    (run / "metrics").mkdir()
    for row in rows:
        for tag, value in row.items():
            if tag != "step":
                path = run / "metrics" / tag
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("a") as file:
                    file.write(f"{1700000000000 + 1000 * int(row['step'])} {value} {int(row['step'])}\n")
    for key, value in (params or {}).items():
        path = run / "params" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value)
    return run


def write_mlflow(path: Path, runs: Mapping[str, Sequence[Row]], params: Mapping[str, str] | None = None) -> Path:
    """MLflow's database."""
    connection = sqlite3.connect(path)
    for table in MLFLOW:
        connection.execute(table)
    connection.execute("INSERT INTO experiments VALUES (1, 'demo')")
    for number, (name, rows) in enumerate(runs.items()):
        uuid, began = f"{number:032x}", 1700000000000
        connection.execute(
            "INSERT INTO runs VALUES (?, ?, 'FINISHED', ?, ?, 'active', 1)", (uuid, name, began, began + 90_000)
        )
        told = (
            (tag, value, began + 1000 * int(row["step"]), uuid, int(row["step"]))
            for row in rows
            for tag, value in row.items()
            if tag != "step"
        )
        connection.executemany(
            "INSERT INTO metrics VALUES (?, ?, ?, ?, ?, ?)",
            ((t, 0.0 if v != v else max(min(v, 1.7976931348623157e308), -1.7976931348623157e308), w, u, s, v != v)
             for t, v, w, u, s in told),
        )  # fmt: skip
        connection.executemany("INSERT INTO params VALUES (?, ?, ?)", ((k, v, uuid) for k, v in (params or {}).items()))
    connection.commit()
    connection.close()
    return path


def write_wandb(path: Path, rows: Sequence[Row], exit_code: int | None = 0) -> Path:
    """A file of W&B with a row of history for each row."""
    records: list[bytes] = []
    for row in rows:
        items = b"".join(
            _bytes(1, _bytes(2, ("_step" if tag == "step" else tag).encode()) + _bytes(16, json.dumps(value).encode()))
            for tag, value in row.items()
        )
        records.append(_bytes(2, items))
    if exit_code is not None:
        records.append(_bytes(18, b"\x08" + _varint(exit_code) if exit_code else b""))
    out = b":W&B\xe1\xbe\x00"
    for record in records:
        out += _blocks(record, len(out))
    path.write_bytes(out)
    return path


def _blocks(record: bytes, at: int) -> bytes:
    """An entry of LevelDB's log, in as many pieces as the blocks need."""
    out, is_first = b"", True
    while True:
        room = 32768 - (at + len(out)) % 32768
        if room < 7:
            out += b"\0" * room
            continue
        piece, record = record[: room - 7], record[room - 7 :]
        kind = (1 if is_first else 4) if not record else (2 if is_first else 3)
        out += struct.pack("<IHB", 0, len(piece), kind) + piece
        is_first = False
        if not record:
            return out


def write_trackio(path: Path, runs: Mapping[str, Sequence[Row]], config: Mapping[str, Any] | None = None) -> Path:
    """A project of trackio."""
    connection = sqlite3.connect(path)
    for table in TRACKIO:
        connection.execute(table)
    for name, rows in runs.items():
        for row in rows:
            step = int(row["step"])
            told = {tag: value for tag, value in row.items() if tag != "step"}
            words = json.dumps({tag: "NaN" if value != value else value for tag, value in told.items()})
            values = (name * 2, f"2026-01-02T10:{step // 60:02}:{step % 60:02}+00:00", name, step, words.encode())
            connection.execute(
                "INSERT INTO metrics (run_id, timestamp, run_name, step, metrics) VALUES (?, ?, ?, ?, ?)", values
            )
        kept = json.dumps({**(config or {}), "_Username": None})
        connection.execute(
            "INSERT INTO configs (run_id, run_name, config, created_at) VALUES (?, ?, ?, ?)",
            (name * 2, name, kept, "2026-01-02T10:00:00+00:00"),
        )
    connection.commit()
    connection.close()
    return path
