"""The process that follows one run and tells of it, from its first step to its end, however that comes.

Reads the run directory like anybody else; started by `starting`, which hands it the wishes on standard input. Writes
nothing but a line into the run's events where somebody could not be told.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainctl.engine.diagnosis.finding import Severity
from trainctl.engine.errors import UserError
from trainctl.engine.files import is_folder
from trainctl.engine.runs.events import EventKind, EventWriter
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.status import Liveness, is_alive
from trainctl.tui.alerts.delivery import deliver
from trainctl.tui.alerts.facts import Alert, of_end, of_finding
from trainctl.tui.alerts.wishes import Wishes
from trainctl.tui.health.health import Health
from trainctl.tui.health.monitor import Monitor
from trainctl.tui.run.feed import glimpse
from trainctl.tui.run.view import RunView

POLL_S = 0.5
SURE_S = 1.0
"""A run whose process is gone is looked at once more after this: its last words may be on their way."""
MOST_FINDINGS = 20
"""Of one run; who has had so many letters knows."""
GRAVE = (Severity.ERROR, Severity.WARNING)


class Watcher:
    """Follows one run.

    Args:
        paths: the run.
        wishes: who is told.
        starter: process id and start time of who started the run: while it is there, a run without a status begins.
        environ: of commands.
    """

    def __init__(
        self, paths: RunPaths, wishes: Wishes, starter: tuple[int, int | None], environ: Mapping[str, str]
    ) -> None:
        self.paths, self.wishes, self.environ = paths, wishes, environ
        self.failures: list[str] = []
        self._starter = starter
        self._judged: queue.SimpleQueue[Health] = queue.SimpleQueue()
        self._told: set[str] = set()
        self._has_begun = False

    def run(self) -> None:
        """To the end of the run."""
        monitor = Monitor(self.paths, self._judged.put) if self.wishes.on_finding else None
        if monitor is not None:
            monitor.start()
        view = self._look()
        while not self._is_over(view):
            self._tell_findings(view)
            time.sleep(POLL_S)
            view = self._look()
        if monitor is not None:
            monitor.stop()
        self._tell_end(view)

    def _look(self) -> RunView:
        """What the small files say now."""
        view = RunView(self.paths)
        view.apply(glimpse(self.paths))
        view.is_gone = not is_folder(self.paths.root, strict=False)
        self._has_begun = self._has_begun or view.status is not None
        return view

    def _is_over(self, view: RunView) -> bool:
        if view.is_gone:
            return True
        if view.status is None and view.summary is None and is_alive(*self._starter):
            return False
        if not view.is_over:
            return False
        if view.liveness is Liveness.OVER:
            return True
        time.sleep(SURE_S)
        return self._look().is_over

    def _tell_findings(self, view: RunView) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._tell_new(view, self._judged.get_nowait())

    def _tell_new(self, view: RunView, health: Health) -> None:
        for finding in health.causes:
            if finding.severity in GRAVE and finding.code not in self._told and len(self._told) < MOST_FINDINGS:
                self._told.add(finding.code)
                self._tell("on-finding", self.wishes.on_finding, of_finding(view, health, finding))

    def _tell_end(self, view: RunView) -> None:
        view = view if view.is_gone else self._look()  # the summary may have come meanwhile
        health = None if view.is_gone else Monitor(self.paths, lambda _: None).judge_anyhow()
        if health is not None and self.wishes.on_finding:
            self._tell_new(view, health)
        if not self.wishes.on_end:
            return
        alert = of_end(view, health)
        if view.is_gone and not self._has_begun:
            alert = _never_begun(alert)
        self._tell("on-end", self.wishes.on_end, alert)

    def _tell(self, option: str, target: str, alert: Alert) -> None:
        why = deliver(target, alert, self.environ)
        if not why:
            return
        words = f"--{option}: {why}"
        self.failures.append(words)
        if is_folder(self.paths.root, strict=False):
            with contextlib.suppress(UserError):
                EventWriter(self.paths).append(EventKind.NOTE, alert.step, text=words)


def _never_begun(alert: Alert) -> Alert:
    """Of a program that ended without a step there is no directory any more."""
    from dataclasses import replace

    return replace(alert, state="did not start", severity="error", summary="ended before its first step")


def main() -> None:
    """`python -m trainctl.tui.alerts.watcher RUN`, with `starting.Handover` on standard input."""
    given: dict[str, Any] = json.loads(sys.stdin.buffer.read() or b"{}")
    paths = RunPaths(Path(sys.argv[1]))
    wishes = Wishes(given["on_end"], given["on_finding"])
    watcher = Watcher(paths, wishes, (int(given["pid"]), given["start"]), dict(os.environ))
    watcher.run()
    with contextlib.suppress(OSError):  # nobody may be there any more to read it
        sys.stdout.write("".join(f"{words}\n" for words in watcher.failures))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
