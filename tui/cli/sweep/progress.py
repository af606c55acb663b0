"""Says how a sweep goes: a line on standard error for each trial that is over, on a terminal a live one below.

Knows how that looks, not how a trial is run.
"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

from trainctl.tui.charts.axis import duration, short
from trainctl.tui.cli.live.region import LiveRegion, terminal_width
from trainctl.tui.cli.output import say
from trainctl.tui.compare.study import params_words, short_run
from trainctl.tui.plain import cut, printable
from trainctl.tui.run.trial import TrialState

if TYPE_CHECKING:
    from trainctl.engine.runs.layout import RunPaths
    from trainctl.engine.runs.status import Status
    from trainctl.tui.cli.sweep.course import Objective, Reached
    from trainctl.tui.cli.sweep.journal import Given
    from trainctl.tui.cli.sweep.verdict import Verdict

REDRAW_S = 0.5


class Progress:
    """What a worker shows.

    Args:
        objective: what is looked for.
        done: trials of the study that are over.
        most: trials of the whole study.
        best: best value so far; None: none.
    """

    def __init__(self, objective: Objective, done: int, most: int, best: float | None) -> None:
        self._objective, self._done, self._most, self._best = objective, done, most, best
        self._drawn = 0.0
        self._began = time.monotonic()
        self._name = ""
        is_terminal = sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._region = LiveRegion(sys.stderr, is_coloured=True) if is_terminal else None

    def taken(self, given: Given) -> None:
        """A trial is ours now."""
        self._began = time.monotonic()
        if given.taken:
            self.say(f"trial {given.number}: taken over, its worker is gone")

    def began(self, given: Given, run: RunPaths, verb: str) -> None:
        """The training of a trial was started, resumed, or found running."""
        self._name = f"trial {given.number}  {short_run(run.root.name)}"
        if given.taken:
            self.say(f"trial {given.number}: {verb}  {run.root.name}")

    def ended(self, given: Given, verdict: Verdict) -> None:
        """A trial is over."""
        self._done += 1
        took = duration(time.monotonic() - self._began)
        value = "" if verdict.value is None else f"{self._objective.metric} {short(verdict.value, 4)}"
        words = [value, *([f"at epoch {verdict.epoch}"] if value and verdict.epoch else [])]
        if verdict.state is TrialState.COMPLETE:
            assert verdict.value is not None
            if self._best is None or self._objective.better(verdict.value, self._best):
                self._best = verdict.value
                words.append("(best so far)")
        else:
            colon = ":" if verdict.state is TrialState.FAILED else ""
            words = [f"{verdict.state}{colon} {verdict.reason}", *([f"({value})"] if value else [])]
        self.say(f"trial {given.number}: {' '.join(words)}  {params_words(given.params)}  {took}")

    def looked(self, status: Status | None, last: Reached | None) -> None:
        """Nothing else happened."""
        now = time.monotonic()
        if self._region is None or now - self._drawn < REDRAW_S:
            return
        self._drawn = now
        told = [self._name]
        if status is not None and status.epochs:
            told.append(f"epoch {status.epoch}/{status.epochs}")
        if last is not None:
            told.append(f"{self._objective.metric} {short(last.value, 4)}")
        told.append(f"{self._done} of {self._most} done")
        if self._best is not None:
            told.append(f"best {short(self._best, 4)}")
        self._region.draw([[(cut(printable("   ".join(told)), terminal_width()), "dim")]])

    def say(self, line: str) -> None:
        """Print a line above the live one."""
        self.close()
        say(line, err=True)

    def close(self) -> None:
        """Remove the live line."""
        if self._region is not None:
            self._region.erase()
