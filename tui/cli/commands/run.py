"""`trainctl run`: trains a preset, a file or a task of the user's, headless, and shows it in plain terminal means.

Knows how a command line becomes an order; the training itself is the engine's.
"""

from __future__ import annotations

import os
import shlex
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trainctl.engine.errors import ExitCode, UserError
from trainctl.tui.cli.options import (
    DEFAULT_RUNS_DIR,
    Config,
    Data,
    Device,
    Json,
    Overrides,
    Preset,
    RunsDir,
    Scale,
    ScaleChoice,
    Set,
    Task,
    all_overrides,
    resolve_options,
)

if TYPE_CHECKING:
    from trainctl.engine.config.resolve import Resolved
    from trainctl.engine.runs.layout import RunPaths
    from trainctl.tui.cli.live.display import ConsoleLog, View
    from trainctl.tui.cli.past_run import PastRun


class ForkPoint(StrEnum):
    """Which checkpoint of a run a fork starts from."""

    LATEST = "latest"
    BEST = "best"


@dataclass(frozen=True)
class Target:
    """What is to be trained, where it is written, on which data."""

    resolved: Resolved
    open_run: Callable[[], RunPaths]
    data: Path | None
    is_resumed: bool = False
    parent: PastRun | None = None
    """The run that is forked."""
    checkpoint: Path | None = None
    """The parent's checkpoint that the fork starts from."""


def command(
    overrides: Overrides = None,
    preset: Preset = None,
    task: Task = None,
    config: Config = None,
    sets: Set = None,
    data: Data = None,
    group_by: Annotated[
        str | None,
        typer.Option("--group-by", metavar="REGEX|COLUMN", help="Keep images of one person or photo together."),
    ] = None,
    skip_corrupt: Annotated[
        bool, typer.Option("--skip-corrupt", help="Leave out files that cannot be read; they are named.")
    ] = False,
    scale: Scale = ScaleChoice.AUTO,
    device: Device = None,
    resume: Annotated[
        str | None, typer.Option("--resume", metavar="RUN", help="Go on with a run: name, path or `latest`.")
    ] = None,
    fork: Annotated[
        str | None,
        typer.Option(
            "--fork", metavar="RUN", help="Start a new run from a checkpoint of RUN, with changes: preset, overrides."
        ),
    ] = None,
    fork_from: Annotated[
        ForkPoint | None, typer.Option("--from", help="Which checkpoint to fork; default: latest.", show_default=False)
    ] = None,
    runs_dir: RunsDir = DEFAULT_RUNS_DIR,
    run_dir: Annotated[
        Path | None,
        typer.Option("--run-dir", metavar="DIR", help="Write into this directory instead of a new one.", hidden=True),
    ] = None,
    json: Json = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Print classes, statistics and gradients of the first batches.")
    ] = False,
) -> None:
    """Train: a preset, your file, or your own task.

    Without options this trains `eyes/balanced` on built-in data.
    """
    from trainctl.tui.cli.live.streams import ending_at_once

    words = all_overrides(sets, overrides, device)
    words += _data_overrides(group_by, skip_corrupt=skip_corrupt)
    if fork_from is not None and fork is None:
        raise UserError("--from says which checkpoint to fork", "name the run with --fork RUN")
    with ending_at_once():
        if resume is not None:
            _refuse_with_resume(preset=preset, task=task, config=config, run_dir=run_dir, fork=fork)
            target = _resumed(resume, runs_dir, words, data)
        elif fork is not None:
            if task is not None:
                raise UserError("a fork keeps the task of its run", "leave out --task, or start a new run")
            resolve = partial(_fork_options, preset=preset, scale=scale, files=config or (), overrides=words)
            target = _forked(fork, fork_from or ForkPoint.LATEST, runs_dir, run_dir, data, resolve)
        else:
            size = scale.on(device_type(device) if scale is ScaleChoice.AUTO else "")
            resolved = resolve_options(preset, scale=size, config=config, overrides=words, task=task, data=data)
            target = Target(resolved, _opener(runs_dir, run_dir, resolved.preset), data)
        code = _train(target, json=json, debug=debug)
    raise typer.Exit(code)


def _data_overrides(group_by: str | None, *, skip_corrupt: bool) -> list[str]:
    from trainctl.engine.config.yamlfile import format_value

    grouped = [] if group_by is None else [f"data.group_by={format_value(group_by)}"]
    return grouped + ["data.skip_corrupt=true"] * skip_corrupt


def _refuse_with_resume(**options: Any) -> None:
    if options.pop("fork"):
        raise UserError("--resume goes on with a run, --fork starts a new one from it", "leave out one of them")
    for name, value in options.items():
        if value:
            flag = "--" + name.replace("_", "-")
            raise UserError(f"--resume goes on with the run's own configuration, not with {flag}", f"leave out {flag}")


def device_type(device: str | None) -> str:
    """Type of the device an option means: cpu, cuda, mps. Imports torch only to find out what `auto` is here."""
    if device not in (None, "auto"):
        return device.partition(":")[0]
    from trainctl.engine.training.device import choose_device

    return choose_device("auto").type


def _opener(runs_dir: Path, run_dir: Path | None, preset: str) -> Callable[[], RunPaths]:
    from trainctl.engine.runs.index import create_run
    from trainctl.engine.runs.layout import RunPaths

    if run_dir is None:
        return lambda: create_run(runs_dir, preset)
    paths = RunPaths(run_dir)
    if not run_dir.is_dir() or paths.meta.exists() or paths.steps.exists():
        raise UserError(f"--run-dir {run_dir} is not an empty directory", "leave it out, or use --resume")
    return lambda: paths


def _resumed(ref: str, runs_dir: Path, overrides: list[str], data: Path | None) -> Target:
    from trainctl.tui.cli.past_run import past_run

    past = past_run(ref, runs_dir, data, overrides)
    return Target(past.resolved, lambda: past.paths, past.data, is_resumed=True)


def _forked(
    ref: str,
    point: ForkPoint,
    runs_dir: Path,
    run_dir: Path | None,
    data: Path | None,
    resolve: Callable[[Resolved], Resolved],
) -> Target:
    from trainctl.tui.cli.past_run import past_run

    parent = past_run(ref, runs_dir, None, [])
    checkpoint = parent.paths.best if point is ForkPoint.BEST else parent.paths.latest
    if not checkpoint.is_file():
        other = ForkPoint.LATEST if point is ForkPoint.BEST else ForkPoint.BEST
        has_other = (parent.paths.best if other is ForkPoint.BEST else parent.paths.latest).is_file()
        hint = f"use --from {other}" if has_other else "let it write one first (trainctl send RUN checkpoint)"
        raise UserError(f"{parent.paths.root} has no {point} checkpoint to fork from", hint)
    resolved = resolve(parent.resolved)
    opener = _opener(runs_dir, run_dir, resolved.preset)
    return Target(resolved, opener, data or parent.data, parent=parent, checkpoint=checkpoint)


def _fork_options(
    parent: Resolved, *, preset: str | None, scale: ScaleChoice, files: Sequence[Path], overrides: Sequence[str]
) -> Resolved:
    from trainctl.engine.tasks.configured import fork_config

    size = None if scale is ScaleChoice.AUTO else scale.on("")
    return fork_config(parent, preset=preset, scale=size, files=files, environ=os.environ, overrides=overrides)


def _train(target: Target, *, json: bool, debug: bool) -> int:
    from trainctl.tui.cli.live.console_log import ConsoleLog
    from trainctl.tui.cli.live.streams import unbreakable_output

    with unbreakable_output():
        log = ConsoleLog()
        try:
            return _train_and_show(target, log, json=json, debug=debug)
        finally:
            log.close()


def _train_and_show(target: Target, log: ConsoleLog, *, json: bool, debug: bool) -> int:
    from trainctl.engine.tasks.registry import task_type
    from trainctl.engine.training.fork import Origin
    from trainctl.engine.training.session import Order, train
    from trainctl.tui.cli.live.display import Display

    view = _view(log, json=json)
    log.show = view.printed
    display = Display(view)
    opened: list[RunPaths] = []

    def on_open(paths: RunPaths) -> None:
        opened.append(paths)
        log.open(paths)
        display.start(paths)

    origin, parent = None, target.parent
    if parent is not None and target.checkpoint is not None:
        origin = Origin(parent.paths, target.checkpoint, parent.resolved, parent.data)
    order = Order(
        resolved=target.resolved,
        task_type=task_type(target.resolved.config.task),
        data_path=target.data,
        open_run=target.open_run,
        is_resumed=target.is_resumed,
        origin=origin,
        argv=sys.argv,
        on_open=on_open,
        make_observer=_debug_observer() if debug else None,
    )
    try:
        ending = train(order)
    except KeyboardInterrupt:
        left = "the run is as it was" if target.is_resumed else "no run was made"
        sys.stderr.write(f"trainctl: interrupted before the first step; {left}\n")
        return ExitCode.INTERRUPTED
    except UserError:
        raise
    except Exception:  # the task's code, before there is a run; later the run itself keeps what went wrong
        traceback.print_exc()
        return ExitCode.RUN_FAILED
    finally:
        display.close()
    if opened and not json:
        _print_goodbye(opened[0], int(ending.code))
    return int(ending.code)


def _view(log: ConsoleLog, *, json: bool) -> View:
    from trainctl.tui.cli.live.display import JsonView, LiveView, PlainView

    if json:
        return JsonView(log, log.err)
    if log.out.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        return LiveView(log)
    return PlainView(log)


def _debug_observer() -> Any:
    def make(splits: Any) -> Any:
        from trainctl.engine.diagnosis.probes.debug import DebugPrinter

        return DebugPrinter(_write_stderr, splits.classes).after_backward

    return make


def _write_stderr(line: str) -> None:
    sys.stderr.write(line + "\n")


def _print_goodbye(paths: RunPaths, code: int) -> None:
    from trainctl.engine.runs.summary import read_summary

    summary = read_summary(paths)
    if summary is None:
        return
    lines = [f"run     {paths.root}"]
    if summary.best is not None:
        lines.append(f"best    {summary.best.metric} {summary.best.value:.4f} at epoch {summary.best.epoch}")
    if summary.samples_per_s > 0:
        lines.append(f"speed   {summary.samples_per_s:,.0f} samples/s, {summary.seconds:.1f} s of training")
    if code in (ExitCode.STOPPED, ExitCode.INTERRUPTED, ExitCode.TERMINATED):
        lines.append(f"resume  trainctl run --resume {shlex.quote(str(paths.root))}")
    sys.stdout.write("\n".join(lines) + "\n")
