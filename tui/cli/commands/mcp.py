"""`trainctl mcp`: serves runs, logs and presets to an assistant by the Model Context Protocol, until it is done.

The protocol's SDK is imported when it is used: it comes with the extra `mcp`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from trainctl.engine.errors import UserError
from trainctl.engine.files import is_folder
from trainctl.tui.cli.options import DEFAULT_RUNS_DIR, RunsDir
from trainctl.tui.cli.output import say


def command(
    runs_dir: RunsDir = DEFAULT_RUNS_DIR,
    root: Annotated[
        Path, typer.Option("--root", metavar="FOLDER", help="Logs may be read below it; default: this folder.")
    ] = Path(),
    allow_control: Annotated[
        bool, typer.Option("--allow-control", help="Running trainings may be paused, stopped and changed.")
    ] = False,
) -> None:
    """Serve runs, logs and presets to an assistant (Model Context Protocol) on standard input and output; read only.

    A client starts it; docs/mcp.md says how it is told to.
    """
    from trainctl.tui.cli.mcp.grounds import Grounds
    from trainctl.tui.cli.mcp.server import make_server

    if not is_folder(root):
        raise UserError(f"no folder {root}", "name one with --root")
    try:
        server = make_server(Grounds(runs_dir, root), allow_control=allow_control)
    except ModuleNotFoundError as err:
        if err.name is None or err.name.startswith("trainctl"):
            raise
        hint = "install it: pip install 'trainctl-cockpit[mcp]'"
        raise UserError("trainctl mcp needs the extra `mcp`", hint) from err
    if sys.stdin.isatty():
        say("waiting for a client on standard input, which a client connects itself; Ctrl-C ends it", err=True)
    server.run("stdio")
