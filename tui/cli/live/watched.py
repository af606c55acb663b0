"""`trainctl run -- COMMAND` and `trainctl ui -- COMMAND`: any program, its training loop recorded, not a line changed.

Makes the run directory, starts the program with watching switched on, and keeps what it prints. Knows no loop.
"""

from __future__ import annotations

import contextlib
import os
import pty
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from trainctl.engine.errors import UserError
from trainctl.engine.runs.index import create_run, runs_root
from trainctl.engine.runs.layout import RunPaths
from trainctl.tui.alerts.starting import Teller
from trainctl.tui.alerts.wishes import SECRET, Wishes, wished
from trainctl.tui.plain import printable

SEPARATOR = "--"
INTERPRETERS = ("python", "python3", "torchrun", "accelerate", "uv", "poetry", "srun", "time", "env", "nice")
"""Programs that are not what a run is called after."""
CHUNK = 1 << 16


@dataclass(frozen=True)
class WatchedCommand:
    """What to run, and where to record it."""

    words: tuple[str, ...]
    runs_dir: Path
    name: str
    wishes: Wishes = field(default_factory=Wishes)

    @property
    def label(self) -> str:
        """What the run is called: as the user says, else after the script."""
        if self.name:
            return self.name
        scripts = [word for word in self.words if word.endswith(".py")]
        plain = [word for word in self.words if Path(word).name not in INTERPRETERS and not word.startswith("-")]
        return Path((scripts or plain or list(self.words))[0]).stem


def split_watched(argv: Sequence[str]) -> WatchedCommand | None:
    """The program behind `--`; None: there is no such thing on this command line.

    Args:
        argv: without `trainctl`; begins with `run` or `ui`.

    Raises:
        UserError: no program, or an option that does not go with one.
    """
    if SEPARATOR not in argv:
        return None
    at = list(argv).index(SEPARATOR)
    options, words = list(argv[1:at]), tuple(argv[at + 1 :])
    if not words:
        raise UserError("-- is followed by the program to run", "e.g. trainctl run -- python train.py")
    found: dict[str, str | None] = dict.fromkeys(("--runs-dir", "--name", "--on-end", "--on-finding"))
    while options:
        option, has_value, value = options.pop(0).partition("=")
        if option not in found:
            raise UserError(
                f"{option} does not go with a program of your own", f"only {', '.join(found)} stand before --"
            )
        if not value and not has_value:
            value = options.pop(0) if options else ""
        if not value and option not in SECRET:  # an empty one of those says that nobody is to be told
            raise UserError(f"{option} needs a value")
        found[option] = value
    if shutil.which(words[0]) is None:
        raise UserError(f"no such program: {words[0]}", "name it as you would without trainctl")
    folder = runs_root(Path(found["--runs-dir"]) if found["--runs-dir"] else None, os.environ)
    return WatchedCommand(words, folder, found["--name"] or "", wished(found["--on-end"], found["--on-finding"]))


def watched_environment(command: WatchedCommand, run: RunPaths, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment in which the program is watched."""
    from trainctl.engine.watch.starting import environment

    return environment(environ, run.root, command.label)


def run_watched(command: WatchedCommand) -> int:
    """Run the program in this terminal to its end; returns its exit code."""
    run = create_run(command.runs_dir, command.label)
    environ = watched_environment(command, run, os.environ)
    teller = _teller(command, run)
    with run.console.open("ab", buffering=0) as console:
        if sys.stdout.isatty() and sys.stdin.isatty():
            code = _in_terminal(command.words, environ, console.fileno())
        else:
            code = _in_pipe(command.words, environ, console.fileno())
    _say_outcome(run)
    for line in teller.wait():
        sys.stderr.write(f"trainctl: {line}\n")
    return code


def _teller(command: WatchedCommand, run: RunPaths) -> Teller:
    """What tells of the run, begun."""
    teller = Teller(command.wishes)
    if why := teller.start(run):
        sys.stderr.write(f"trainctl: {why}\n")
    return teller


def _in_terminal(words: Sequence[str], environ: Mapping[str, str], console: int) -> int:
    """In a terminal of its own, so that its bars and colours are as ever."""

    def read(descriptor: int) -> bytes:
        data = os.read(descriptor, CHUNK)
        with contextlib.suppress(OSError):
            os.write(console, data)
        return data

    before = dict(os.environ)
    os.environ.update(environ)
    try:
        status = pty.spawn(list(words), read)
    finally:
        os.environ.clear()
        os.environ.update(before)
    return _code(os.waitstatus_to_exitcode(status))


def _in_pipe(words: Sequence[str], environ: Mapping[str, str], console: int) -> int:
    process = subprocess.Popen(words, env=dict(environ), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    try:
        while data := os.read(process.stdout.fileno(), CHUNK):
            os.write(console, data)
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
    except KeyboardInterrupt:  # the program has it too, and ends as it ends
        process.send_signal(signal.SIGINT)
    return _code(process.wait())


def _code(code: int) -> int:
    """Exit code as a shell has it: of a signal 128 and its number."""
    return 128 - code if code < 0 else code


def _say_outcome(run: RunPaths) -> None:
    """Where the record is; a program that took no optimiser step leaves none."""
    if run.meta.exists():
        sys.stderr.write(f"trainctl: recorded in {printable(str(run.root))}; trainctl ui {run.root.name}\n")
        return
    with contextlib.suppress(OSError):
        shutil.rmtree(run.root)
    sys.stderr.write("trainctl: nothing was recorded: no optimiser of torch took a step in a process that leads\n")


def open_watched(command: WatchedCommand) -> int:
    """Start the program on its own and open the cockpit on its run."""
    from trainctl.tui.cli.opening import open_cockpit
    from trainctl.tui.processes.launch import LaunchRequest, launch_watched

    run = RunPaths(create_run(command.runs_dir, command.label).root.resolve())
    launch_watched(run, command.words, watched_environment(command, run, os.environ))
    _teller(command, run)
    request = LaunchRequest(command.runs_dir, environ=dict(os.environ))
    return open_cockpit(run, request, readonly=False, wishes=command.wishes)


def run_line(argv: Sequence[str]) -> int | None:
    """The exit code of a command line with a program of the user's; None: there is none on it.

    Raises:
        UserError: see `split_watched`.
    """
    command = split_watched(argv)
    if command is None:
        return None
    return run_watched(command) if argv[0] == "run" else open_watched(command)
