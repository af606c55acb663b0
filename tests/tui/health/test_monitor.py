"""The monitor judges what is new, when it is new; findings are merged and ordered."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from synthetic_run import NewRun, SyntheticRun

from trainctl.engine.diagnosis.finding import Confidence, Finding, Fix, Report, Severity
from trainctl.engine.runs.events import Event, EventKind
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.states import RunState
from trainctl.tui.health import monitor as monitor_module
from trainctl.tui.health.health import Health, finding_of, health_of
from trainctl.tui.health.monitor import PERIOD_S, SHORTEST_S, Monitor, pause_s

ONE_CLASS = np.array([[64, 0], [0, 64]]).repeat(50, 0)


def finding(code: str, severity: Severity, cause: str | None = None) -> Finding:
    return Finding(
        code, f"name of {code}", "loss", severity, Confidence.PROVEN, "seen", "here", "why", Fix("do"), {}, (),
        consequence_of=cause,
    )  # fmt: skip


def spoken(code: str, step: int = 5, **data: Any) -> Event:
    return Event(EventKind.FINDING, step, 0.0, {"code": code, "title": "said", **data})


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch):
    """No waiting."""
    for name, seconds in (("FIRST_S", 0.0), ("PERIOD_S", 0.05), ("SHORTEST_S", 0.0), ("LOOK_S", 0.01)):
        monkeypatch.setattr(monitor_module, name, seconds)


Judgements = Callable[[SyntheticRun], list[Health]]


@pytest.fixture
def judgements(hasty: None):
    """Starts a monitor; a list of what it says."""
    monitors: list[Monitor] = []

    def start(run: SyntheticRun) -> list[Health]:
        said: list[Health] = []
        monitors.append(Monitor(run.paths, said.append))
        monitors[-1].start()
        return said

    yield start
    for monitor in monitors:
        monitor.stop()


def wait(holds: Callable[[], object]):
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def codes(health: Health) -> list[str]:
    return [found.code for found in health.findings]


def test_a_healthy_run_has_no_finding_and_says_what_was_not_checked(live_run: SyntheticRun):
    health = Monitor(live_run.paths, print).judge()
    assert health is not None and health.findings == () and health.step == 100
    assert {"D101", "N901"} <= set(health.checked)
    assert {"D104"} <= {entry.code for entry in health.not_checked}


def test_a_run_without_records_is_not_judged(empty_run: RunPaths):
    assert Monitor(empty_run, print).judge() is None


def test_damaged_records_are_a_problem_in_words(live_run: SyntheticRun):
    live_run.paths.steps_layout.write_text("{")
    health = Monitor(live_run.paths, print).judge()
    assert health is not None and "steps.json" in health.problem


def test_what_is_new_is_judged_and_nothing_else(new_run: NewRun, judgements: Judgements):
    run = new_run().begin()
    run.train(100)
    said = judgements(run)
    wait(lambda: said)
    assert codes(said[0]) == []
    time.sleep(0.15)
    assert len(said) == 1, "nothing is new"
    run.train(3, loss=np.nan)
    wait(lambda: len(said) == 2)
    assert codes(said[1]) == ["N901"] and said[1].step == 103


def test_the_end_of_an_epoch_is_not_kept_waiting(
    new_run: NewRun, judgements: Judgements, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(monitor_module, "PERIOD_S", 60.0)
    run = new_run().begin()
    run.train(20)
    said = judgements(run)
    wait(lambda: said)
    run.train(20)
    run.events.append(EventKind.EPOCH, 40, epoch=1)
    wait(lambda: len(said) == 2)
    assert said[1].step == 40


def test_a_rule_of_the_run_itself_is_shown_until_a_resume_takes_it_back(live_run: SyntheticRun):
    monitor = Monitor(live_run.paths, print)
    live_run.events.append(EventKind.FINDING, 90, code="X9", severity="warning", title="odd", why="because")
    health = monitor.judge()
    assert health is not None and codes(health) == ["X9"]
    assert health.findings[0].where == "said by the run at step 90" and health.findings[0].why == "because"
    live_run.events.append(EventKind.RESUME, 50, from_step=50)
    health = monitor.judge()
    assert health is not None and codes(health) == []


def test_the_most_serious_comes_first_with_its_consequences_and_each_code_once():
    report = Report(
        (finding("A1", Severity.WARNING), finding("A2", Severity.WARNING, "A1"), finding("B1", Severity.INFO)),
        (),
        ("A1", "A2", "B1"),
        0.0,
    )
    events = [spoken("A1", severity="error"), spoken("Z1", severity="error"), spoken("Z1", step=9, severity="error")]
    health = health_of(report, events, 7)
    assert codes(health) == ["Z1", "A1", "A2", "B1"]
    assert health.findings[0].where == "said by the run at step 9"
    assert health.findings[1].summary == "seen"


def test_hints_are_left_out():
    hint = replace(finding("A1", Severity.WARNING), confidence=Confidence.HINT)
    assert health_of(Report((hint,), (), ("A1",), 0.0), (), 1).findings == ()


def test_an_event_with_next_to_nothing_is_still_a_finding():
    found = finding_of(Event(EventKind.FINDING, 3, 0.0, {"severity": "odd", "share": 0.5}))
    assert found.severity is Severity.INFO and found.figures == {"share": 0.5} and found.fix.set is None
    assert finding_of(spoken("A", fix={"text": "less", "set": {"optimizer.lr": 1e-4}})).fix.set == {
        "optimizer.lr": 1e-4
    }


def test_a_stopped_monitor_says_nothing_more(new_run: NewRun, judgements: Judgements, hasty: None):
    run = new_run().begin()
    run.train(10)
    said: list[Health] = []
    monitor = Monitor(run.paths, said.append)
    monitor.stop()
    monitor.run()
    assert said == []


def test_a_run_that_ended_is_judged_to_its_last_record(new_run: NewRun, judgements: Judgements):
    run = new_run().begin()
    run.train(100, classes=ONE_CLASS)
    said = judgements(run)
    wait(lambda: said)
    run.train(7)
    run.status(RunState.FINISHED)
    run.events.append(EventKind.END, 107, state="finished", exit_reason="done")
    wait(lambda: said[-1].step == 107)
    assert codes(said[-1])[0] == "D101"


def test_judging_imports_neither_torch_nor_the_configuration_schema(live_run: SyntheticRun):
    code = (
        "import sys; from pathlib import Path; from trainctl.engine.runs.layout import RunPaths;"
        "from trainctl.tui.health.monitor import Monitor;"
        f"assert Monitor(RunPaths(Path({str(live_run.paths.root)!r})), print).judge().checked;"
        "print([name for name in ('torch', 'pydantic') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("spent_s", [0.0, 0.001, 0.012, 0.035])
def test_judging_takes_less_than_a_hundredth_of_a_core_however_short_epochs_are(spent_s: float) -> None:
    assert spent_s / pause_s(spent_s) < 0.01
    assert SHORTEST_S <= pause_s(spent_s) <= PERIOD_S


def test_a_judgement_that_took_long_keeps_nobody_waiting_for_more_than_the_period() -> None:
    assert pause_s(10.0) == PERIOD_S
