"""Shows a run in the terminal that started it: a live block on a TTY, lines without one, or JSON.

A reader of the run directory like any other, in a thread of its own; it never touches the training.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol, TextIO

from trainctl.engine.runs.atomic import to_json
from trainctl.engine.runs.events import Event, EventKind
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.reader import RunReader
from trainctl.tui.cli.lines import (
    Record,
    class_line,
    duration,
    event_line,
    figures,
    number,
    term_figures,
)

POLL_S = 0.25
Write = Callable[[str], None]


class View(Protocol):
    """One way of showing."""

    def show(self, reader: RunReader, events: list[Event], last: Record | None) -> None:
        """Show new events and the newest record, if any."""
        ...

    def close(self) -> None:
        """Leave the terminal as it was found."""
        ...


class PlainView:
    """One line per epoch, validation and event."""

    def __init__(self, write: Write) -> None:
        self._write = write

    def show(self, reader: RunReader, events: list[Event], last: Record | None) -> None:
        """Print the new events."""
        del reader, last
        for event in events:
            line = event_line(event)
            if line:
                self._write(line)

    def close(self) -> None:
        """Nothing to restore."""


class JsonView:
    """Each event as a JSON line."""

    def __init__(self, write: Write) -> None:
        self._write = write

    def show(self, reader: RunReader, events: list[Event], last: Record | None) -> None:
        """Print the new events."""
        del last
        for event in events:
            data: dict[str, Any] = {"kind": event.kind, "step": event.step, "time": event.time, "data": event.data}
            if event.kind is EventKind.START:
                data["run"] = str(reader.paths.root)
            self._write(to_json(data))

    def close(self) -> None:
        """Nothing to restore."""


class LiveView:
    """Epoch bar, every loss term, learning rate, gradient norm, classes of the batch, time left."""

    def __init__(self, write_log: Write) -> None:
        from rich.console import Console
        from rich.live import Live

        self._console = Console(file=sys.stdout)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._live.start()
        self._write_log = write_log
        self._last: Record | None = None

    def show(self, reader: RunReader, events: list[Event], last: Record | None) -> None:
        """Print the new events above the block and redraw it."""
        for event in events:
            line = event_line(event)
            if line:
                self._console.print(line, style=_style(event), highlight=False, markup=False)
                self._write_log(line)
        self._last = last if last is not None else self._last
        if self._last is not None and reader.status is not None:
            self._live.update(_block(reader, self._last), refresh=True)

    def close(self) -> None:
        """Remove the block."""
        self._live.stop()


def _style(event: Event) -> str:
    if event.kind in (EventKind.WARNING, EventKind.NONFINITE, EventKind.FINDING):
        return "bold yellow"
    if event.kind is EventKind.VALIDATION and event.data.get("best"):
        return "green"
    return "" if event.kind is not EventKind.NOTE else "dim"


def _block(reader: RunReader, record: Record) -> Any:
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    status, layout = reader.status, reader.steps.layout
    assert status is not None and layout is not None
    per_epoch = max(1, status.total_steps // max(1, status.epochs))
    done = (int(record["step"]) - 1) % per_epoch + 1
    row = Table.grid(padding=(0, 2))
    row.add_row(
        Text(f"{status.state}  epoch {int(record['epoch'])}/{status.epochs}", style="bold"),
        ProgressBar(total=per_epoch, completed=done, width=30),
        f"step {int(record['step']):,}/{status.total_steps:,}",
        f"{number(status.steps_per_s)} steps/s  {number(status.samples_per_s)} samples/s",
        f"ETA {duration(status.eta_s)}",
    )
    optimisation = {"lr": float(record["lr"][0]), "grad norm": float(record["grad_norm"])}
    lines = [Text("  " + figures(term_figures(record, layout) | optimisation))]
    classes = class_line(record, layout)
    if classes:
        lines.append(Text(f"  classes in the batch: {classes}", style="dim"))
    return Group(row, *lines)


class Display:
    """Polls the run directory and feeds a view, until closed."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._done = threading.Event()
        self._thread: threading.Thread | None = None
        self._reader: RunReader | None = None
        self._num_events = 0

    def start(self, paths: RunPaths) -> None:
        """Begin to show the run; what an earlier sitting wrote is passed over."""
        reader = RunReader(paths)
        reader.poll()
        resumes = [k for k, event in enumerate(reader.events) if event.kind is EventKind.RESUME]
        self._num_events = resumes[-1] if resumes else 0
        self._reader = reader
        self._thread = threading.Thread(target=self._run, name="trainctl-display", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Show the last news and stop."""
        self._done.set()
        if self._thread is not None:
            self._thread.join()
            self._update()
        self._view.close()

    def _run(self) -> None:
        while not self._done.wait(POLL_S):
            self._update()

    def _update(self) -> None:
        reader = self._reader
        assert reader is not None
        reader.poll()
        records = reader.steps.read_new()
        events, self._num_events = reader.events[self._num_events :], len(reader.events)
        self._view.show(reader, events, records[-1] if len(records) else None)


class ConsoleLog:
    """Everything the process prints, kept in `console.log` as well, unless it already goes there."""

    def __init__(self) -> None:
        self._file: TextIO | None = None
        self._stderr = sys.stderr
        self._waiting: list[str] = []

    def open(self, paths: RunPaths) -> None:
        """Start writing; what was printed before is written first."""
        if _is_same_file(paths):
            return
        with contextlib.suppress(OSError):
            self._file = paths.console.open("a", buffering=1)
        for text in self._waiting:
            self.write(text)
        sys.stderr = _Tee(self._stderr, self)

    def line(self, text: str) -> None:
        """Keep a line that was printed."""
        self.write(f"{time.strftime('%H:%M:%S')} {text}\n")

    def write(self, text: str) -> None:
        """Keep text as it is."""
        if self._file is None:
            self._waiting.append(text)
            return
        with contextlib.suppress(OSError):  # a full disk ends the run through its records, not through its log
            self._file.write(text)

    def close(self) -> None:
        """Give standard error back."""
        sys.stderr = self._stderr
        if self._file is not None:
            self._file.close()


class _Tee:
    """Standard error that is kept too."""

    def __init__(self, stream: TextIO, log: ConsoleLog) -> None:
        self._stream, self._log = stream, log

    def write(self, text: str) -> int:
        self._log.write(text)
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _is_same_file(paths: RunPaths) -> bool:
    import os

    try:
        ours, log = os.fstat(sys.stdout.fileno()), paths.console.stat()
    except (OSError, ValueError):
        return False
    return (ours.st_dev, ours.st_ino) == (log.st_dev, log.st_ino)
