"""Commands that a training is given while it runs, and what it said to them."""

from __future__ import annotations

from pathlib import Path

from foreign_loops import events_of

from trainctl.engine.runs.commands import send_command
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.layout import RunPaths


class Asker:
    """Gives commands, each when the one before was answered; asked again and again by a loop between its steps.

    Args:
        verbs: in order.
    """

    def __init__(self, *verbs: str) -> None:
        self._verbs, self._given = verbs, 0

    def ask(self, run: Path | None) -> None:
        """Give the next one, if it is time for it."""
        assert run is not None
        if self._given < len(self._verbs) and len(answers(run)) == self._given:
            send_command(RunPaths(run), self._verbs[self._given], {})
            self._given += 1


def answers(run: Path) -> list[str]:
    """What was said to each command so far."""
    return [str(event.data["effect"]) for event in events_of(RunPaths(run)) if event.kind is EventKind.COMMAND]


def validations_of(run: Path) -> list[dict[str, float]]:
    """Metrics of each validation."""
    return [dict(event.data["raw"]) for event in events_of(RunPaths(run)) if event.kind is EventKind.VALIDATION]


def only_run(folder: Path) -> RunPaths:
    """The one run of a folder of runs."""
    (found,) = (path for path in folder.iterdir() if not path.is_symlink())
    return RunPaths(found)
