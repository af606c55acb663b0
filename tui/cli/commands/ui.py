"""`trainctl ui`: opens the cockpit on an existing run, or starts one in the background and opens it there.

Every mistake is found before the screen is taken.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from trainctl.engine.errors import UserError
from trainctl.tui.cli.command_line import takes
from trainctl.tui.cli.options import Lang, OnEnd, OnFinding, RunOrConfigurationOptions, ScaleChoice
from trainctl.tui.spoken import VARIABLE, spoken
from trainctl.tui.words.language import speaking

if TYPE_CHECKING:
    from trainctl.engine.runs.layout import RunPaths
    from trainctl.tui.processes.launch import LaunchRequest


@dataclass(frozen=True)
class UiOptions(RunOrConfigurationOptions):
    """The options of `trainctl ui`."""

    ONLY_ONE: ClassVar[str] = "the cockpit opens on one run"
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN] | [KEY=VALUE]...",
            help="Run to open: name, part of it, path or `latest`; a log of another tool, which is only read; or "
            "overrides of a new run, as with --set.",
            show_default=False,
        ),
    ] = None
    readonly: Annotated[bool, typer.Option("--readonly", help="Refuse everything that changes a run.")] = False
    ascii_: Annotated[bool, typer.Option("--ascii", help="Draw charts with plain characters.")] = False
    blocks: Annotated[bool, typer.Option("--blocks", help="Draw charts with block characters.")] = False
    keys: Annotated[
        Path | None,
        typer.Option("--keys", metavar="FILE", help="Your own keys (default: trainctl/keys.yaml in ~/.config)."),
    ] = None
    columns: Annotated[
        str,
        typer.Option("--columns", metavar="ROLE=NAME,...", help="With a log: what its names are, e.g. train=loss_t."),
    ] = ""
    on_end: OnEnd = None
    on_finding: OnFinding = None
    bell: Annotated[
        bool | None,
        typer.Option("--bell/--no-bell", help="Ring when the run ends or an error is found.", show_default=False),
    ] = None
    notify: Annotated[
        bool | None,
        typer.Option("--notify/--no-notify", help="The same as a notification of the terminal.", show_default=False),
    ] = None
    newest: Annotated[bool, typer.Option("--newest", help="Open the newest run, and each new one as it begins.")] = (
        False
    )
    replay: Annotated[bool, typer.Option("--replay", help="Play RUN again from its records.")] = False
    web: Annotated[bool, typer.Option("--web", help="Serve the cockpit to browsers instead; read only.")] = False
    host: Annotated[
        str | None, typer.Option("--host", metavar="HOST", help="With --web: where to listen (default: 127.0.0.1).")
    ] = None
    port: Annotated[
        int | None, typer.Option("--port", metavar="N", help="With --web: port (default: 8000; 0: a free one).")
    ] = None
    allow_control: Annotated[bool, typer.Option("--allow-control", help="With --web: browsers may change the run.")] = (
        False
    )
    lang: Lang = None


@takes(UiOptions, first=("preset", "task", "data", "scale", "device", "config", "sets"))
def command(options: UiOptions) -> None:
    """Open the cockpit on RUN; without it, on the list of runs. With options of a new run, or where there is none yet,
    start one (default preset: balanced) and open it.

    The training is a process of its own: leaving the cockpit does not end it.
    """
    with speaking(options.lang):
        raise typer.Exit(_open(options))


def _open(options: UiOptions) -> int:
    """The exit code of what is asked for."""
    from trainctl.tui.alerts.wishes import wished

    wishes = wished(options.on_end, options.on_finding, bell=options.bell, notify=options.notify)
    source = _foreign(options)
    lists = source is None and _is_about_all(options)
    run, request = (None, _request(options)) if source is not None or lists else _what_to_open(options)
    if options.ascii_ and options.blocks:
        raise UserError("--ascii and --blocks are two ways to draw", "give one of them")
    if options.web:
        if source is not None:
            return _serve_foreign(source, request, options)
        return _serve(run, request, options, lists=lists)
    if options.host is not None or options.port is not None or options.allow_control:
        raise UserError("--host, --port and --allow-control are about --web", "add --web")

    from trainctl.tui.cli.opening import open_cockpit, open_foreign

    glyphs = "ascii" if options.ascii_ else "block" if options.blocks else ""
    readonly, keys, replay = options.readonly, options.keys, options.replay
    if source is not None:
        columns = options.columns
        return open_foreign(source, request, columns=columns, glyphs=glyphs, keys=keys, replay=replay, wishes=wishes)
    if run is not None:
        _tell_of(run, options)
    return open_cockpit(
        run,
        request,
        readonly=readonly,
        glyphs=glyphs,
        keys=keys,
        replay=replay,
        wishes=wishes,
        lists=lists,
        follows=options.newest,
    )


def _is_about_all(options: UiOptions) -> bool:
    """Whether nothing says which run, old or new, and there are runs to choose from."""
    from trainctl.engine.runs.index import run_names

    names_a_run = options.run is not None or options.newest or options.replay
    is_of_one = _is_of_a_new_run(options) or options.on_end is not None or options.on_finding is not None
    return not names_a_run and not is_of_one and bool(run_names(options.runs_dir))


def _is_of_a_new_run(options: UiOptions) -> bool:
    """Whether anything is said that a run can only be started with."""
    said = (options.preset, options.task, options.data, options.assignments, options.config, options.device)
    return any(said) or options.scale is not ScaleChoice.AUTO


def _tell_of(run: RunPaths, options: UiOptions) -> None:
    """Have a run that goes on told of, where that is asked for here: what the user's file asks for, its start did."""
    from trainctl.tui.alerts.starting import Teller
    from trainctl.tui.alerts.wishes import Wishes
    from trainctl.tui.run.feed import glimpse
    from trainctl.tui.run.view import RunView

    wishes = Wishes(options.on_end or "", options.on_finding or "")
    if not wishes.leave_the_terminal:
        return
    view = RunView(run)
    view.apply(glimpse(run))
    if view.is_over:
        raise UserError(
            f"{run.root.name} is over: --on-end and --on-finding have nothing to wait for", "leave them out"
        )
    if why := Teller(wishes).start(run):
        raise UserError(why, "open the cockpit without it")


def _foreign(options: UiOptions) -> Path | None:
    """The file or folder of another tool that is named; None: a run is, or nothing."""
    from trainctl.engine.importing.passing import foreign_path

    found = foreign_path(options.run or "", options.runs_dir)
    if options.columns and found is None:
        raise UserError("--columns goes with a log of another tool", "a run has its own names")
    return found


def _serve_foreign(source: Path, request: LaunchRequest, options: UiOptions) -> int:
    from trainctl.tui.processes.foreign import followed

    with followed(source, options.columns, request.environ or os.environ) as foreign:
        return _serve(foreign.run, request, options)


def _what_to_open(options: UiOptions) -> tuple[RunPaths | None, LaunchRequest]:
    """The run to open, none: a new one; and how new ones are started."""
    from trainctl.engine.runs.index import LATEST, find_run

    request = _request(options)
    if options.newest:
        if options.run is not None or _is_of_a_new_run(options):
            raise UserError("--newest opens the newest run", "leave out RUN and the options of a new one")
        return find_run(options.runs_dir, LATEST), request
    if options.run is None:
        if options.readonly:
            raise UserError("--readonly starts nothing", "name a run to open, e.g. trainctl ui latest --readonly")
        from trainctl.tui.presets import checked

        request = checked(request)
        if options.replay:
            raise UserError("--replay plays what was recorded", "name a run, e.g. trainctl ui latest --replay")
        return None, request
    if options.preset or options.task or options.data or options.assignments or options.config:
        raise UserError("RUN opens an existing run", "options of a new run do not go with it")
    return find_run(options.runs_dir, options.run), request


def _request(options: UiOptions) -> LaunchRequest:
    from trainctl.tui.processes.launch import LaunchRequest

    return LaunchRequest(
        options.runs_dir,
        options.preset,
        options.task,
        options.data,
        options.scale.value,
        options.device,
        options.trust,
        tuple(options.config or ()),
        (*(options.sets or ()), *options.overrides, *options.data_assignments),
        environ=_environ(options),
    )


def _environ(options: UiOptions) -> dict[str, str]:
    """Of the trainings that are started: as it was before the screen is taken, with who is to be told of them.

    In the environment, as a token is not for the list of processes.
    """
    from trainctl.tui.alerts.wishes import ON_END, ON_FINDING

    said = {ON_END: options.on_end, ON_FINDING: options.on_finding, VARIABLE: options.lang and spoken()}
    return {**os.environ, **{name: value for name, value in said.items() if value is not None}}


def _serve(run: RunPaths | None, request: LaunchRequest, options: UiOptions, *, lists: bool = False) -> int:
    from trainctl.tui.cli.commands.web import WebOptions, open_web

    wanted = {"--replay": options.replay, "--ascii": options.ascii_, "--blocks": options.blocks}
    flags = tuple(flag for flag, is_given in wanted.items() if is_given)
    flags += ("--lang", spoken()) if options.lang else ()
    web = WebOptions.of(options.host, options.port, options.allow_control, options.readonly, flags)
    return open_web(run, request, web, lists=lists)
