"""What the cockpit says of a run's health is worth trusting: nothing is well that was not looked at, or is dead."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import pytest
from pilots import MEDIUM, cockpit, screen_text, session_of, shows, until
from synthetic_run import NewRun, SyntheticRun

from trainctl.engine.diagnosis.finding import Scope
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.states import RunState
from trainctl.tui.app import CockpitApp
from trainctl.tui.health import monitor
from trainctl.tui.health.health import Health
from trainctl.tui.health.monitor import Monitor
from trainctl.tui.words.health import health_verdict
from trainctl.tui.words.verdict import Severity, Verdict


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judge at once, and often."""
    for name, seconds in (("FIRST_S", 0.0), ("PERIOD_S", 0.1), ("SHORTEST_S", 0.0), ("LOOK_S", 0.02)):
        monkeypatch.setattr(monitor, name, seconds)


SEEN = Scope(("course", "validation"), {"rate": "no learning rate is named; log it"}, is_enough=True)
BLIND = Scope((), {"course": "too few steps yet"}, is_enough=False)


def health(scope: Scope = SEEN, **more: Any) -> Health:
    return Health(checked=("C1",), scope=scope, **more)


def test_well_is_only_what_enough_was_looked_at_of():
    seen = health_verdict(health())
    assert (seen.severity, seen.text) == (
        Severity.OK,
        "nothing wrong in what was looked at: course, validation; not looked at: rate",
    )
    blind = health_verdict(health(BLIND))
    assert (blind.severity, blind.text) == (Severity.NOTE, "not enough to judge: course, too few steps yet")


def test_a_run_that_is_dead_or_has_warned_is_not_well():
    dead = health_verdict(health(BLIND), Verdict(Severity.ERROR, "the process is gone"))
    assert dead.severity is Severity.ERROR
    assert dead.text == "the process is gone; in its records not enough to judge: course, too few steps yet"
    warned = health_verdict(health(warnings=("first", "9 of 20 are copies")))
    assert warned.severity is Severity.WARNING
    assert warned.text.startswith("the run warned: 9 of 20 are copies (and 1 more); else nothing wrong in what was")


def overfitted(run: SyntheticRun) -> None:
    run.epochs = 20
    run.begin()
    for epoch in range(1, 21):
        run.train(50, loss=np.exp(-np.arange(50 * epoch - 49, 50 * epoch + 1) / 100) + 0.0007)
        run.validate(epoch, 0.5 if epoch < 6 else 0.5 + 0.02 * (epoch - 5), 0.8 - 0.01 * epoch)


def blown_up(run: SyntheticRun) -> None:
    run.begin()
    run.train(100, loss=1e29)


def without_metric(run: SyntheticRun) -> None:
    run.begin()
    for epoch in (1, 2, 3):
        run.train(40)
        raw = {"loss": 0.5, "f1": math.nan}
        run.events.append(EventKind.VALIDATION, run.step, epoch=epoch, raw=raw, monitor="f1", monitor_mode="max")


@pytest.mark.parametrize(
    ("make", "code"),
    [(overfitted, "R801"), (blown_up, "O607"), (without_metric, "E1014")],
    ids=["overfitted", "blown up", "without metric"],
)
async def test_a_course_that_is_bad_is_found_while_the_run_goes_on(new_run: NewRun, make: Any, code: str):
    run = new_run()
    if make is overfitted:  # a single term, so that the loss is what is said here
        run.layout = type(run.layout)(terms=("bce", "aux"), groups=run.layout.groups, classes=run.layout.classes)
    make(run)
    async with CockpitApp(run.paths).run_test(size=MEDIUM) as pilot:
        await until(pilot, lambda: session_of(pilot).health is not None)
        found = session_of(pilot).health
        assert found is not None and code in {finding.code for finding in found.findings}, found
        await shows(pilot, f"{found.findings[0].name}: ")
        assert "✓ ok" not in screen_text(pilot)


async def test_beside_a_crashed_run_nothing_is_well(live_run: SyntheticRun):
    async with CockpitApp(live_run.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "not enough to judge")
        live_run.status(RunState.RUNNING, process_start=1, heartbeat=time.time() - 40)
        cockpit(pilot).health_panel.focus()
        await shows(pilot, "× error  the process is gone")
        assert "✓ ok" not in screen_text(pilot)
        panel = cockpit(pilot).health_panel
        await until(pilot, lambda: "error" in str(panel.get_option_at_index(0).prompt))


def test_what_the_run_warned_of_counts_until_a_resume_takes_it_back(live_run: SyntheticRun):
    live_run.events.append(EventKind.WARNING, 60, text="90 of 200 validation images have a near-duplicate")
    judge = Monitor(live_run.paths, lambda health: None)
    first = judge.judge()
    assert first is not None and first.warnings == ("90 of 200 validation images have a near-duplicate",)
    live_run.events.append(EventKind.RESUME, 50, from_step=50, from_epoch=1, dropped=50)
    second = judge.judge()
    assert second is not None and second.warnings == ()


def test_a_rule_that_breaks_is_said_and_the_judging_goes_on(live_run: SyntheticRun, monkeypatch: pytest.MonkeyPatch):
    heard: list[Health] = []
    judge = Monitor(live_run.paths, heard.append)
    original, count = judge.judge, 0

    def fragile() -> Health | None:
        nonlocal count
        count += 1
        if count == 1:
            raise ZeroDivisionError("of a rule")
        return original()

    monkeypatch.setattr(judge, "judge", fragile)
    judge.start()
    end = time.monotonic() + 10
    while len(heard) < 2:
        live_run.train(1)
        assert time.monotonic() < end, heard
        time.sleep(0.05)
    judge.stop()
    assert heard[0].problem == "ZeroDivisionError: of a rule" and heard[1].problem == "" and heard[1].checked
