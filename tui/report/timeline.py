"""What happened in each run besides its steps: cuts, commands, findings, resumptions, warnings, its end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from trainctl.engine.runs.events import Event, EventKind
from trainctl.tui.report.headline import chip, moment
from trainctl.tui.report.html import Html, element, section, table
from trainctl.tui.report.subject import PageSubject, RunSubject
from trainctl.tui.words.events import event_words

TOLD = (
    *(EventKind.START, EventKind.PLAN, EventKind.NOTE, EventKind.WARNING, EventKind.NONFINITE, EventKind.FINDING),
    *(EventKind.COMMAND, EventKind.LR, EventKind.RESUME, EventKind.REFIT, EventKind.END),
)
"""Epochs, validations and checkpoints are in the curves."""
MOST = 40
"""Events of a run; the first and the newest are told."""


def timeline(subject: PageSubject) -> Html | None:
    """The part of the page; None where nothing was told."""
    blocks = [block for run in subject.runs for block in _of_run(run, is_alone=subject.is_one)]
    return section("events", "What happened", *blocks) if blocks else None


def _of_run(run: RunSubject, *, is_alone: bool) -> Iterator[Html]:
    events = list(_told_once(run.view.of_kind(*TOLD)))
    if not events:
        return
    left_out = max(len(events) - MOST, 0)
    shown = events if not left_out else [*events[: MOST // 2], *events[-MOST // 2 :]]
    if not is_alone:
        yield element("h3", element("i", class_=f"swatch i{run.ink}", aria_hidden="true"), run.name)
    yield table(["step", "what", "when"], [_row(event) for event in shown], label="events", class_="events")
    if left_out:
        yield element("p", f"{left_out:,} events in the middle are left out.", class_="aside")


def _told_once(events: Iterable[Event]) -> Iterator[Event]:
    """Without a plan that says what the one before it said: each cut of the rate tells it anew."""
    before = ""
    for event in events:
        words = event_words(event)[1]
        if event.kind is EventKind.PLAN:
            if words == before:
                continue
            before = words
        yield event


def _row(event: Event) -> list[str]:
    severity, words = event_words(event)
    words = words.rstrip(": ")  # of an end for which nobody gave a reason
    is_grave = severity in ("warning", "error")
    return [
        f"{event.step:,}",
        chip(words, severity) if is_grave else words,
        moment(event.time) if event.time > 0 else "-",
    ]
