"""`trainctl runs`: the runs in a folder, newest first. Reads only their small files."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from trainctl.engine.runs.index import RunInfo, list_runs, run_names
from trainctl.tui.cli.options import DEFAULT_RUNS_DIR, Json, RunsDir
from trainctl.tui.cli.output import Cell, align, print_json, print_lines
from trainctl.tui.words.runs import SEVERITY_WORDS, SYMBOLS, run_state_word
from trainctl.tui.words.styles import SHADES

BOLD = ("running", "paused", "validating", "silent", "presumed crashed")
"""Runs that somebody may have to look after now."""
HEADINGS = ("RUN", "STATE", "STEP", "EPOCH", "BEST", "TOOK", "SEEN")


def command(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, metavar="N", help="Show the newest N.")] = 20,
    runs_dir: RunsDir = DEFAULT_RUNS_DIR,
    json: Json = False,
) -> None:
    """List runs, newest first."""
    infos = list_runs(runs_dir, limit)
    if json:
        print_json([as_json(info) for info in infos])
        return
    if not infos:
        print_lines([[(f"no run in {runs_dir} yet; start one with: trainctl run", "")]])
        return
    print_lines(align([[(word, "dim") for word in HEADINGS], *(row(info) for info in infos)]))
    more = len(run_names(runs_dir)) - len(infos)
    if more > 0:
        print_lines([[(f"and {more} older; --limit shows them", "dim")]])


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
