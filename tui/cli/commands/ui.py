"""`trainctl ui`: opens the cockpit on an existing run, or starts one in the background and opens it there.

Every mistake is found before the screen is taken.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from trainctl.engine.errors import UserError
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
    blocks: Annotated[bool, typer.Option("--blocks", help="Draw charts with block characters.")] = False,
    keys: Annotated[
        Path | None,
        typer.Option("--keys", metavar="FILE", help="Your own keys (default: trainctl/keys.yaml in ~/.config)."),
    ] = None,
    replay: Annotated[bool, typer.Option("--replay", help="Play RUN again from its records.")] = False,
    web: Annotated[bool, typer.Option("--web", help="Serve the cockpit to browsers instead; read only.")] = False,
    host: Annotated[
        str | None, typer.Option("--host", metavar="HOST", help="With --web: where to listen (default: 127.0.0.1).")
    ] = None,
    port: Annotated[
        int | None, typer.Option("--port", metavar="N", help="With --web: port (default: 8000; 0: a free one).")
    ] = None,
    allow_control: Annotated[
        bool, typer.Option("--allow-control", help="With --web: browsers may change the run.")
    ] = False,
) -> None:
    """Open the cockpit on RUN; without it, start a new run (default preset: balanced) and open it.

    The training is a process of its own: leaving the cockpit does not end it.
    """
    from trainctl.engine.runs.index import find_run
    from trainctl.tui.cli.opening import open_cockpit
    from trainctl.tui.processes.launch import LaunchRequest

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
    if replay and attach_to is None:
        raise UserError("--replay plays what was recorded", "name a run, e.g. trainctl ui latest --replay")
    if ascii_ and blocks:
        raise UserError("--ascii and --blocks are two ways to draw", "give one of them")
    glyphs = "ascii" if ascii_ else "block" if blocks else ""
    if web:
        from trainctl.tui.cli.commands.web import WebOptions, open_web

        flags = (*(["--replay"] if replay else []), *(["--ascii"] if ascii_ else []), *(["--blocks"] if blocks else []))
        raise typer.Exit(open_web(attach_to, request, WebOptions.of(host, port, allow_control, readonly, flags)))
    if host is not None or port is not None or allow_control:
        raise UserError("--host, --port and --allow-control are about --web", "add --web")
    raise typer.Exit(open_cockpit(attach_to, request, readonly=readonly, glyphs=glyphs, keys=keys, replay=replay))
