"""`trainctl top`: looks at machine and live runs every other second, in place on a terminal, once anywhere else."""

from __future__ import annotations

import shutil
import sys
import time
from typing import Annotated

import typer

from trainctl.tui.cli.live.region import LiveRegion, Piece, terminal_width
from trainctl.tui.cli.options import DEFAULT_RUNS_DIR, Json, RunsDir
from trainctl.tui.cli.output import SCHEMA, Cell, print_json, print_lines
from trainctl.tui.cli.top.looking import Looker
from trainctl.tui.cli.top.shown import lines_of
from trainctl.tui.plain import cut

FIRST_S = 0.5
"""Over which the first shares of the processors are taken."""
LEAST_EVERY_S = 0.2


def command(
    once: Annotated[bool, typer.Option("--once", help="Print one look and end, also on a terminal.")] = False,
    every: Annotated[
        float, typer.Option("--every", min=LEAST_EVERY_S, metavar="S", help="Seconds between two looks.")
    ] = 2.0,
    runs_dir: RunsDir = DEFAULT_RUNS_DIR,
    json: Json = False,
) -> None:
    """Show what the machine does, and the runs that are live. Ctrl+C ends it; into a pipe it prints once."""
    looker = Looker(runs_dir)
    time.sleep(FIRST_S)
    if json:
        print_json({"schema": SCHEMA, **looker.look().as_json()})
    elif once or not sys.stdout.isatty():
        print_lines(lines_of(looker.look(), runs_dir))
    else:
        _watch(looker, runs_dir, every)


def _watch(looker: Looker, runs_dir: RunsDir, every: float) -> None:
    region = LiveRegion(sys.stdout, is_coloured=_is_coloured())
    try:
        while True:
            region.draw(fitting(lines_of(looker.look(), runs_dir), terminal_width(), shutil.get_terminal_size().lines))
            time.sleep(every)
    except KeyboardInterrupt:
        return


def fitting(lines: list[list[Cell]], width: int, height: int) -> list[list[Piece]]:
    """As much of the lines as a terminal has room for: whole lines, the last says how many are missing."""
    room = max(height - 2, 1)
    if len(lines) > room:
        lines = [*lines[: room - 1], [(f"+{len(lines) - room + 1}", "dim")]]
    shown: list[list[Piece]] = []
    for line in lines:
        pieces, left = list[Piece](), max(width - 1, 1)
        for text, style in line:
            piece = cut(text, left) if left > 0 else ""
            left -= len(piece)
            pieces.append((piece, style))
        shown.append(pieces)
    return shown


def _is_coloured() -> bool:
    from rich.console import Console

    return Console().color_system is not None
