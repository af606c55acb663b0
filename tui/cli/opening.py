"""Opens the cockpit in this terminal, as soon as possible: imports neither typer nor the configuration schema.

`open_by_name` understands the plain command lines `trainctl ui` and `trainctl ui RUN`; whatever else is written there
is the business of `commands/ui.py`, with the same outcome, only later.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from trainctl.engine.errors import UserError
from trainctl.tui.plain import printable
from trainctl.tui.spoken import said
from trainctl.tui.words.language import speaking

if TYPE_CHECKING:
    from trainctl.engine.runs.layout import RunPaths
    from trainctl.tui.alerts.wishes import Wishes
    from trainctl.tui.app import CockpitApp
    from trainctl.tui.processes.launch import LaunchRequest

READONLY, GLYPH_FLAGS = "--readonly", {"--ascii": "ascii", "--blocks": "block"}
BLAS_THREADS = "OPENBLAS_NUM_THREADS"
PAINTS = "TEXTUAL_FPS"
PAINTS_PER_S = "120"
"""Textual paints at most so often. After a pause its first paint comes at once and the next up to two periods later,
which is what a key waits for that comes in between: 33 ms at Textual's own 60."""
SETTLED_S = 3.0
"""After this the first screen stands, with the run in it."""


def open_by_name(words: Sequence[str]) -> int | None:
    """`ui [RUN] [--readonly] [--ascii | --blocks] [--runs-dir DIR]`: the exit code; None: something else is asked.

    Without a run it opens the list, where there is anything to list.

    Raises:
        UserError: there is no such run, or no terminal.
    """
    found = _parse(words)
    if found is None:
        return None
    name, folder, flags = found
    with resting_collector(), speaking(None):
        import_numpy()
        from trainctl.engine.importing.passing import foreign_path
        from trainctl.engine.runs.index import find_run, run_names, runs_root
        from trainctl.tui.processes.launch import LaunchRequest

        request = LaunchRequest(runs_root(folder, os.environ), environ=dict(os.environ))
        glyphs = "".join(name for flag, name in GLYPH_FLAGS.items() if flag in flags)
        if not name:
            has_runs = bool(run_names(request.runs_dir))
            readonly = READONLY in flags
            return open_cockpit(None, request, readonly=readonly, glyphs=glyphs, lists=True) if has_runs else None
        foreign = foreign_path(name, request.runs_dir)
        if foreign is not None:
            return open_foreign(foreign, request, glyphs=glyphs)
        run = find_run(request.runs_dir, name)
        return open_cockpit(run, request, readonly=READONLY in flags, glyphs=glyphs)


def open_foreign(
    source: Path,
    request: LaunchRequest,
    *,
    columns: str = "",
    glyphs: str = "",
    keys: Path | None = None,
    replay: bool = False,
    wishes: Wishes | None = None,
) -> int:
    """Open the cockpit on what another tool recorded, which is only read; the arguments as in `open_cockpit`.

    Args:
        source: the file or folder.
        request: its folder of runs is not used: the cockpit lists the trainings at the source.
        columns: what the user says of the names there.

    Raises:
        UserError: it holds no training that can be read, or as `open_cockpit`.
    """
    from trainctl.tui.processes.foreign import followed

    check_terminal()
    with followed(source, columns, request.environ or os.environ) as foreign:
        there = replace(request, runs_dir=foreign.runs_dir)
        left = f"{source} was only read. Keep it among your runs with: trainctl import {source}"
        return open_cockpit(
            foreign.run, there, readonly=True, glyphs=glyphs, keys=keys, replay=replay, left=left, wishes=wishes
        )


def open_cockpit(
    run: RunPaths | None,
    request: LaunchRequest,
    *,
    readonly: bool,
    glyphs: str = "",
    keys: Path | None = None,
    replay: bool = False,
    left: str = "",
    wishes: Wishes | None = None,
    lists: bool = False,
    follows: bool = False,
) -> int:
    """Take the screen until the user leaves; then say where things stand. Returns the exit code.

    Args:
        run: to attach to; None: start one.
        request: how to start a run, now or later.
        readonly: refuse everything that would change a run.
        glyphs: name of the characters charts are drawn with; empty: as the terminal can.
        keys: the user's own keys; none: the file in the usual place, if there is one.
        replay: play the run from its records.
        left: what to say afterwards, in place of where things stand.
        wishes: whether the terminal rings; none: as the user's file says.
        lists: begin with the list of runs instead of a run.
        follows: always look at the newest run.

    Raises:
        UserError: this is no terminal, or there is a mistake in a file of the user's.
    """
    with _environ(PAINTS, os.environ.get(PAINTS, PAINTS_PER_S)):
        importlib.import_module("textual.constants")
    from trainctl.tui.alerts.wishes import wished
    from trainctl.tui.keys import keys_path, load_keymap

    wishes = wishes or wished()
    keymap = load_keymap(keys or keys_path(), must_exist=keys is not None)
    check_terminal()
    with resting_collector():
        feed = None
        if run is not None and not replay:
            from trainctl.tui.run.feed import RunFeed

            feed = RunFeed(run)
            feed.read_ahead()
        from trainctl.tui.app import CockpitApp

        _choose_drawing(glyphs)
        app = CockpitApp(run, request, readonly, keymap, replay, feed, wishes, lists, follows)
    return _take_screen(app, left)


def _take_screen(app: CockpitApp, left: str) -> int:
    """Until the user leaves; then `left`, or where things stand. Returns the exit code."""
    if is_in_browser():
        from trainctl.tui.cli.commands.web import end_with_server

        end_with_server()
    else:
        _forget_exported_size()
    with short_collections():
        app.run()
    if app.session is not None and not is_in_browser():
        sys.stdout.write(printable(said(left) if left else app.session.farewell()) + "\n")
    return app.return_code or 0


def _forget_exported_size() -> None:
    """Some shells export it once and for all: the terminal itself knows its size."""
    for name in ("COLUMNS", "LINES"):
        os.environ.pop(name, None)


def check_terminal() -> None:
    """Refuse to draw where nobody could see it.

    Raises:
        UserError: this is no terminal.
    """
    if not sys.stdout.isatty() and not is_in_browser():
        raise UserError("the cockpit needs a terminal", "use `trainctl run`, or `trainctl tail RUN` to follow one")


def _choose_drawing(glyphs: str) -> None:
    """What charts are drawn with, as `open_cockpit` is told or else as the terminal can."""
    from trainctl.tui.charts.chart import Chart
    from trainctl.tui.charts.raster import Glyphs

    # The font of the Linux console has no braille.
    Chart.glyphs = Glyphs(glyphs or ("ascii" if os.environ.get("TERM") == "linux" else "braille"))
    Chart.plain_ink = "NO_COLOR" in os.environ


def is_in_browser() -> bool:
    """Whether this cockpit draws into a browser's tab, see `processes.web`; standard output is its wire."""
    return "TEXTUAL_DRIVER" in os.environ


@contextmanager
def resting_collector() -> Generator[None]:
    """Within, the garbage collector rests: what is imported stays, there is nothing to find in it."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@contextmanager
def short_collections() -> Generator[None]:
    """Within, what is there for good is not searched for garbage: a full search holds up a key by tens of ms.

    That is what was imported before, and once more what the first screen has made by `SETTLED_S`.
    """
    settled = threading.Timer(SETTLED_S, gc.freeze)
    settled.daemon = True
    gc.freeze()
    gc.enable()
    settled.start()
    try:
        yield
    finally:
        settled.cancel()
        gc.unfreeze()


def import_numpy() -> None:
    """Import it without the threads its linear algebra starts, one for each core: the cockpit multiplies nothing."""
    with _environ(BLAS_THREADS, "1"):  # programs started from the cockpit may multiply
        importlib.import_module("numpy")


@contextmanager
def _environ(name: str, value: str) -> Generator[None]:
    """Within, a variable of the environment has this value: some packages read theirs when they are imported."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before


def _parse(words: Sequence[str]) -> tuple[str, Path | None, set[str]] | None:
    """Run (empty: none is named), folder of runs and flags; None unless that is all there is."""
    run = ""
    folder: Path | None = None
    flags: set[str] = set()
    rest = iter(words)
    for word in rest:
        if word == READONLY or (word in GLYPH_FLAGS and not flags & GLYPH_FLAGS.keys()):
            flags.add(word)
        elif word == "--runs-dir" and (value := next(rest, "")):
            folder = Path(value)
        elif not run and word and not word.startswith("-") and "=" not in word:
            run = word
        else:
            return None
    return run, folder, flags
