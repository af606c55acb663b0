"""Which events and findings are marked in the charts. Pure."""

from __future__ import annotations

from trainctl.engine.runs.events import Event, EventKind
from trainctl.tui.charts.plot import EventMark
from trainctl.tui.run.view import RunView
from trainctl.tui.words.events import MARK_LETTERS, event_words

MAX_MARKS = 24
"""More would be a fence; the newest stay."""


def event_marks(view: RunView, *, is_read: bool = False) -> tuple[EventMark, ...]:
    """Findings, commands, learning rate cuts and what went wrong; checkpoints only while they are few.

    Args:
        is_read: somebody points, so that words are needed.
    """
    shown = [kind for kind in MARK_LETTERS if kind not in (EventKind.CHECKPOINT, EventKind.FINDING)]
    found = view.of_kind(*shown)
    best = [
        event
        for event in view.of_kind(EventKind.CHECKPOINT)
        if event.data.get("which") == "best" or len(found) < MAX_MARKS // 2
    ]
    # Checkpoints first: at the same step the letter of what happened there stands over theirs.
    newest = sorted([*best[-MAX_MARKS // 4 :], *found], key=lambda event: event.step)[-MAX_MARKS:]
    marks = (
        EventMark(
            float(event.step),
            MARK_LETTERS[event.kind],
            line=event.kind is not EventKind.CHECKPOINT,
            words=event_words(event)[1] if is_read else "",
        )
        for event in newest
    )
    return (*marks, *finding_marks(view))


def finding_marks(view: RunView) -> tuple[EventMark, ...]:
    """What rules found at a step that the run has come to, in the judgement or told by the run itself; last of all
    marks, as nothing else may hide them."""
    codes = {found.code for found in view.found}
    told = [event for event in view.of_kind(EventKind.FINDING) if event.data.get("code") not in codes]
    marks = [_mark(found.step, found.code, found.words) for found in view.found if found.step <= view.step]
    marks += [_told(event) for event in told]
    return tuple(sorted(marks, key=lambda mark: mark.x)[-MAX_MARKS:])


def _told(event: Event) -> EventMark:
    return _mark(event.step, str(event.data.get("code") or ""), str(event.data.get("title") or ""))


def _mark(step: int, code: str, words: str) -> EventMark:
    return EventMark(float(step), MARK_LETTERS[EventKind.FINDING], words=f"{code} {words}".strip(), name=code)
