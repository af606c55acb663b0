"""`trainctl runs`: the runs in a folder, filtered and sorted as in the cockpit; deletes and renames them.

To list them only their small files are read.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from trainctl.engine.errors import UserError
from trainctl.engine.runs.index import RunInfo, list_runs, run_names
from trainctl.tui.cli.options import DEFAULT_RUNS_DIR, Json, Lang, RunsDir
from trainctl.tui.cli.output import Cell, align, ask, print_json, print_lines, say
from trainctl.tui.words.language import speaking
from trainctl.tui.words.runs import SEVERITY_WORDS, SYMBOLS, run_state_word
from trainctl.tui.words.styles import SHADES

HELP: dict[str, Any] = {"help_option_names": ["-h", "--help"]}

command = typer.Typer(add_completion=False, rich_markup_mode=None, context_settings=HELP)

BOLD = ("running", "paused", "validating", "silent", "presumed crashed")
"""Runs that somebody may have to look after now."""
HEADINGS = ("RUN", "STATE", "STEP", "EPOCH", "BEST", "TOOK", "SEEN")


Limit = Annotated[int, typer.Option("--limit", "-n", min=1, metavar="N", help="Show the first N.")]
Where = Annotated[
    str,
    typer.Option("--filter", metavar="WORDS", help="Show those of which this holds: 'state:running f1>.9 -weld'."),
]
Sort = Annotated[
    str,
    typer.Option("--sort", metavar="COLUMN", help="run, state, study, preset, best, loss, step, epoch, took or age."),
]
Invert = Annotated[bool, typer.Option("--invert", help="The other way round.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


@command.callback(invoke_without_command=True)
def root(
    ctx: typer.Context,
    limit: Limit = 20,
    where: Where = "",
    sort: Sort = "age",
    invert: Invert = False,
    runs_dir: RunsDir = DEFAULT_RUNS_DIR,
    json: Json = False,
    lang: Lang = None,
) -> None:
    """List runs, newest first; or delete or rename one."""
    if ctx.invoked_subcommand is not None:
        return
    with speaking(lang):
        infos, more = _chosen(runs_dir, limit, where, sort, invert)
        if json:
            print_json([as_json(info) for info in infos])
        else:
            _list(infos, more, runs_dir, where, sort)


def _list(infos: list[RunInfo], more: int, runs_dir: Path, where: str, sort: str) -> None:
    if not infos:
        hint = f"no run in {runs_dir} has {where}" if where and run_names(runs_dir) else ""
        print_lines([[(hint or f"no run in {runs_dir} yet; start one with: trainctl run", "")]])
        return
    print_lines(align([[(word, "dim") for word in HEADINGS], *(row(info) for info in infos)]))
    if more > 0:
        print_lines([[(f"and {more} older; --limit shows them" if sort == "age" else f"and {more} more", "dim")]])


@command.command("delete", context_settings=HELP)
def delete_command(
    names: Annotated[list[str], typer.Argument(metavar="RUN...", help="Full names of runs.")],
    yes: Yes = False,
    runs_dir: RunsDir = DEFAULT_RUNS_DIR,
) -> None:
    """Delete runs for good, after a question. A run whose process is or may be there is refused."""
    from trainctl.engine.runs.folder.removal import delete_run, removal
    from trainctl.tui.words.folder import removal_lines

    found = [removal(runs_dir, name) for name in dict.fromkeys(names)]  # one that is refused deletes none
    for what in found:
        name = what.paths.root.name
        if not yes:
            print_lines([[(name, "bold")], *([("  " + line, "")] for line in removal_lines(what))])
            _ask_for(name)
        delete_run(runs_dir, name)
        say(f"deleted: {name}")


@command.command("rename", context_settings=HELP)
def rename_command(
    old: Annotated[str, typer.Argument(metavar="OLD", help="Full name of a run.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="What stands between its date and its id, which stay.")],
    runs_dir: RunsDir = DEFAULT_RUNS_DIR,
) -> None:
    """Give a run another name. A run whose process is or may be there is refused."""
    from trainctl.engine.runs.folder.renaming import rename_run

    say(f"{old} is now {rename_run(runs_dir, old, new).root.name}")


def _ask_for(name: str) -> None:
    """Have the name typed; whatever else is typed ends the command.

    Raises:
        UserError: it was not, or there is nobody to ask.
    """
    if not sys.stdin.isatty():
        raise UserError(f"{name}: nobody to ask whether to delete it", "give --yes")
    if ask("type the name to delete it") != name:
        raise UserError(f"{name} is kept", "the name was not typed")


def _chosen(runs_dir: Path, limit: int, where: str, sort: str, is_inverted: bool) -> tuple[list[RunInfo], int]:
    """The runs that are asked for, and how many more there are."""
    if not where and sort == "age" and not is_inverted:
        infos = list_runs(runs_dir, limit)
        return infos, len(run_names(runs_dir)) - len(infos)
    from trainctl.tui.listing.courses import read_course
    from trainctl.tui.listing.filters import metrics_of, parse_filter
    from trainctl.tui.listing.listed import Listed
    from trainctl.tui.listing.orders import VALUES, Order

    if sort not in VALUES:
        raise UserError(f"--sort {sort}: no such column", f"there is: {', '.join(VALUES)}")
    runs = [Listed(info) for info in list_runs(runs_dir)]
    wanted, now = parse_filter(where, metrics_of(runs)), time.time()
    if sort == "loss" or wanted.asks_loss:
        runs = [Listed(run.info, read_course(run.info.paths)) for run in runs]
    found = Order(sort, is_inverted).sorted(run for run in runs if wanted.shows(run, now))
    return [run.info for run in found[:limit]], len(found) - limit


def row(info: RunInfo) -> list[Cell]:
    """Cells of one run, in the order of `HEADINGS`."""
    from trainctl.tui.charts.axis import duration

    word = run_state_word(info)
    state = (f"{SYMBOLS[word]} {word}", state_style(word))
    if info.problem:
        return [(info.name, ""), state, (info.problem, "")]
    best = f"{info.best.metric} {info.best.value:.4g}" if info.best else "-"
    return [
        (info.name, ""),
        state,
        (_of(info.step, info.total_steps), ""),
        (_of(info.epoch, info.epochs), ""),
        (best, ""),
        (duration(info.seconds), ""),
        (f"{duration(info.age_s)} ago", ""),
    ]


def state_style(word: str) -> str:
    """Style of a word for where a run stands."""
    shade = SHADES.get(SEVERITY_WORDS.get(word, ""), "")
    return f"bold {shade}" if word in BOLD else shade


def as_json(info: RunInfo) -> dict[str, Any]:
    """One run for scripts."""
    best = info.best
    return {
        "name": info.name,
        "path": str(info.paths.root.absolute()),
        "preset": info.preset,
        "state": info.state,
        "liveness": info.liveness,
        "step": info.step,
        "total_steps": info.total_steps,
        "epoch": info.epoch,
        "epochs": info.epochs,
        "best": None if best is None else {"metric": best.metric, "value": best.value, "epoch": best.epoch},
        "started": info.started,
        "seconds": info.seconds,
        "age_s": info.age_s,
        "problem": info.problem,
    }


def _of(done: int, total: int) -> str:
    return f"{done}/{total}" if total else str(done) if done else "-"
