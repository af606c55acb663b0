"""`trainctl export`: writes the records of a run in a format that other programs read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trainctl.engine.runs.export import ExportFormat, export_run
from trainctl.engine.runs.index import find_run
from trainctl.tui.cli.options import DEFAULT_RUNS_DIR, RunsDir


def command(
    run: Annotated[str, typer.Argument(metavar="[RUN]", help="Name or part of it, path, or `latest`.")] = "latest",
    to: Annotated[ExportFormat, typer.Option("--to", help="Format.")] = ExportFormat.CSV,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="PATH", help="File, or folder for TensorBoard; default: the run's name."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
    runs_dir: RunsDir = DEFAULT_RUNS_DIR,
) -> None:
    """Write every step of a run, and its validations, as CSV, JSON lines, Parquet or TensorBoard events."""
    paths = find_run(runs_dir, run)
    for written in export_run(paths, to, out or default_out(paths.root.name, to), overwrite=force):
        typer.echo(f"wrote {written}")


def default_out(name: str, to: ExportFormat) -> Path:
    """Where the export of run `name` goes: into the working directory."""
    return Path(f"{name}-tensorboard" if to is ExportFormat.TENSORBOARD else f"{name}.{to}")
