"""`trainctl tail`: follows a run in plain text or JSON lines, and ends when it does. Never writes into the run."""

from __future__ import annotations

import dataclasses
import itertools
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from trainctl.engine.runs.events import Event, EventKind
from trainctl.engine.runs.export.jsonl_format import step_objects
from trainctl.engine.runs.index import find_run
from trainctl.engine.runs.reader import RunReader
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.status import Liveness
from trainctl.engine.runs.store import Records
from trainctl.tui.charts.axis import duration
from trainctl.tui.cli.live.history import History, Item
from trainctl.tui.cli.live.lines import event_line, fold, step_line
from trainctl.tui.cli.live.region import terminal_width
from trainctl.tui.cli.options import DEFAULT_RUNS_DIR, Lang, RunsDir
from trainctl.tui.cli.output import say, say_json
from trainctl.tui.spoken import said_in_parts
from trainctl.tui.words.language import speaking

BLOCK = 1024
"""Steps turned into JSON at once."""
POLL_S = 0.25
STEP_LINE_S = 1.0
"""In text at most one step line in this time; JSON has every step."""
LAST_WORDS_S = 2.0
"""How long to wait for the last event of a run that has ended."""


def command(
    run: Annotated[str, typer.Argument(metavar="[RUN]", help="Name or part of it, path, or `latest`.")] = "latest",
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object per step and event.")] = False,
    follow: Annotated[
        bool, typer.Option("--follow/--no-follow", "-f/-F", help="Wait for more while the run is live.")
    ] = True,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=-1, metavar="N", help="Begin with the last N; -1: everything.")
    ] = 10,
    runs_dir: RunsDir = DEFAULT_RUNS_DIR,
    lang: Lang = None,
) -> None:
    """Follow a run in plain text, until it ends."""
    with speaking(lang):
        _tail(run, runs_dir, lines, json=json, follow=follow)


def _tail(run: str, runs_dir: Path, lines: int, *, json: bool, follow: bool) -> None:
    reader = RunReader(find_run(runs_dir, run))
    show = show_json if json else show_text
    history = History(reader)
    show(reader, history.past(None if lines < 0 else lines))
    if follow:
        _follow(history, json=json)
    elif not json:
        _say_where(reader)


def show_text(reader: RunReader, items: Iterable[Item]) -> None:
    """A line for each step and event."""
    layout = reader.steps.layout
    for item in items:
        if isinstance(item, Event):
            found = event_line(item)
            line = found[1] if found else ""
        else:
            assert layout is not None
            line = step_line(item, layout)
        line = said_in_parts(line)
        for row in fold(line, terminal_width()) if line and sys.stdout.isatty() else [line] * bool(line):
            say(row)


def show_json(reader: RunReader, items: Iterable[Item]) -> None:
    """A JSON object for each: `kind` (an event's, or `step`), `step`, `time`, `data`."""
    layout = reader.steps.layout
    for is_event, group in itertools.groupby(items, lambda item: isinstance(item, Event)):
        if is_event:
            for event in group:
                assert isinstance(event, Event)
                say_json(dataclasses.asdict(event))
            continue
        assert layout is not None
        for block in _in_blocks(group):
            for data in step_objects(block, layout):
                say_json({"kind": "step", "step": data["step"], "time": data.get("time"), "data": data})


def _in_blocks(records: Iterator[Any]) -> Iterator[Records]:
    while block := list(itertools.islice(records, BLOCK)):
        yield np.array(block, block[0].dtype)


def _follow(history: History, *, json: bool) -> None:
    """Show what is new until the run has ended and said so."""
    reader, thinner, was_silent = history.reader, Thinner(), False
    for alive, age_s in _while_it_may_go_on(reader):
        items = history.new()
        if json:
            show_json(reader, items)
            continue
        show_text(reader, thinner.pass_on(items))
        is_silent = alive is Liveness.SILENT and reader.state is not RunState.PAUSED
        if is_silent and not was_silent:
            say(f"! no sign of life for {duration(age_s)}")
        was_silent = is_silent
    if json:
        alive, age_s = reader.liveness()
        say_json({"kind": "liveness", "data": {"liveness": alive, "age_s": age_s, "state": reader.state}})
    else:
        _say_where(reader)


def _while_it_may_go_on(reader: RunReader) -> Iterator[tuple[Liveness, float]]:
    """Yields as long as there may be more to read, at least once after the end, and sleeps in between."""
    ended_at: float | None = None
    while True:
        alive, age_s = reader.liveness()
        yield alive, age_s
        if reader.is_gone:
            return
        now = time.monotonic()
        if alive not in (Liveness.OVER, Liveness.CRASHED):
            ended_at = None
        elif ended_at is None:
            ended_at = now
            continue  # what was written before the end is certainly read once more
        elif alive is Liveness.CRASHED or _has_last_words(reader) or now - ended_at > LAST_WORDS_S:
            return
        time.sleep(POLL_S)


def _has_last_words(reader: RunReader) -> bool:
    return bool(reader.events) and reader.events[-1].kind is EventKind.END


class Thinner:
    """Lets every event pass, and a step at most every `STEP_LINE_S`: the newest."""

    def __init__(self) -> None:
        self._shown = 0.0

    def pass_on(self, items: Iterable[Item]) -> Iterator[Item]:
        """What to show of `items`."""
        newest: Item | None = None
        for item in items:
            if not isinstance(item, Event):
                newest = item
                continue
            yield item
        if newest is not None and time.monotonic() - self._shown >= STEP_LINE_S:
            self._shown = time.monotonic()
            yield newest


def _say_where(reader: RunReader) -> None:
    """One line on a run that is over or crashed; nothing on a live one."""
    alive, age_s = reader.liveness()
    status, name = reader.status, reader.paths.root.name
    if reader.is_gone:
        say(f"× the folder of {name} was deleted: {reader.paths.root}")
    elif alive is Liveness.CRASHED and status is not None:
        say(
            f"× {name} presumed crashed after step {status.step}: process {status.pid} on {status.host} is gone, "
            f"last sign of life {duration(age_s)} ago; see {reader.paths.console}"
        )
    elif alive is Liveness.OVER:
        say(f"{name} is over: {reader.state}")
