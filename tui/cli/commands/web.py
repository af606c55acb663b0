"""`trainctl ui --web`: says where a browser finds the cockpit of a run or the list of runs, and serves it until Ctrl-C.

Imports the server when it is used: it comes with the extra `web`.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trainctl.engine.errors import ExitCode, UserError
from trainctl.engine.runs.layout import RunPaths
from trainctl.tui.charts.axis import duration
from trainctl.tui.cli.output import say
from trainctl.tui.processes.launch import LaunchRequest

COCKPIT = (sys.executable, "-m", "trainctl.tui.cli.main", "ui")
LOOK_S = 1.0
"""How often a cockpit looks for its server."""
DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 8000


@dataclass(frozen=True)
class WebOptions:
    """How to serve.

    Args:
        host: where to listen.
        port: 0: a free one.
        allow_control: cockpits may send commands to the run and start others.
        flags: further words for each cockpit.
    """

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    allow_control: bool = False
    flags: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, host: str | None, port: int | None, allow_control: bool, readonly: bool, flags: tuple[str, ...]
    ) -> WebOptions:
        """From a command line.

        Raises:
            UserError: control is allowed and refused at once.
        """
        if allow_control and readonly:
            raise UserError("--allow-control and --readonly exclude each other", "give one of them")
        return cls(host or DEFAULT_HOST, DEFAULT_PORT if port is None else port, allow_control, flags)


@dataclass(frozen=True)
class Shown:
    """What every tab opens with.

    Args:
        name: what to call it.
        words: what the cockpit's command line calls it.
        folder: of the runs.
        end: said when the server has ended.
    """

    name: str
    words: Sequence[str]
    folder: Path
    end: str

    @classmethod
    def run(cls, run: RunPaths) -> Shown:
        """One run."""
        root = run.root.resolve()
        end = f"Records are in {run.root}. Open it again with: trainctl ui {run.root}"
        return cls(run.root.name, (str(root),), root.parent, end)

    @classmethod
    def all(cls, folder: Path) -> Shown:
        """The list of the runs of a folder."""
        return cls(f"the runs of {folder}", (), folder.resolve(), f"Records are in {folder}.")


def open_web(run: RunPaths | None, request: LaunchRequest, options: WebOptions, *, lists: bool = False) -> int:
    """Serve the list of runs, or a run, started first where none is named; returns the exit code.

    Raises:
        UserError: see `check_web`; or the training cannot be started.
    """
    from trainctl.tui.processes.launch import launch

    listener = check_web(options)
    with listener:
        if lists:
            return serve_web(Shown.all(request.runs_dir), options, listener)
        return serve_web(Shown.run(run if run is not None else launch(request)[0]), options, listener)


def check_web(options: WebOptions) -> socket.socket:
    """Find out what would go wrong, before anything is started; returns the socket to serve on.

    Raises:
        UserError: the extra is missing, the port is taken, or the host is not this machine's.
    """
    try:
        from trainctl.tui.processes.web import listen
    except ModuleNotFoundError as err:
        if err.name is None or err.name.startswith("trainctl"):
            raise
        hint = "install it: pip install 'trainctl-cockpit[web]'"
        raise UserError("--web needs the extra `web` (textual-serve)", hint) from err
    if not 0 <= options.port <= 65535:
        raise UserError(f"--port {options.port} is no port", "give one from 1 to 65535, or 0 for a free one")
    try:
        return listen(options.host, options.port)
    except OSError as err:
        where, why = f"{options.host}:{options.port}", err.strerror or str(err)
        raise UserError(f"cannot listen on {where}: {why}", "give another --port, or 0 for a free one") from err


def serve_web(shown: Shown, options: WebOptions, listener: socket.socket) -> int:
    """Serve the cockpit until Ctrl-C; returns the exit code."""
    from trainctl.tui.processes.web import WebServer, is_local, new_secret

    # Other users of this machine reach the port too: who looks, or changes something, must know the address.
    secret = new_secret()
    server = WebServer(cockpit_words(shown, options), shown.name, listener, secret, _complain)
    host, port = listener.getsockname()[:2]
    name = f"[{host}]" if ":" in host else host
    rights = "with control" if options.allow_control else "read only"

    def ready() -> None:
        if not is_local(host):
            what = "change" if options.allow_control else "watch"
            whoever = f"everyone who reaches {name}:{port} and has the address"
            say(f"trainctl: warning: {whoever} can {what} {shown.name}, unencrypted", err=True)
        say(f"{shown.name} ({rights}): http://{name}:{port}/{secret}/")
        say("Each browser tab is a cockpit of its own. Ctrl-C ends the server, not the training.")
        sys.stdout.flush()

    visits = asyncio.run(server.visit(ready))
    tabs = f"{visits.num_tabs} tab{'' if visits.num_tabs == 1 else 's'}"
    say("", f"Served {tabs} in {duration(visits.seconds)}. {shown.end}")
    return ExitCode.OK


def _complain(text: str) -> None:
    say(f"trainctl: warning: {text}", err=True)


def end_with_server() -> None:
    """Watch over the server this cockpit belongs to: one that was killed could not tell us to close."""
    server = os.getppid()

    def watch() -> None:
        while os.getppid() == server:
            time.sleep(LOOK_S)
        os._exit(ExitCode.OK)  # nobody is left to draw for

    threading.Thread(target=watch, daemon=True).start()


def cockpit_words(shown: Shown, options: WebOptions) -> Sequence[str]:
    """Command line of the cockpit in a tab."""
    readonly = () if options.allow_control else ("--readonly",)
    return (*COCKPIT, *shown.words, "--runs-dir", str(shown.folder), *readonly, *options.flags)
