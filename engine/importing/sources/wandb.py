"""W&B's run files: `run-ID.wandb`, what a run sent or would have sent, from its bytes; the package is not needed.

The file is a log of blocks, as LevelDB has it ("log format": checksum, length, kind), and each entry a message of
protocol buffers (wandb/proto/wandb_internal.proto): the run with its settings, rows of history, how it ended.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from trainctl.engine.diagnosis.logs.places import settle_places
from trainctl.engine.diagnosis.logs.readers.protobuf import fields, signed, text
from trainctl.engine.diagnosis.logs.readers.tagged import Tagged
from trainctl.engine.errors import UserError
from trainctl.engine.files import open_regular
from trainctl.engine.importing.foreign import Foreign, Source, clean_name
from trainctl.engine.importing.sources.settings import json_object, plain, yaml_mapping
from trainctl.engine.importing.sources.walking import files_below
from trainctl.engine.runs.states import RunState

TOOL = "wandb"
SUFFIX = ".wandb"
MAGIC = b":W&B"
HEADER, BLOCK, ENTRY = 7, 32768, 7
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4
LONGEST = 16 << 20
HISTORY, CONFIG, RUN, EXIT = 2, 5, 17, 18
"""Numbers of the records that are read."""
OWN = ("_wandb", "_step", "_runtime", "_timestamp")
COUNTERS = ("trainer/global_step", "train/global_step", "global_step")
"""Steps of the optimiser, where W&B's own count the calls."""
SUMMARY = "wandb-summary.json"


def wandb_sources(path: Path) -> Sequence[Source]:
    """The run of a file, or those in a folder or below it; empty: there are none."""
    found = [path] if path.is_file() else list(files_below(path, lambda name: name.endswith(SUFFIX)))
    if not found and (path / SUMMARY).is_file():
        return [_summary_source(path)]
    return [_source(one) for one in found]


def is_wandb(path: Path) -> bool:
    """Whether a file is one of W&B's, by its first bytes."""
    try:
        with open_regular(path) as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


@dataclass
class _Told:
    """What a run file says."""

    metrics: Tagged = field(default_factory=Tagged)
    config: dict[str, Any] = field(default_factory=dict[str, Any])
    name: str = ""
    started: float | None = None
    exit_code: int | None = None
    """None: it did not end, or not in this file."""

    def take(self, record: bytes) -> None:
        """Take in an entry."""
        for number, value in fields(record):
            if not isinstance(value, bytes):
                continue
            if number == HISTORY:
                self._history(value)
            elif number == CONFIG:
                self._settings(value)
            elif number == RUN:
                self._run(value)
            elif number == EXIT:
                self.exit_code = next((signed(code) for key, code in fields(value) if key == 1), 0)

    def _history(self, record: bytes) -> None:
        row = dict(_items(record))
        step, time = row.get("_step"), row.get("_timestamp")
        if not isinstance(step, int):
            counted = next((value for number, value in fields(record) if number == 2 and isinstance(value, bytes)), b"")
            step = next((signed(value) for number, value in fields(counted) if number == 1), 0)
        when = float(time) if isinstance(time, int | float) else math.nan
        for name, value in row.items():
            if name not in OWN and isinstance(value, int | float) and not isinstance(value, bool):
                self.metrics.add(name, step, float(value) if abs(value) < 1e308 or value != value else math.inf, when)

    def _settings(self, record: bytes) -> None:
        for name, value in _items(record):
            if not name.startswith("_wandb"):
                self.config[name] = value

    def _run(self, record: bytes) -> None:
        for number, value in fields(record):
            if number == 1 and not self.name:
                self.name = text(value)
            elif number == 8:
                self.name = text(value) or self.name
            elif number == 4 and isinstance(value, bytes):
                self._settings(value)
            elif number == 17 and isinstance(value, bytes):
                self.started = float(next((signed(part) for key, part in fields(value) if key == 1), 0)) or None


def _items(record: bytes) -> Iterator[tuple[str, Any]]:
    """Names and values of a row: key or nested key, and the value as JSON."""
    for number, item in fields(record):
        if number != 1 or not isinstance(item, bytes):
            continue
        names: list[str] = []
        value: Any = None
        for key, part in fields(item):
            if key in (1, 2):
                names.append(text(part))
            elif key == 16 and isinstance(part, bytes):
                value = _json(part)
        yield "/".join(names), value


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _entries(file: BinaryIO) -> Iterator[bytes]:
    """The entries of a file; one that its writer has not finished is not there yet."""
    if file.read(HEADER)[: len(MAGIC)] != MAGIC:
        raise ValueError("it is no file of W&B")
    at, parts = HEADER, b""
    while True:
        rest = BLOCK - at % BLOCK
        if rest < ENTRY:
            at = file.seek(rest, 1)
            continue
        head = file.read(ENTRY)
        if len(head) < ENTRY:
            return
        _, length, kind = struct.unpack("<IHB", head)
        data = file.read(length)
        at += ENTRY + length
        if len(data) < length or kind not in (FULL, FIRST, MIDDLE, LAST):
            return  # not written yet, or room that was never written to
        if kind == FULL:
            yield data
        parts = data if kind == FIRST else parts + data if kind in (MIDDLE, LAST) else b""
        if len(parts) > LONGEST:
            parts = b""
        if kind == LAST:
            yield parts


def _source(path: Path) -> Source:
    name = clean_name(_name_of(path)) or path.stem
    return Source(name, path, lambda: (path,), lambda: _read(path, name))


def _name_of(path: Path) -> str:
    """What the run is called, which stands among the first entries."""
    told = _Told()
    try:
        with open_regular(path) as file:
            for number, entry in enumerate(_entries(file)):
                told.take(entry)
                if told.name or number > 20:
                    break
    except (OSError, ValueError):  # said when it is read
        pass
    return told.name or path.stem


def _read(path: Path, name: str) -> Foreign:
    told = _Told()
    try:
        with open_regular(path) as file:
            for entry in _entries(file):
                told.take(entry)
    except (OSError, ValueError) as err:
        raise UserError(f"{path} cannot be read: {getattr(err, 'strerror', None) or err}") from err
    if not told.metrics.scalars:
        raise UserError(f"{path} has no history", "was anything logged?")
    config = plain(told.config) or _config_beside(path.parent / "files")
    state = RunState.RUNNING if told.exit_code is None else RunState.FAILED if told.exit_code else RunState.FINISHED
    return Foreign(name, TOOL, path, _table(told.metrics, path), config, state=state, started=told.started)


def _table(metrics: Tagged, path: Path) -> Any:
    """By the optimiser's steps where they are told at every row, else by the calls that logged."""
    table = metrics.table(path, "W&B history")
    counters = [column for column in table.columns if column.name in COUNTERS]
    counter = next((column for column in counters if len(column.rows) >= 0.9 * table.num_rows), None)
    if counter is None:
        return settle_places(table)
    from dataclasses import replace

    others = tuple(column for column in table.columns if column is not counter)
    return settle_places(replace(table, columns=others, steps=counter.at_rows(table.num_rows), step_name=counter.name))


def _config_beside(folder: Path) -> dict[str, Any]:
    """The settings in `config.yaml`, each with its `value`."""
    values = yaml_mapping(folder / "config.yaml")
    return {
        name: entry["value"]
        for name, entry in values.items()
        if isinstance(entry, dict) and "value" in entry and name not in OWN
    }


def _summary_source(folder: Path) -> Source:
    """A run of which only the last values are left."""
    path = folder / SUMMARY
    name = clean_name(folder.resolve().parent.name) or "run"

    def read() -> Foreign:
        metrics = Tagged()
        values = json_object(path)
        step = values.get("_step")
        for tag, value in values.items():
            if tag not in OWN and isinstance(value, int | float) and not isinstance(value, bool):
                metrics.add(tag, step if isinstance(step, int) else 0, float(value))
        if not metrics.scalars:
            raise UserError(f"{path} has no figures")
        note = "only the last values are left: the history was in a .wandb file"
        table = settle_places(metrics.table(path, "W&B summary"))
        return Foreign(name, TOOL, path, table, _config_beside(folder), notes=(note,))

    return Source(name, path, lambda: (path,), read)
