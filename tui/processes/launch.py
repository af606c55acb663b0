"""Starts a training in a process of its own and shows where it writes. Never waits for it, never imports torch."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from trainctl.engine.errors import UserError
from trainctl.engine.runs.index import create_run
from trainctl.engine.runs.layout import RunPaths
from trainctl.tui.spoken import ENGLISH, VARIABLE

TRAINER = (sys.executable, "-m", "trainctl.tui.cli.main", "run")
Process = subprocess.Popen[bytes]


@dataclass(frozen=True)
class LaunchRequest:
    """What to start. The fields mirror the options of `trainctl run`."""

    runs_dir: Path
    preset: str | None = None
    task: str | None = None
    data: Path | None = None
    scale: str = "auto"
    device: str | None = None
    trust: bool = False
    configs: tuple[Path, ...] = ()
    overrides: tuple[str, ...] = ()
    """`key=value` each."""
    label: str = ""
    """Name of the configuration, for the name of the run directory; empty: the preset's."""
    fork: Path | None = None
    """Run directory to start from a checkpoint of; everything that is not set here is then that run's own."""
    fork_from: str = "latest"
    """Which of its checkpoints: latest or best."""
    environ: Mapping[str, str] = field(default_factory=dict[str, str])
    """Environment of the process, as it was before the cockpit took the screen."""

    def with_preset(self, preset: str) -> LaunchRequest:
        """The same on another preset, which brings its own task."""
        return replace(self, preset=preset, task=None, label=preset, fork=None)

    def forking(self, run: Path, preset: str | None = None, *, best: bool = False) -> LaunchRequest:
        """A fork of a run, into the same folder of runs: with another preset, or to be given `overrides`.

        Nothing else of this request goes with it: task, data, scale and device are the forked run's.
        """
        point = "best" if best else "latest"
        label = preset or ""
        return LaunchRequest(self.runs_dir, preset, label=label, fork=run, fork_from=point, environ=self.environ)

    def arguments(self, run: RunPaths) -> list[str]:
        """Command line of the process."""
        pairs = [
            ("--fork", self.fork and self.fork.absolute()),
            ("--from", self.fork_from if self.fork else None),
            ("--preset", self.preset),
            ("--task", self.task),
            ("--data", self.data),
            ("--scale", None if self.fork and self.scale == "auto" else self.scale),
            ("--device", self.device),
            *(("--config", path) for path in self.configs),
            *(("--set", text) for text in self.overrides),
        ]
        options = [word for name, value in pairs if value is not None for word in (name, str(value))]
        flags = ["--trust"] * self.trust
        return [*TRAINER, "--run-dir", str(run.root), *options, *flags]


def launch(request: LaunchRequest, prepare: Callable[[RunPaths], None] | None = None) -> tuple[RunPaths, Process]:
    """Make a run directory and start the training that fills it.

    The process has its own session, so that closing the terminal or leaving the cockpit does not end it.

    Args:
        request: what to start.
        prepare: is called with the directory before the training starts.

    Raises:
        UserError: the directory cannot be made, or the process not started.
    """
    run = create_run(
        request.runs_dir, request.label or request.preset or request.task or ("fork" if request.fork else "run")
    )
    run = RunPaths(run.root.resolve())
    if prepare is not None:
        prepare(run)
    return run, _start(run, request.arguments(run), request.environ)


def go_on(run: RunPaths, environ: Mapping[str, str], overrides: Sequence[str] = (), *, trust: bool = False) -> Process:
    """Start a process that resumes a run, see `launch`.

    Raises:
        UserError: it cannot be started.
    """
    sets = [word for text in overrides for word in ("--set", text)]
    return _start(run, [*TRAINER, "--resume", str(run.root.absolute()), *sets, *["--trust"] * trust], environ)


def launch_watched(run: RunPaths, words: Sequence[str], environ: Mapping[str, str]) -> Process:
    """Start a program of the user's, whose loop fills `run`; see `launch`.

    Raises:
        UserError: it cannot be started.
    """
    return _start(run, words, environ)


def _start(run: RunPaths, words: Sequence[str], environ: Mapping[str, str]) -> Process:
    try:
        with run.console.open("ab") as console:
            return subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                env={**environ, VARIABLE: ENGLISH},  # what it prints is recorded, and is translated where it is shown
                start_new_session=True,
            )
    except OSError as err:
        raise UserError(f"cannot start the training: {err}") from err
