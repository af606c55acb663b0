"""The diagnose page, with a command that says what `trainctl diagnose --progress` says, and once with the real one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from job_pages import jobs_say
from pilots import MEDIUM, SMALL, cockpit, screen_as, screen_text, shows, toasts, until
from synthetic_run import SyntheticRun
from textual.pilot import Pilot

from trainctl.engine.diagnosis.finding import Confidence, Finding, Fix, NotChecked, Report, Severity
from trainctl.engine.tasks.configured import resolve
from trainctl.tui.app import CockpitApp
from trainctl.tui.screens.jobs.diagnose import DiagnoseScreen, of_configuration, of_records

SIZES = [SMALL, MEDIUM]
LEAK = Finding(
    "D104", "training samples in validation", "data", Severity.ERROR, Confidence.PROVEN, "12 of 90 are also in train",
    "byte for byte", "validation then measures what was learnt by heart", Fix("remove the copies"), {"shared": 12}, (),
    primary=True,
)  # fmt: skip
LAST = Finding(
    "D111", "degenerate last batch", "sampler", Severity.INFO, Confidence.PROVEN, "the last batch has 1 of 64 samples",
    "first 9 batches", "its update is noisier", Fix("leave it out", {"train.drop_last": False}), {}, (),
)  # fmt: skip
REPORT = Report((LEAK, LAST), (NotChecked("D105", "the data names no groups"),), ("D104", "D111"), 1.5)


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch):
    """Lets the command say these events, then wait or end."""

    def script(*events: dict[str, Any], code: int = 3, ends: bool = True, complaint: str = "") -> None:
        end = f"end:{code}" if ends else "wait:60"
        jobs_say(monkeypatch, [*map(json.dumps, events), *filter(None, [complaint]), end])

    return script


def section(name: str, mark: str, text: str) -> dict[str, Any]:
    return {"event": "section", "section": name, "line": [[f"{mark} ", "ok"], [f"{name:<24}", ""], [text, ""]]}


@pytest.fixture
def configured(live_run: SyntheticRun):
    """A run with a configuration."""
    live_run.paths.config.write_text(resolve("eyes/balanced", scale="small").to_yaml())
    return live_run


async def open_page(pilot: Pilot[None], *keys: str) -> DiagnoseScreen:
    await shows(pilot, "RUNNING")
    await pilot.press("d")
    await shows(pilot, "This run's records")
    await pilot.press(*keys, "enter")
    await until(pilot, lambda: isinstance(pilot.app.screen, DiagnoseScreen))
    return screen_as(pilot, DiagnoseScreen)


def test_the_commands_are_those_a_person_would_type(live_run: SyntheticRun):
    root = str(live_run.paths.root)
    assert of_records(live_run.paths).words == ("diagnose", root, "--json", "--progress")
    assert of_configuration(live_run.paths).words == ("diagnose", root, "--preflight", "--json", "--progress")


@pytest.mark.few(1)
@pytest.mark.parametrize("size", SIZES)
async def test_sections_appear_as_they_are_judged(
    configured: SyntheticRun, says: Callable[..., None], size: tuple[int, int]
):
    says({"event": "work", "part": "data"}, section("labels", "✓", "closed 468, open 532"), ends=False)
    async with CockpitApp(configured.paths).run_test(size=size) as pilot:
        await open_page(pilot, "down")
        await shows(pilot, "closed 468, open 532")
        text = screen_text(pilot)
        assert "· sampler  …" in text and "data… " in text and "preflight of the configuration" in text
        assert "not known yet" in text


@pytest.mark.parametrize("size", SIZES)
async def test_the_report_is_shown_in_its_own_words_and_explained(
    configured: SyntheticRun, says: Callable[..., None], size: tuple[int, int]
):
    says({"event": "report", "title": "eyes/balanced, before training", "report": REPORT.to_plain()})
    async with CockpitApp(configured.paths).run_test(size=size) as pilot:
        await open_page(pilot)
        await shows(pilot, "✗ D104 training samples in validation")
        text = screen_text(pilot)
        for words in ("eyes/balanced, before training", "error, proven", "12 of 90 are also", "remove the copies"):
            assert words in text
        assert "✗ wrong: deal with D104 training samples in validation first (" in text
        await pilot.press("enter")
        await shows(pilot, "figures    shared 12")
        await pilot.press("escape", "home", "enter")
        await shows(pilot, "D105: the data names no groups")


@pytest.mark.few(1)
@pytest.mark.parametrize("size", SIZES)
async def test_f_closes_the_page_and_offers_the_fix(
    configured: SyntheticRun, says: Callable[..., None], size: tuple[int, int]
):
    says({"event": "report", "title": "t", "report": REPORT.to_plain()})
    async with CockpitApp(configured.paths).run_test(size=size) as pilot:
        await open_page(pilot)
        await shows(pilot, "✗ D104")
        await pilot.press("f")
        await until(pilot, lambda: any("no setting fixes D104" in text for text in toasts(pilot)))
        await pilot.press("down", "f")
        await shows(pilot, "fix of D111: leave it out")
        assert "True -> False" in screen_text(pilot)


async def test_what_goes_wrong_is_one_line_and_r_tries_again(configured: SyntheticRun, says: Callable[..., None]):
    says(code=2, complaint="trainctl: error: no such data: /gone; give --data")
    async with CockpitApp(configured.paths).run_test(size=MEDIUM) as pilot:
        await open_page(pilot)
        await shows(pilot, "! no such data: /gone; give --data")
        says({"event": "report", "title": "t", "report": REPORT.to_plain()})
        await pilot.press("r")
        await shows(pilot, "✗ D104")


async def test_escape_ends_the_diagnosis(configured: SyntheticRun, says: Callable[..., None]):
    says({"event": "work", "part": "batch"}, ends=False)
    async with CockpitApp(configured.paths).run_test(size=SMALL) as pilot:
        page = await open_page(pilot)
        await shows(pilot, "batch… ")
        job = page._job
        assert job is not None and job.is_running
        await pilot.press("escape")
        await until(pilot, lambda: not job.is_running)
        assert pilot.app.screen is cockpit(pilot)


async def test_a_run_that_has_no_configuration_yet_has_only_records(live_run: SyntheticRun):
    async with CockpitApp(live_run.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "RUNNING")
        await pilot.press("d")
        await shows(pilot, "This run's records")
        assert "Preflight" not in screen_text(pilot)


async def test_the_records_of_a_run_are_diagnosed_by_the_real_command(live_run: SyntheticRun):
    async with CockpitApp(live_run.paths).run_test(size=MEDIUM) as pilot:
        await open_page(pilot)
        await until(pilot, lambda: "not enough to judge" in screen_text(pilot), limit_s=20)
        assert "running, 100 steps" in screen_text(pilot)
