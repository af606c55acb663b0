"""Says how trainings of several cells go: a line on standard error for each change, on a terminal a live one below.

Knows how that looks, not what is trained.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Sequence

from trainctl.engine.errors import UserError
from trainctl.engine.runs.status import read_status
from trainctl.tui.charts.axis import duration
from trainctl.tui.cli.live.region import LiveRegion, terminal_width
from trainctl.tui.cli.output import say
from trainctl.tui.plain import cut
from trainctl.tui.processes.trainings import Outcome, UnderWay
from trainctl.tui.spoken import said

REDRAW_S = 0.5


class CellProgress:
    """The watcher of `run_all`.

    Args:
        names: of the trainings.
        verbs: what is done with each, e.g. `started`, `resumed`.
    """

    def __init__(self, names: Sequence[str], verbs: Sequence[str]) -> None:
        self._names, self._verbs = names, verbs
        self._began: dict[int, float] = {}
        self._over = 0
        self._asked = 0
        self._drawn = 0.0
        is_terminal = sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._region = LiveRegion(sys.stderr, is_coloured=True) if is_terminal else None

    def started(self, one: UnderWay) -> None:
        """See `Watcher`."""
        self._began[one.number] = time.monotonic()
        verb = "running already" if one.process is None else self._verbs[one.number]
        self._say(f"{self._names[one.number]}: {verb}  {one.run.root.name}")

    def ended(self, number: int, outcome: Outcome) -> None:
        """See `Watcher`."""
        self._over += 1
        took = duration(time.monotonic() - self._began[number]) if number in self._began else ""
        words = f"finished in {took}" if outcome.is_finished else f"not finished: {outcome.reason}"
        self._say(f"{self._names[number]}: {words}")

    def looked(self, under_way: Iterable[UnderWay], asked: int) -> None:
        """See `Watcher`."""
        if asked > self._asked:
            again = "; again: they end at once" if asked == 1 else ""
            self._say(f"ending: each training finishes its step and writes a checkpoint{again}")
            self._asked = asked
        now = time.monotonic()
        if self._region is not None and now - self._drawn > REDRAW_S:
            self._drawn = now
            told = [f"{self._over} of {len(self._names)} done", *map(self._where, under_way)]
            words = "   ".join(map(said, told))
            self._region.draw([[(cut(words, terminal_width()), "dim")]])

    def close(self) -> None:
        """Remove the live line."""
        if self._region is not None:
            self._region.erase()

    def _where(self, one: UnderWay) -> str:
        try:
            status = read_status(one.run)
        except UserError:
            status = None
        name = self._names[one.number]
        return name if status is None or not status.epochs else f"{name} epoch {status.epoch}/{status.epochs}"

    def _say(self, line: str) -> None:
        self.close()
        say(line, err=True)
