"""Shows a run in the terminal that started it: a live block on a TTY, lines without one, or JSON.

A reader of the run directory like any other, in a thread of its own; it never touches the training, and what goes
wrong here never ends it.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Any, Protocol, TextIO

from trainctl.engine.runs.atomic import to_json
from trainctl.engine.runs.events import Event, EventKind
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.reader import RunReader
from trainctl.tui.cli.live.block import live_block
from trainctl.tui.cli.live.console_log import ConsoleLog, write_straight
from trainctl.tui.cli.live.lines import Record, event_line, fold
from trainctl.tui.cli.live.region import RAW, LiveRegion, terminal_width
from trainctl.tui.plain import escaped_json, printable
from trainctl.tui.spoken import said_in_parts
from trainctl.tui.words.styles import BLOCK

POLL_S = 0.25
LAST_LOOK_S = 2.0
"""How long the end of a run waits for its last news."""


class View(Protocol):
    """One way of showing."""

    def show(self, reader: RunReader, events: list[Event], last: Record | None) -> None:
        """Show new events and the newest record, if any."""
        ...

    def printed(self, text: str, stream: TextIO) -> None:
        """Show what the task printed to a stream; it is kept already."""
        ...

    def close(self) -> None:
        """Leave the terminal as it was found."""
        ...


class PlainView:
    """One line per epoch, validation and event."""

    def __init__(self, log: ConsoleLog) -> None:
        self._log = log

    def show(self, reader: RunReader, events: list[Event], last: Record | None) -> None:
        """Print the new events."""
        del reader, last
        for line in filter(None, map(event_line, events)):
            self._log.line(line[1])
            self._log.out.write(said_in_parts(line[1]) + "\n")
        self._log.out.flush()

    def printed(self, text: str, stream: TextIO) -> None:
        """As it is."""
        write_straight(text, stream)

    def close(self) -> None:
        """Nothing to restore."""


class JsonView:
    """Each event as a JSON line. What the task prints goes to standard error, so that the lines stay JSON."""

    def __init__(self, log: ConsoleLog, stderr: TextIO) -> None:
        self._log, self._stderr = log, stderr

    def show(self, reader: RunReader, events: list[Event], last: Record | None) -> None:
        """Print the new events."""
        del last
        for event in events:
            data: dict[str, Any] = {"kind": event.kind, "step": event.step, "time": event.time, "data": event.data}
            if event.kind is EventKind.START:
                data["run"] = str(reader.paths.root)
            line = escaped_json(to_json(data))
            self._log.line(line)
            self._log.out.write(line + "\n")
        self._log.out.flush()

    def printed(self, text: str, stream: TextIO) -> None:
        """To standard error."""
        del stream
        write_straight(text, self._stderr)

    def close(self) -> None:
        """Nothing to restore."""


class LiveView:
    """Epoch bar, every loss term, learning rate, gradient norm, classes of the batch, time left."""

    def __init__(self, log: ConsoleLog) -> None:
        self._log = log
        self._region = LiveRegion(log.out, is_coloured="NO_COLOR" not in os.environ)
        self._last: Record | None = None
        self._unfinished = ""

    def show(self, reader: RunReader, events: list[Event], last: Record | None) -> None:
        """Print the new events above the block and redraw it."""
        width = terminal_width()
        for event in events:
            line = event_line(event)
            if line is not None:
                severity, text = line
                self._log.line(text)
                style = BLOCK[severity] or ("dim" if event.kind is EventKind.NOTE else "")
                self._region.write_above(*([(row, style)] for row in fold(said_in_parts(text), width)))
        self._last = last if last is not None else self._last
        if self._last is not None and reader.status is not None and reader.steps.layout is not None:
            encoding = getattr(self._log.out, "encoding", None) or "ascii"
            self._region.draw(live_block(reader.status, reader.steps.layout, self._last, width, encoding))

    def printed(self, text: str, stream: TextIO) -> None:
        """Whole lines above the block; of a line that is rewritten in place, what it is in the end."""
        if not stream.isatty():
            write_straight(text, stream)
            return
        *whole, self._unfinished = (self._unfinished + text).split("\n")
        self._unfinished = self._unfinished.rpartition("\r")[2]
        if whole:
            self._region.write_above(*([(line.rpartition("\r")[2] or line.strip("\r"), RAW)] for line in whole))

    def close(self) -> None:
        """Remove the block."""
        if self._unfinished:
            self.printed("\n", self._log.out)
        self._region.erase()


class Display:
    """Polls the run directory and feeds a view, until closed. A view that fails is given up; the training goes on."""

    def __init__(self, view: View) -> None:
        self._view: View | None = view
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
            self._thread.join(LAST_LOOK_S)
            if self._thread.is_alive():  # a disk that answers nobody must not keep a process that wants to end
                self._view = None
            self._update()
        if self._view is not None:
            self._view.close()

    def _run(self) -> None:
        while not self._done.wait(POLL_S):
            self._update()

    def _update(self) -> None:
        reader, view = self._reader, self._view
        assert reader is not None
        if view is None:
            return
        try:
            reader.poll()
            records = reader.steps.read_new()
            events, self._num_events = reader.events[self._num_events :], len(reader.events)
            view.show(reader, events, records[-1] if len(records) else None)
        except Exception as err:  # whatever it is, hours of training are worth more than their display
            self._view = None
            what = printable(f"{type(err).__name__}: {err}")
            sys.stderr.write(f"trainctl: the display failed ({what}); the training goes on\n")
