"""`trainctl run`: trains a preset, a file or a task of the user's, headless, and shows it in plain terminal means.

Knows how a command line becomes an order; the training itself is the engine's.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trainctl.engine.errors import ExitCode, UserError, kind_and_words
from trainctl.engine.launched import launched, leads
from trainctl.tui.cli.command_line import takes
from trainctl.tui.cli.configured import Configured, configured
from trainctl.tui.cli.crash import print_traceback
from trainctl.tui.cli.live.along import keep_quiet, train_along
from trainctl.tui.cli.options import (
    DEFAULT_RUNS_DIR,
    Json,
    Lang,
    OnEnd,
    OnFinding,
    OverridableOptions,
    RunsDir,
    ScaleChoice,
)
from trainctl.tui.cli.output import only_documents, say
from trainctl.tui.spoken import said_in_parts
from trainctl.tui.words.language import speaking

if TYPE_CHECKING:
    from trainctl.engine.config.resolve import Resolved
    from trainctl.engine.runs.layout import RunPaths
    from trainctl.engine.runs.states import RunState
    from trainctl.engine.runs.summary import Judgement
    from trainctl.engine.training.session import Order
    from trainctl.tui.alerts.starting import Teller
    from trainctl.tui.cli.live.display import ConsoleLog, View
    from trainctl.tui.cli.live.first_words import FirstWords
    from trainctl.tui.cli.past_run import PastRun


AUTO = "auto"
ENDED_BY_SIGNAL = (ExitCode.INTERRUPTED, ExitCode.TERMINATED)
"""Codes of a `SystemExit` that a signal raises; with any other, code of the task's has called `sys.exit`."""


class ForkPoint(StrEnum):
    """Which checkpoint of a run a fork starts from."""

    LATEST = "latest"
    BEST = "best"


@dataclass(frozen=True)
class Target:
    """What is to be trained, and where it is written."""

    configured: Configured
    open_run: Callable[[], RunPaths]
    is_resumed: bool = False
    parent: PastRun | None = None
    """The run that is forked."""
    checkpoint: Path | None = None
    """The parent's checkpoint that the fork starts from."""


@dataclass(frozen=True)
class RunOptions(OverridableOptions):
    """The options of `trainctl run`."""

    resume: Annotated[
        str | None,
        typer.Option(
            "--resume",
            metavar="RUN",
            help="Go on with a run: name, path or `latest`; auto: with the newest unfinished one, else start.",
        ),
    ] = None
    fork: Annotated[
        str | None,
        typer.Option(
            "--fork", metavar="RUN", help="Start a new run from a checkpoint of RUN, with changes: preset, overrides."
        ),
    ] = None
    fork_from: Annotated[
        ForkPoint | None, typer.Option("--from", help="Which checkpoint to fork; default: latest.", show_default=False)
    ] = None
    runs_dir: RunsDir = DEFAULT_RUNS_DIR
    run_dir: Annotated[
        Path | None,
        typer.Option("--run-dir", metavar="DIR", help="Write into this directory instead of a new one.", hidden=True),
    ] = None
    on_end: OnEnd = None
    on_finding: OnFinding = None
    json: Json = False
    debug: Annotated[
        bool, typer.Option("--debug", help="Print classes, statistics and gradients of the first batches.")
    ] = False
    lang: Lang = None


@takes(RunOptions, first=("preset", "task", "config", "sets", "data", "group_by", "skip_corrupt"))
def command(options: RunOptions) -> None:
    """Train: a preset, your file, or your own task.

    Without options this trains `eyes/balanced` on built-in data.
    """
    with speaking(options.lang):
        raise typer.Exit(_run(options))


def _run(options: RunOptions) -> int:
    """The exit code of the training."""
    from trainctl.tui.alerts.starting import Teller
    from trainctl.tui.alerts.wishes import wished
    from trainctl.tui.cli.live.first_words import speaking_first
    from trainctl.tui.cli.live.streams import ending_at_once

    if not leads(os.environ):
        return train_along(lambda: _order_along(options), os.environ)
    if launched(os.environ) is not None:
        keep_quiet()
    teller = Teller(wished(options.on_end, options.on_finding))
    if options.fork_from is not None and options.fork is None:
        raise UserError("--from says which checkpoint to fork", "name the run with --fork RUN")
    with ending_at_once(), speaking_first(*_made_for(options)) as words:
        if words is not None:
            words.say(f"importing {options.task}" if options.task else "reading the configuration")
        with only_documents() if options.json else nullcontext():
            target = _target(options)  # imports a task of the user's, which may print
        return _train(target, words, teller, json=options.json, debug=options.debug)


def _order_along(options: RunOptions) -> Order:
    """Of a process that does not lead. Which run `--resume auto` goes on with is said by the one that does."""
    if options.resume != AUTO:
        return _order(_target(options), _nobody, debug=False)
    _refuse_with_auto(options)
    new = _new(options)

    def led(begun: Path | None) -> Order:
        return _order(new if begun is None else _gone_on(str(begun), options), _nobody, debug=False)

    return replace(led(None), led=led)


def _nobody(paths: RunPaths) -> None:
    del paths


def _made_for(options: RunOptions) -> tuple[RunPaths | None, str]:
    """The directory that somebody made for this run and looks into, and what is asked for, in a word."""
    from trainctl.engine.runs.layout import RunPaths

    return (RunPaths(options.run_dir) if options.run_dir else None), options.preset or options.task or ""


def _target(options: RunOptions) -> Target:
    if options.resume == AUTO:
        return _begun_or_new(options)
    if options.resume is not None:
        return _resumed(options.resume, options)
    if options.fork is not None:
        return _forked(options.fork, options)
    return _new(options)


def _new(options: RunOptions) -> Target:
    wanted = configured(options)
    return Target(wanted, _opener(options.runs_dir, options.run_dir, wanted.resolved.preset))


def _begun_or_new(options: RunOptions) -> Target:
    """What a job goes on with that is started again and again by the same command line."""
    from trainctl.engine.runs.folder.unfinished import unfinished_run

    _refuse_with_auto(options)
    new = _new(options)
    begun = unfinished_run(options.runs_dir, new.configured.resolved.preset)
    return new if begun is None else _gone_on(str(begun.root), options)


def _refuse_with_auto(options: RunOptions) -> None:
    for name in ("fork", "run_dir"):
        if getattr(options, name):
            flag = "--" + name.replace("_", "-")
            raise UserError(f"--resume auto starts a run or goes on with one, not with {flag}", f"leave out {flag}")


def _refuse_with_resume(options: RunOptions) -> None:
    if options.fork:
        raise UserError("--resume goes on with a run, --fork starts a new one from it", "leave out one of them")
    for name in ("preset", "task", "config", "run_dir"):
        if getattr(options, name):
            flag = "--" + name.replace("_", "-")
            raise UserError(f"--resume goes on with the run's own configuration, not with {flag}", f"leave out {flag}")


def _opener(runs_dir: Path, run_dir: Path | None, preset: str) -> Callable[[], RunPaths]:
    from trainctl.engine.runs.index import create_run
    from trainctl.engine.runs.layout import RunPaths

    if run_dir is None:
        return lambda: create_run(runs_dir, preset)
    paths = RunPaths(run_dir)
    if not run_dir.is_dir() or paths.meta.exists() or paths.steps.exists():
        raise UserError(f"--run-dir {run_dir} is not an empty directory", "leave it out, or use --resume")
    return lambda: paths


def _resumed(ref: str, options: RunOptions) -> Target:
    _refuse_with_resume(options)
    return _gone_on(ref, options)


def _gone_on(ref: str, options: RunOptions) -> Target:
    from trainctl.tui.cli.past_run import past_run

    past = past_run(ref, options.runs_dir, options.data, options.assignments, trust=options.trust)
    return Target(past, lambda: past.paths, is_resumed=True)


def _forked(ref: str, options: RunOptions) -> Target:
    from trainctl.tui.cli.past_run import past_run

    if options.task is not None:
        raise UserError("a fork keeps the task of its run", "leave out --task, or start a new run")
    parent = past_run(ref, options.runs_dir, None, [], trust=options.trust)
    checkpoint = _fork_checkpoint(parent.paths, options.fork_from or ForkPoint.LATEST)
    resolved = _fork_config(parent.resolved, options)
    opener = _opener(options.runs_dir, options.run_dir, resolved.preset)
    return Target(Configured(resolved, options.data or parent.data), opener, parent=parent, checkpoint=checkpoint)


def _fork_checkpoint(parent: RunPaths, point: ForkPoint) -> Path:
    from trainctl.tui.cli.past_run import how_to_get_a_checkpoint

    checkpoint = parent.best if point is ForkPoint.BEST else parent.latest
    if not checkpoint.is_file():
        other = ForkPoint.LATEST if point is ForkPoint.BEST else ForkPoint.BEST
        has_other = (parent.best if other is ForkPoint.BEST else parent.latest).is_file()
        hint = f"use --from {other}" if has_other else how_to_get_a_checkpoint(parent)
        raise UserError(f"{parent.root} has no {point} checkpoint to fork from", hint)
    return checkpoint


def _fork_config(parent: Resolved, options: RunOptions) -> Resolved:
    from trainctl.engine.tasks.configured import running

    return running(trust=options.trust).fork_config(
        parent,
        preset=options.preset,
        scale=None if options.scale is ScaleChoice.AUTO else options.scale.on(""),
        files=options.config or (),
        environ=os.environ,
        overrides=options.assignments,
    )


def _train(target: Target, words: FirstWords | None, teller: Teller, *, json: bool, debug: bool) -> int:
    from trainctl.tui.cli.live.console_log import ConsoleLog
    from trainctl.tui.cli.live.streams import unbreakable_output

    with unbreakable_output():
        log = ConsoleLog()
        try:
            return _train_and_show(target, words, log, teller, json=json, debug=debug)
        finally:
            log.close()
            for line in teller.wait():
                say(f"trainctl: {line}", err=True)


def _train_and_show(
    target: Target, words: FirstWords | None, log: ConsoleLog, teller: Teller, *, json: bool, debug: bool
) -> int:
    if words is not None:
        words.say("importing torch")
    from trainctl.engine.training.session import train
    from trainctl.tui.cli.live.display import Display

    view = _view(log, json=json)
    log.show = view.printed
    display = Display(view)
    opened: list[RunPaths] = []

    def on_open(paths: RunPaths) -> None:
        if words is not None:
            words.hand_over()
        opened.append(paths)
        log.open(paths)
        display.start(paths)
        if why := teller.start(paths):
            say(f"trainctl: {why}", err=True)

    order = _order(target, on_open, debug=debug)
    if words is not None:
        words.say("loading the data")
    try:
        ending = train(order)
    except KeyboardInterrupt:
        if words is not None:
            words.fail("interrupted before the first step")
        left = "the run is as it was" if target.is_resumed else "no run was made"
        say(f"trainctl: interrupted before the first step; {left}", err=True)
        return ExitCode.INTERRUPTED
    except UserError:
        raise
    except BaseException as err:  # the task's code, before there is a run; later the run itself keeps what went wrong
        if isinstance(err, SystemExit) and err.code in ENDED_BY_SIGNAL:
            raise
        print_traceback(err)
        if words is not None:
            words.fail(kind_and_words(err))
        return ExitCode.RUN_FAILED
    finally:
        display.close()
    if opened and not json:
        _print_goodbye(opened[0], int(ending.code))
    return int(ending.code)


def _order(target: Target, on_open: Callable[[RunPaths], None], *, debug: bool) -> Order:
    """What the engine is to train."""
    from trainctl.engine.training.fork import Origin
    from trainctl.engine.training.session import Order
    from trainctl.tui.alerts.wishes import without_secrets

    origin, parent = None, target.parent
    if parent is not None and target.checkpoint is not None:
        origin = Origin(parent.paths, target.checkpoint, parent.resolved, parent.data)
    return Order(
        resolved=target.configured.resolved,
        task_type=target.configured.task_type,
        data_path=target.configured.data,
        open_run=target.open_run,
        is_resumed=target.is_resumed,
        origin=origin,
        argv=without_secrets(sys.argv),
        on_open=on_open,
        on_crash=print_traceback,
        make_observer=_debug_observer() if debug else None,
        judge=_judge,
    )


def _judge(paths: RunPaths, state: RunState) -> Judgement:
    from trainctl.engine.diagnosis.conclusion import conclude  # only now: a run need not wait for it to start

    return conclude(paths, state)


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

        return DebugPrinter(partial(say, err=True), splits.classes).after_backward

    return make


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
    say(*map(said_in_parts, lines))
