"""Which events are marked in the charts. Pure."""

from __future__ import annotations

from trainctl.engine.runs.events import EventKind
from trainctl.tui.charts.plot import EventMark
from trainctl.tui.run.view import RunView
from trainctl.tui.words.events import MARK_LETTERS

MAX_MARKS = 24
"""More would be a fence; the newest stay."""


def event_marks(view: RunView) -> tuple[EventMark, ...]:
    """Commands, learning rate cuts and what went wrong; checkpoints only while they are few."""
    shown = [kind for kind in MARK_LETTERS if kind is not EventKind.CHECKPOINT]
    found = view.of_kind(*shown)
    best = [
        event
        for event in view.of_kind(EventKind.CHECKPOINT)
        if event.data.get("which") == "best" or len(found) < MAX_MARKS // 2
    ]
    # Checkpoints first: at the same step the letter of what happened there stands over theirs.
    newest = sorted([*best[-MAX_MARKS // 4 :], *found], key=lambda event: event.step)[-MAX_MARKS:]
    return tuple(
        EventMark(float(event.step), MARK_LETTERS[event.kind], line=event.kind is not EventKind.CHECKPOINT)
        for event in newest
    )
