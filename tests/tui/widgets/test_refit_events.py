"""A refit in the log and in the charts, and the second validation of its step."""

from __future__ import annotations

from pilots import cockpit, shows, until
from synthetic_run import SyntheticRun

from trainctl.engine.runs.events import Event, EventKind
from trainctl.tui.app import CockpitApp
from trainctl.tui.widgets.marks import event_marks
from trainctl.tui.widgets.validation import ValidationPanel
from trainctl.tui.words.events import event_words


def refit_event(**data: object) -> Event:
    return Event(EventKind.REFIT, 500, 0.0, {"mode": "sklearn", "epoch": 10} | data)


def test_a_refit_says_in_the_log_how_many_samples_kept_their_component():
    severity, words = event_words(refit_event(agreement=0.12, matched_agreement=0.93))
    assert severity == "note"
    assert words == "epoch 10  refit (sklearn)  12% kept their number  93% after the best renumbering"
    assert event_words(refit_event(agreement=0.12, text="fitted anew"))[1] == "epoch 10  fitted anew"


def test_a_refit_that_failed_is_a_warning():
    assert event_words(refit_event(failed=True, text="not fitted"))[0] == "warning"


def test_a_validation_after_a_refit_says_so():
    data = {"epoch": 1, "raw": {"srcc": 0.01}, "after": "refit"}
    assert event_words(Event(EventKind.VALIDATION, 5, 0.0, data))[1] == "epoch 1  val after refit  srcc 0.01"


async def test_before_and_after_a_refit_are_both_drawn_and_the_refit_is_marked(live_run: SyntheticRun):
    refit = {"mode": "sklearn", "epoch": 2, "agreement": 0.1, "matched_agreement": 0.9, "text": "fitted anew"}
    live_run.events.append(EventKind.REFIT, live_run.step, **refit)
    live_run.events.append(EventKind.VALIDATION, live_run.step, epoch=2, after="refit", raw={"loss": 0.9, "f1": 0.1})
    live_run.events.append(EventKind.CHECKPOINT, live_run.step, which="latest")
    async with CockpitApp(live_run.paths).run_test(size=(160, 50)) as pilot:
        await shows(pilot, "f1 0.1")  # the newest
        panel = pilot.app.screen.query_one(ValidationPanel)
        panel.focus()
        await pilot.press("m")
        await until(pilot, lambda: panel.as_text().count("●") == 2)  # both ends of the newest step
        marks = [mark for mark in event_marks(cockpit(pilot).session.view) if mark.x == 100]
        assert [mark.letter for mark in marks] == ["c", "≈"]  # the later stands over the earlier
        await pilot.press("m")
        await shows(pilot, "≈")
