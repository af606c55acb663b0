"""For tests of the pages on a `trainctl` command: opens one, and lets its job say prepared lines instead."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any, TypeVar

import pytest
from pilots import shows, until
from textual.pilot import Pilot
from textual.screen import Screen

from trainctl.tui.processes import jobs

ScreenT = TypeVar("ScreenT", bound=Screen[Any])
START = jobs.Job.start

PROGRAM = """
import json, sys, time
for line in json.loads(sys.argv[-1]):
    kind, _, rest = line.partition(":")
    if kind == "wait":
        time.sleep(float(rest or 30))
    elif kind == "end":
        sys.exit(int(rest))
    elif kind in ("out", "err"):
        print(rest, file=sys.stderr if kind == "err" else sys.stdout, flush=True)
    else:
        print(line, file=sys.stderr, flush=True)
        if kind == "trainctl":
            sys.exit(2)
"""


def jobs_say(monkeypatch: pytest.MonkeyPatch, lines: Sequence[str]) -> list[tuple[str, ...]]:
    """Let jobs say these lines; gives the command lines they are started with.

    `out:TEXT` and `err:TEXT` choose the stream, `wait:SECONDS` and `end:CODE` do what they say; any other line goes to
    standard error, and one of trainctl's complaints ends the job. A second call counts for jobs that start after it.
    """
    started: list[tuple[str, ...]] = []

    def told(job: jobs.Job) -> None:
        started.append(job.words)
        job.words = (json.dumps(list(lines)),)
        START(job)

    monkeypatch.setattr(jobs.Job, "start", told)
    monkeypatch.setattr(jobs, "COMMAND", (sys.executable, "-S", "-c", PROGRAM))
    return started


async def open_page(pilot: Pilot[None], key: str, kind: type[ScreenT]) -> ScreenT:
    """Open a page from the cockpit of `live_run` by its key."""
    await shows(pilot, "step 100/200")
    await pilot.press(key)
    await until(pilot, lambda: isinstance(pilot.app.screen, kind))
    assert isinstance(pilot.app.screen, kind)
    return pilot.app.screen
