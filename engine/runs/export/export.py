"""Writes the steps, validations and samples of the hardware of a run in formats that other programs read.

Works through the records in blocks, so that a long run needs no more memory than a short one. A file appears
under its name when it is complete. Knows no command line.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from trainctl.engine.errors import UserError
from trainctl.engine.files import is_there
from trainctl.engine.runs.atomic import disk_errors
from trainctl.engine.runs.events import EventReader
from trainctl.engine.runs.export.hardware import hardware_samples
from trainctl.engine.runs.export.tables import Tables
from trainctl.engine.runs.export.validations import validation_rows
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.store import StepReader


class ExportFormat(StrEnum):
    """What can be written."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"
    TENSORBOARD = "tensorboard"
    TRACKIO = "trackio"


def export_run(
    paths: RunPaths,
    to: ExportFormat | str,
    out: Path,
    overwrite: bool = False,
    settings: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Write every step of a run, its validations and samples of its hardware; returns the files written.

    The last two go to `NAME.validation.EXT` and `NAME.hardware.EXT` beside `out`, for TensorBoard and trackio into the
    same file.

    Args:
        paths: the run; it may still be training.
        to: csv, jsonl, parquet, tensorboard or trackio.
        out: the file, or for TensorBoard the folder.
        overwrite: replace files that exist.
        settings: of the run, for formats that keep them.

    Raises:
        UserError: nothing recorded yet, `out` exists, an optional package is missing, or the disk refuses.
    """
    chosen = ExportFormat(to)
    tables = load_tables(paths)
    jobs = _jobs(chosen, tables, out, paths.root.name, settings or {})
    if not overwrite:
        for path in jobs:
            _refuse_existing(path)
    for path, write in jobs.items():
        _write_whole(path, write)
    return list(jobs)


def load_tables(paths: RunPaths) -> Tables:
    """The steps and validations of a run; the steps stay on the disk until they are used.

    Raises:
        UserError: nothing recorded yet, or not readable.
    """
    reader = StepReader(paths)
    records, layout = reader.stored(), reader.layout
    if layout is None or len(records) == 0:
        raise UserError(f"{paths.root} has no step recorded yet", "export it after the first steps")
    return Tables(records, layout, validation_rows(EventReader(paths).read_new()), hardware_samples(paths))


def _jobs(
    to: ExportFormat, tables: Tables, out: Path, name: str, settings: Mapping[str, Any]
) -> dict[Path, Callable[[Path], None]]:
    """What writes each file."""
    if to is ExportFormat.TRACKIO:
        from trainctl.engine.runs.export.trackio_format import write_database

        return {out: lambda path: write_database(tables, path, name, settings)}
    if to is ExportFormat.TENSORBOARD:
        from trainctl.engine.runs.export.tensorboard_format import event_file, write_events

        return {event_file(tables, out): lambda path: write_events(tables, path)}
    if to is ExportFormat.PARQUET:
        from trainctl.engine.runs.export import parquet_format as writer
    elif to is ExportFormat.CSV:
        from trainctl.engine.runs.export import csv_format as writer
    else:
        from trainctl.engine.runs.export import jsonl_format as writer
    jobs: dict[Path, Callable[[Path], None]] = {out: lambda path: writer.write_steps(tables, path)}
    if tables.validations:
        beside = out.with_name(f"{out.stem}.validation{out.suffix}")
        jobs[beside] = lambda path: writer.write_validations(tables, path)
    if tables.hardware:
        beside = out.with_name(f"{out.stem}.hardware{out.suffix}")
        jobs[beside] = lambda path: writer.write_hardware(tables, path)
    return jobs


def _refuse_existing(path: Path) -> None:
    if is_there(path):
        raise UserError(f"{path} exists", "give another --out, or --force to replace it")


def _write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary file, then give it its name."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write(temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
