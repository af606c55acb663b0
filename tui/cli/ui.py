"""`trainctl ui`: opens the cockpit on an existing run, or starts one in the background and opens it there.

Every mistake is found before the screen is taken.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from trainctl.tui.cli.options import (
    DEFAULT_RUNS_DIR,
    Config,
    Data,
    Device,
    Preset,
    RunsDir,
    Scale,
    ScaleChoice,
    Set,
    Task,
)

if TYPE_CHECKING:
    from trainctl.engine.runs.layout import RunPaths
    from trainctl.tui.launch import LaunchRequest

Run = Annotated[
    str | None,
    typer.Argument(metavar="[RUN]", help="Run to open: name, part of it, path or `latest`.", show_default=False),
]


def command(
    run: Run = None,
    preset: Preset = None,
    task: Task = None,
    data: Data = None,
    scale: Scale = ScaleChoice.AUTO,
    device: Device = None,
    config: Config = None,
    set_: Set = None,
    runs_dir: RunsDir = DEFAULT_RUNS_DIR,
    readonly: Annotated[bool, typer.Option("--readonly", help="Refuse everything that changes a run.")] = False,
    ascii_: Annotated[bool, typer.Option("--ascii", help="Draw charts with plain characters.")] = False,
) -> None:
    """Open the cockpit on RUN; without it, start a new run (default preset: balanced) and open it.

    The training is a process of its own: leaving the cockpit does not end it.
    """
    from trainctl.engine.errors import UserError
    from trainctl.engine.runs.index import find_run
    from trainctl.tui.launch import LaunchRequest

    environ = dict(os.environ)  # as it was before the screen is taken
    request = LaunchRequest(
        runs_dir, preset, task, data, scale.value, device, tuple(config or ()), tuple(set_ or ()), environ=environ
    )
    attach_to = None
    if run is not None:
        if preset or task or data or device or config or set_:
            raise UserError("RUN opens an existing run", "options of a new run do not go with it")
        attach_to = find_run(runs_dir, run)
    elif readonly:
        raise UserError("--readonly starts nothing", "name a run to open, e.g. trainctl ui latest --readonly")
    else:
        from trainctl.tui.presets import checked

        request = checked(request)
    if not sys.stdout.isatty():
        raise UserError("the cockpit needs a terminal", "use `trainctl run`, or `trainctl tail RUN` to follow one")
    raise typer.Exit(_open(attach_to, request, readonly=readonly, plain=ascii_))


def _open(run: RunPaths | None, request: LaunchRequest, *, readonly: bool, plain: bool) -> int:
    """Take the screen until the user leaves; then say where things stand."""
    from trainctl.tui.app import CockpitApp
    from trainctl.tui.charts.chart import Chart
    from trainctl.tui.charts.raster import Glyphs

    if plain or os.environ.get("TERM") == "linux":
        Chart.glyphs = Glyphs.ASCII
    app = CockpitApp(run, request, readonly)
    app.run()
    if app.session is not None:
        typer.echo(app.session.farewell())
    return app.return_code or 0
