"""The health panel: what the user sees of a judgement, and what fixes do, key by key."""

from __future__ import annotations

import time

import numpy as np
import pytest
from pilots import (
    MEDIUM,
    SMALL,
    cockpit,
    cockpit_app,
    commands,
    screen_text,
    session_of,
    shows,
    toasts,
    until,
    until_in_view,
)
from present import present
from synthetic_run import NewRun, SyntheticRun
from textual.pilot import Pilot

from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.states import RunState
from trainctl.engine.tasks.configured import resolve
from trainctl.tui.app import CockpitApp
from trainctl.tui.health import monitor
from trainctl.tui.processes.launch import LaunchRequest
from trainctl.tui.widgets.health import HealthPanel

SIZES = [SMALL, MEDIUM]
HEAD = "× single-class batches — 100 of 100 batches hold one"


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch):
    """Judge at once, and often."""
    for name, seconds in (("FIRST_S", 0.0), ("PERIOD_S", 0.1), ("SHORTEST_S", 0.0), ("LOOK_S", 0.02)):
        monkeypatch.setattr(monitor, name, seconds)


@pytest.fixture
def sick_run(new_run: NewRun):
    """Each batch holds one class."""
    run = new_run().begin()
    run.train(100, classes=np.array([[64, 0], [0, 64]]).repeat(50, 0))
    return run


@pytest.fixture
def exploded_run(new_run: NewRun):
    """The gradient explodes, then the loss is not finite."""
    run = new_run().begin()
    run.paths.config.write_text(resolve("eyes/balanced", scale="small").to_yaml())
    run.train(98)
    run.train(2, grad_norm=900.0)
    run.train(1, loss=np.nan)
    return run


def panel(pilot: Pilot[None]) -> HealthPanel:
    return cockpit(pilot).health_panel


def panel_words(pilot: Pilot[None]) -> str:
    """What stands in the panel, as if it were wide enough for a line each."""
    region = panel(pilot).region
    rows = screen_text(pilot).splitlines()[region.y + 1 : region.bottom - 1]
    return " ".join(" ".join(row[region.x + 1 : region.right - 2] for row in rows).split())


async def says(pilot: Pilot[None], text: str) -> None:
    """Let the app work until this stands in the panel."""
    await until(pilot, lambda: text in panel_words(pilot))


async def judged(pilot: Pilot[None]) -> HealthPanel:
    """The panel on the screen, after a judgement."""
    await until(pilot, lambda: (session := cockpit_app(pilot).session) is not None and session.health is not None)
    shown = panel(pilot)
    if pilot.app.size.height < 30:  # two rows among the others
        shown.focus()
        await pilot.press("m")
    await until_in_view(
        pilot,
        shown,
        lambda: (
            shown.region.y >= 3 and shown.region.bottom < pilot.app.size.height and "─ Health ─" in screen_text(pilot)
        ),
    )
    return shown


@pytest.mark.parametrize("size", SIZES)
async def test_a_healthy_run_says_how_much_was_checked(live_run: SyntheticRun, size: tuple[int, int]):
    async with CockpitApp(live_run.paths).run_test(size=size) as pilot:
        await judged(pilot)
        words = "· note  not enough to judge: "
        await until(pilot, lambda: words in str(panel(pilot).get_option_at_index(0).prompt))
        await shows(pilot, "not checked, as of step 100")
        await until(pilot, lambda: "· note  not enough to judge" in screen_text(pilot).splitlines()[2])


@pytest.mark.parametrize("size", SIZES)
async def test_a_finding_is_shown_with_what_to_do_in_the_panel_the_header_and_the_log(
    sick_run: SyntheticRun, size: tuple[int, int]
):
    async with CockpitApp(sick_run.paths).run_test(size=size) as pilot:
        await judged(pilot)
        await says(pilot, HEAD)
        await says(pilot, "× error deal with single-class batches first (D101); not looked at: ")
        await says(pilot, "→ shuffle the samples, or stratify the batches")
        text = screen_text(pilot)
        assert text.splitlines()[2].strip().startswith("× error  single-class batches: 100 of 100")
        assert any(
            "D101" in str(entry.data) for entry in cockpit(pilot).log_panel.entries if not isinstance(entry, str)
        )
        await until(pilot, lambda: any("D101" in text for text in toasts(pilot)))
        (toast,) = [text for text in toasts(pilot) if "D101" in text]
        assert "batches of 64" in toast, "what, and where"


async def test_before_the_first_judgement_it_says_checking(sick_run: SyntheticRun, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(monitor, "FIRST_S", 60.0)
    async with CockpitApp(sick_run.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "· checking")


async def test_a_finding_that_stays_is_said_once(sick_run: SyntheticRun):
    async with CockpitApp(sick_run.paths).run_test(size=MEDIUM) as pilot:
        await judged(pilot)
        for step in (110, 120):
            sick_run.train(10, classes=[64, 0])
            await until(pilot, lambda step=step: present(session_of(pilot).health).step == step)
        await shows(pilot, "as of step 120")
        assert len([text for text in toasts(pilot) if "D101" in text]) == 1


async def test_a_fault_that_begins_later_appears(live_run: SyntheticRun):
    async with CockpitApp(live_run.paths).run_test(size=MEDIUM) as pilot:
        await judged(pilot)
        await says(pilot, "not enough to judge")
        live_run.train(3, loss=np.nan)
        await says(pilot, "× loss or gradient not finite")
        await until(pilot, lambda: any("N901" in text for text in toasts(pilot)))


async def test_a_run_that_was_over_is_explained_without_a_popup(sick_run: SyntheticRun):
    sick_run.status(RunState.FINISHED)
    async with CockpitApp(sick_run.paths).run_test(size=MEDIUM) as pilot:
        await judged(pilot)
        await says(pilot, HEAD)
        assert toasts(pilot) == []


async def test_a_rule_of_the_run_itself_is_shown_too(live_run: SyntheticRun):
    live_run.events.append(EventKind.FINDING, 80, code="X7", severity="warning", title="odd weights", why="as measured")
    async with CockpitApp(live_run.paths).run_test(size=MEDIUM) as pilot:
        await judged(pilot)
        await shows(pilot, "! odd weights (X7)")
        await shows(pilot, "! warning  odd weights (X7)")


@pytest.mark.parametrize("size", SIZES)
async def test_enter_explains_the_chosen_finding(sick_run: SyntheticRun, size: tuple[int, int]):
    async with CockpitApp(sick_run.paths).run_test(size=size) as pilot:
        await judged(pilot)
        await says(pilot, HEAD)
        assert present(panel(pilot).chosen).code == "D101"
        await pilot.press("enter")
        await shows(pilot, "─ D101 single-class batches ─")
        text = screen_text(pilot)
        for label in ("where", "why", "figures", "fix"):
            assert f"  {label:<11}" in text
        assert "single_class_batches 100" in text and "error, proven" in text
        await pilot.press("escape")
        assert pilot.app.screen is cockpit(pilot)


async def test_a_click_explains_and_the_first_line_says_what_was_checked(sick_run: SyntheticRun):
    async with CockpitApp(sick_run.paths).run_test(size=MEDIUM) as pilot:
        await judged(pilot)
        await says(pilot, HEAD)
        await pilot.click(HealthPanel, offset=(5, 3))
        await shows(pilot, "─ D101 single-class batches ─")
        await pilot.press("escape")
        await pilot.click(HealthPanel, offset=(5, 1))
        await shows(pilot, "what was checked")
        assert "not checked" in screen_text(pilot)


async def test_a_finding_without_a_setting_cannot_be_fixed_by_key_and_says_what_to_do(sick_run: SyntheticRun):
    async with CockpitApp(sick_run.paths).run_test(size=MEDIUM) as pilot:
        await judged(pilot)
        await says(pilot, HEAD)
        await pilot.press("f")
        await until(pilot, lambda: any("no setting fixes D101: shuffle" in text for text in toasts(pilot)))


async def test_nothing_found_is_nothing_to_fix(live_run: SyntheticRun):
    async with CockpitApp(live_run.paths).run_test(size=SMALL) as pilot:
        await judged(pilot)
        await pilot.press("f")
        await until(pilot, lambda: any("nothing was found that could be fixed" in text for text in toasts(pilot)))


@pytest.mark.parametrize("size", SIZES)
async def test_f_shows_the_difference_and_sends_what_can_be_changed_live(
    exploded_run: SyntheticRun, size: tuple[int, int]
):
    async with CockpitApp(exploded_run.paths).run_test(size=size) as pilot:
        await judged(pilot)
        await says(pilot, "a tenth of the learning rate")
        await pilot.press("f")
        await shows(pilot, "fix of N901")
        text = screen_text(pilot)
        assert "optimizer.lr" in text and "0.002 -> " in text
        assert "Send it to the run: lr ×" in text and "checkpoint" not in text.split("Stop the present")[0]
        await pilot.press("enter")
        await until(pilot, lambda: bool(commands(exploded_run)))
        await until(pilot, lambda: len(commands(exploded_run)) == 2)
        rate, clip = commands(exploded_run)
        assert rate["verb"] == "set" and rate["args"]["name"] == "lr" and rate["args"]["op"] == "mul"
        assert clip["verb"] == "set" and clip["args"]["name"] == "clip"


async def test_f_starts_a_new_run_with_the_fix_or_a_fork_of_this_one(
    exploded_run: SyntheticRun, monkeypatch: pytest.MonkeyPatch
):
    started: list[LaunchRequest] = []

    def fake(request: LaunchRequest):
        from trainctl.engine.runs.index import create_run

        started.append(request)
        return create_run(request.runs_dir, "fixed"), None

    monkeypatch.setattr("trainctl.tui.app.launch", fake)
    exploded_run.paths.latest.write_bytes(b"checkpoint")
    exploded_run.status(RunState.FAILED)
    async with CockpitApp(exploded_run.paths).run_test(size=MEDIUM) as pilot:
        await judged(pilot)
        await pilot.press("f")
        await shows(pilot, "this run's newest checkpoint")
        text = screen_text(pilot)
        assert "Send it to the run" not in text and "Stop the present run" not in text
        await pilot.press("enter")
        await until(pilot, lambda: bool(started))
        assert started[0].fork == exploded_run.paths.root
        assert {text.partition("=")[0] for text in started[0].overrides} == {"optimizer.lr", "clip.grad_norm"}
        assert commands(exploded_run) == []


async def test_the_fix_can_be_asked_for_from_the_explanation(exploded_run: SyntheticRun):
    async with CockpitApp(exploded_run.paths).run_test(size=MEDIUM) as pilot:
        await judged(pilot)
        await says(pilot, "× loss or gradient not finite")
        await pilot.press("enter")
        await shows(pilot, "f applies the fix")
        await pilot.press("f")
        await shows(pilot, "fix of N901")


async def test_readonly_refuses_a_fix_in_one_line(exploded_run: SyntheticRun):
    async with CockpitApp(exploded_run.paths, readonly=True).run_test(size=MEDIUM) as pilot:
        await judged(pilot)
        await says(pilot, "× loss or gradient not finite")
        await pilot.press("f")
        await until(pilot, lambda: any("read only" in text for text in toasts(pilot)))
        assert pilot.app.screen is cockpit(pilot) and commands(exploded_run) == []


async def test_the_farewell_names_the_finding(sick_run: SyntheticRun):
    async with CockpitApp(sick_run.paths).run_test(size=MEDIUM) as pilot:
        await judged(pilot)
        assert "single-class batches" in session_of(pilot).farewell()


async def test_the_monitor_ends_with_the_screen(live_run: SyntheticRun):
    async with CockpitApp(live_run.paths).run_test(size=MEDIUM) as pilot:
        await judged(pilot)
        watching = present(cockpit(pilot)._monitor)
    end = time.monotonic() + 5
    while not watching._stop.is_set():
        assert time.monotonic() < end
        time.sleep(0.01)
