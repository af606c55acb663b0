"""The runs workspace: the first screen, the preview, filter and order, deleting, renaming, the newest run."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from pilots import LARGE, MEDIUM, SMALL, cockpit, cockpit_app, screen_as, screen_text, session_of, shows, toasts, until
from synthetic_run import NewRun, SyntheticRun
from test_runs_screen import finished, listed, started
from textual.pilot import Pilot

from trainctl.engine.runs.folder.trial import TRIAL_NAME
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.states import RunState
from trainctl.tui.app import CockpitApp
from trainctl.tui.memory import Memory, load_memory, memory_path
from trainctl.tui.processes.launch import LaunchRequest
from trainctl.tui.screens.compare import CompareScreen
from trainctl.tui.screens.runs import RunsScreen
from trainctl.tui.widgets.run_headings import RunHeadings
from trainctl.tui.widgets.run_preview import RunPreview

TALL = (80, 40)


def workspace(runs_dir: Path, readonly: bool = False) -> CockpitApp:
    """The app as bare `trainctl ui` begins."""
    return CockpitApp(None, LaunchRequest(runs_dir), readonly, lists=True)


@pytest.fixture
def two(new_run: NewRun, runs_dir: Path) -> tuple[SyntheticRun, SyntheticRun]:
    """A run that is over, with f1 0.9, and an older one that is over, with f1 0.8."""
    best = finished(started(new_run, "eyes/aggressive", 200), 0.9)
    worse = finished(started(new_run, "eyes/current", 100), 0.8)
    return best, worse


def chosen(pilot: Pilot[None]) -> str:
    return Path(screen_as(pilot, RunsScreen).rows.chosen_key).name


async def until_listed(pilot: Pilot[None], number: int) -> None:
    await until(pilot, lambda: isinstance(pilot.app.screen, RunsScreen) and len(listed(pilot)) == number)


async def choose(pilot: Pilot[None], run: SyntheticRun) -> None:
    screen_as(pilot, RunsScreen).rows.move_to(str(run.paths.root.resolve()))
    await until(pilot, lambda: chosen(pilot) == run.paths.root.name)


# --- the first screen -----------------------------------------------------------------------------------------


async def test_the_list_comes_first_with_the_cursor_on_what_goes_on(
    two: tuple[SyntheticRun, SyntheticRun], live_run: SyntheticRun, runs_dir: Path
):
    finished(two[0], 0.9)
    async with workspace(runs_dir).run_test(size=MEDIUM) as pilot:
        await until_listed(pilot, 3)
        await until(pilot, lambda: chosen(pilot) == live_run.paths.root.name)
        await pilot.press("enter")
        await shows(pilot, "step 100/200")
        assert session_of(pilot).paths.root.name == live_run.paths.root.name
        await pilot.press("r")
        await until_listed(pilot, 3)
        await pilot.press("q")
        assert pilot.app.screen is cockpit(pilot)


async def test_only_q_leaves_the_first_screen(two: tuple[SyntheticRun, SyntheticRun], runs_dir: Path):
    app = workspace(runs_dir)
    async with app.run_test(size=SMALL) as pilot:
        await until_listed(pilot, 2)
        await pilot.press("escape", "r")
        assert isinstance(pilot.app.screen, RunsScreen)
        await pilot.press("q")
        await until(pilot, lambda: app.return_code == 0)
        assert app.session is None


async def test_two_runs_of_the_first_screen_are_compared(two: tuple[SyntheticRun, SyntheticRun], runs_dir: Path):
    async with workspace(runs_dir).run_test(size=MEDIUM) as pilot:
        await until_listed(pilot, 2)
        await choose(pilot, two[0])
        await pilot.press("space")
        await choose(pilot, two[1])
        await pilot.press("k")
        await until(pilot, lambda: isinstance(pilot.app.screen, CompareScreen))
        assert session_of(pilot).paths.root.name == two[1].paths.root.name


async def test_an_empty_folder_says_so(runs_dir: Path):
    async with workspace(runs_dir).run_test(size=SMALL) as pilot:
        await shows(pilot, "no run in ")
        await pilot.press("D", "R", "p", "g", "k", "space", "enter")
        assert isinstance(pilot.app.screen, RunsScreen)


# --- the preview ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "is_shown"), [(SMALL, False), ((99, 29), False), ((100, 24), True), (TALL, True), (LARGE, True)]
)
async def test_the_preview_stands_where_there_is_room(
    two: tuple[SyntheticRun, SyntheticRun], runs_dir: Path, size: tuple[int, int], is_shown: bool
):
    async with workspace(runs_dir).run_test(size=size) as pilot:
        await until_listed(pilot, 2)
        assert pilot.app.screen.query_one(RunPreview).display is is_shown
        if is_shown:
            await shows(pilot, "FINISHED")
            await shows(pilot, " Loss")
            await pilot.press("v")
            await until(pilot, lambda: "FINISHED" not in screen_text(pilot))


async def test_the_preview_follows_the_cursor_and_says_what_differs(
    live_run: SyntheticRun, two: tuple[SyntheticRun, SyntheticRun]
):
    live_run.paths.config.write_text("optimizer:\n  lr: 0.001\nseed: 1\n")
    two[0].paths.config.write_text("optimizer:\n  lr: 0.002\nseed: 1\n")
    async with CockpitApp(live_run.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "RUNNING")
        await pilot.press("r")
        await until_listed(pilot, 3)
        await shows(pilot, "configured as the run that is looked at")
        await choose(pilot, two[0])
        await shows(pilot, "0.001 -> 0.002")
        assert "eyes/aggressive" in screen_text(pilot) and "seed" not in screen_text(pilot)
        await choose(pilot, two[1])
        await until(pilot, lambda: "eyes/current" in screen_text(pilot) and "0.002" not in screen_text(pilot))


async def test_the_last_words_of_a_run_that_failed_are_shown(new_run: NewRun, runs_dir: Path):
    run = started(new_run, "eyes/current", 20)
    run.say("Traceback (most recent call last):\nRuntimeError: \x1b[31mcuda out of memory")
    run.status(RunState.FAILED, message="out of memory")
    async with workspace(runs_dir).run_test(size=MEDIUM) as pilot:
        await until_listed(pilot, 1)
        await shows(pilot, "last words")
        await shows(pilot, "RuntimeError: cuda out of memory")
        assert "\x1b" not in screen_text(pilot)


async def test_a_live_run_is_followed_in_the_preview(
    live_run: SyntheticRun, runs_dir: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("trainctl.tui.screens.listing.PERIOD_S", 0.05)
    async with workspace(runs_dir).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "step 100/200")
        live_run.train(20)
        await shows(pilot, "step 120/200")


# --- filter, order, pins --------------------------------------------------------------------------------------


async def test_a_wrong_filter_says_what_is_wrong_and_shows_all(two: tuple[SyntheticRun, SyntheticRun], runs_dir: Path):
    async with workspace(runs_dir).run_test(size=SMALL) as pilot:
        await until_listed(pilot, 2)
        await shows(pilot, "2 runs · by age")
        await pilot.press("slash", *"stat:x")
        await shows(pilot, "stat:x: no field stat; did you mean state?")
        assert len(listed(pilot)) == 2
        await pilot.press(*["backspace"] * 6, *"f1>.85")
        await until_listed(pilot, 1)
        assert "aggressive" in listed(pilot)[0] and "1 of 2 runs" in screen_text(pilot)


async def test_keys_and_headings_sort_and_that_is_remembered(two: tuple[SyntheticRun, SyntheticRun], runs_dir: Path):
    async with workspace(runs_dir).run_test(size=MEDIUM) as pilot:
        await until_listed(pilot, 2)
        heading = pilot.app.screen.query_one(RunHeadings)
        await shows(pilot, "best f1")
        at = screen_text(pilot).splitlines()[1].index("best f1")
        await pilot.click(heading, offset=(at, 0))
        await shows(pilot, "by best")
        assert "aggressive" in listed(pilot)[0] and "best f1 ▾" in screen_text(pilot)
        await pilot.click(heading, offset=(at, 0))
        await shows(pilot, "by best, inverted")
        assert "current" in listed(pilot)[0] and "best f1 ▴" in screen_text(pilot)
        await pilot.press("s")
        await shows(pilot, "by loss")
        await pilot.press("less_than_sign", "i")
        await shows(pilot, "by best, inverted")
    memory = load_memory(memory_path())
    assert (memory.runs_column, memory.runs_inverted) == ("best", True)


async def test_a_pinned_run_stays_on_top_and_that_is_remembered_at_once(
    two: tuple[SyntheticRun, SyntheticRun], runs_dir: Path
):
    async with workspace(runs_dir).run_test(size=MEDIUM) as pilot:
        await until_listed(pilot, 2)
        await pilot.press("end")
        last = chosen(pilot)
        await pilot.press("p")
        await until(pilot, lambda: "▴" in listed(pilot)[0] and last[16:] in listed(pilot)[0])
        assert load_memory(memory_path()).pinned == {str(runs_dir.resolve() / last)}
        await pilot.press("p")
        await until(pilot, lambda: last[16:] in listed(pilot)[1])
        assert load_memory(memory_path()).pinned == set()


async def test_trials_of_a_study_stand_under_its_name(two: tuple[SyntheticRun, SyntheticRun], runs_dir: Path):
    async with workspace(runs_dir).run_test(size=MEDIUM) as pilot:
        await until_listed(pilot, 2)
        await pilot.press("g")
        await until(pilot, lambda: any("no run here is a trial" in text for text in toasts(pilot)))
        trial = {"study": "rates", "number": 4, "state": "complete"}
        (two[1].paths.root / TRIAL_NAME).write_text(json.dumps(trial))
        screen_as(pilot, RunsScreen).load()
        await shows(pilot, "rates 4")
        await pilot.press("g")
        await shows(pilot, "rates  1 trial, best f1 0.8")
        await shows(pilot, "no study  1 run, best f1 0.9")


async def test_nonsense_that_is_remembered_changes_nothing(two: tuple[SyntheticRun, SyntheticRun], runs_dir: Path):
    memory_path().parent.mkdir(parents=True, exist_ok=True)
    memory_path().write_text('{"runs_column": "size", "runs_inverted": 3, "pinned": [1, {}], "runs_preview": null}')
    async with workspace(runs_dir).run_test(size=MEDIUM) as pilot:
        await until_listed(pilot, 2)
        assert "by age" in screen_text(pilot)


# --- deleting and renaming ------------------------------------------------------------------------------------


async def test_a_run_is_deleted_after_a_question_whose_first_answer_is_no(
    two: tuple[SyntheticRun, SyntheticRun], runs_dir: Path
):
    Memory(pinned={str(two[0].paths.root.resolve())}).save(memory_path())
    async with workspace(runs_dir).run_test(size=MEDIUM) as pilot:
        await until_listed(pilot, 2)
        await choose(pilot, two[0])
        await pilot.press("D")
        await shows(pilot, "It cannot be brought back.")
        assert "finished, step 200/200, best f1 0.9" in screen_text(pilot)
        await pilot.press("enter")
        await until_listed(pilot, 2)
        assert two[0].paths.root.is_dir()
        await pilot.press("D")
        await shows(pilot, "Delete it for good")
        await pilot.press("down", "enter")
        await until(pilot, lambda: not two[0].paths.root.exists())
        await until_listed(pilot, 1)
        assert any("deleted: " in text for text in toasts(pilot)) and two[1].paths.root.is_dir()
    assert load_memory(memory_path()).pinned == set()


async def test_a_live_run_is_neither_deleted_nor_renamed(live_run: SyntheticRun, runs_dir: Path):
    async with workspace(runs_dir).run_test(size=MEDIUM) as pilot:
        await until_listed(pilot, 1)
        for key in ("D", "R"):
            pilot.app.clear_notifications()
            await pilot.press(key)
            await until(pilot, lambda: any("stop it first: trainctl send" in text for text in toasts(pilot)))
        assert isinstance(pilot.app.screen, RunsScreen) and live_run.paths.root.is_dir()


async def test_a_read_only_cockpit_deletes_and_renames_nothing(two: tuple[SyntheticRun, SyntheticRun], runs_dir: Path):
    async with workspace(runs_dir, readonly=True).run_test(size=MEDIUM) as pilot:
        await until_listed(pilot, 2)
        await shows(pilot, "read only")
        for key in ("D", "R"):
            pilot.app.clear_notifications()
            await pilot.press(key)
            await until(pilot, lambda: any("read only: no run is" in text for text in toasts(pilot)))
        assert isinstance(pilot.app.screen, RunsScreen)


async def test_a_renamed_run_that_is_looked_at_is_looked_at_on(two: tuple[SyntheticRun, SyntheticRun]):
    async with CockpitApp(two[0].paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "FINISHED")
        await pilot.press("r")
        await until_listed(pilot, 2)
        await choose(pilot, two[0])
        await pilot.press("R")
        await shows(pilot, "its date and id stay")
        await pilot.press("ctrl+u", *"a/b", "enter")
        await shows(pilot, "is no file name")
        await pilot.press("ctrl+u", *"winner", "enter")
        await until(pilot, lambda: "-winner-" in session_of(pilot).paths.root.name)
        assert not session_of(pilot).view.is_gone and session_of(pilot).paths.summary.is_file()


async def test_runs_that_are_looked_at_or_laid_over_may_be_deleted(two: tuple[SyntheticRun, SyntheticRun]):
    async with CockpitApp(two[0].paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "FINISHED")
        await pilot.press("r")
        await until_listed(pilot, 2)
        await choose(pilot, two[1])
        await pilot.press("space")
        await until(pilot, lambda: len(cockpit_app(pilot).overlays) == 1)
        for run, left in ((two[1], 1), (two[0], 0)):
            await choose(pilot, run)
            await pilot.press("D")
            await shows(pilot, "Delete it for good")
            await pilot.press("down", "enter")
            await until(
                pilot, lambda left=left: len(listed(pilot)) == left and isinstance(pilot.app.screen, RunsScreen)
            )
        assert len(cockpit_app(pilot).overlays) == 0
        await pilot.press("q")
        await shows(pilot, "DELETED")


async def test_a_run_laid_over_that_somebody_else_deletes_is_taken_away(
    two: tuple[SyntheticRun, SyntheticRun], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("trainctl.tui.run.overlays.PERIOD_S", 0.05)
    monkeypatch.setattr("trainctl.tui.run.overlays.OVER_PERIOD_S", 0.05)
    async with CockpitApp(two[0].paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "FINISHED")
        cockpit_app(pilot).overlays.add(RunPaths(two[1].paths.root))
        await until(pilot, lambda: cockpit_app(pilot).overlays.shown(two[0].paths)[0].view.step == 100)
        two[1].paths.root.rename(two[1].paths.root.with_name(".deleted"))
        await until(pilot, lambda: len(cockpit_app(pilot).overlays) == 0)
        assert any("was laid over and is deleted" in text for text in toasts(pilot))


# --- the newest run -------------------------------------------------------------------------------------------


async def test_the_newest_run_is_opened_as_it_begins_but_not_behind_a_dialog(
    live_run: SyntheticRun, new_run: NewRun, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("trainctl.tui.app.NEWEST_PERIOD_S", 0.05)
    async with CockpitApp(live_run.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "RUNNING")
        newer = new_run(name="29990101-000000-eyes-newer-00aa", preset="eyes/newer").begin()
        await pilot.pause(0.2)
        assert session_of(pilot).paths.root.name == live_run.paths.root.name
        await pilot.press("question_mark")
        await shows(pilot, "Acting on the run")
        cockpit_app(pilot)._newest.is_on = True
        await pilot.pause(0.2)
        assert session_of(pilot).paths.root.name == live_run.paths.root.name
        await pilot.press("escape")
        await until(pilot, lambda: session_of(pilot).paths.root.name == newer.paths.root.name)
        await pilot.press("N")
        await until(pilot, lambda: any("this run stays open" in text for text in toasts(pilot)))
        new_run(name="29990102-000000-eyes-newest-00aa").begin()
        await pilot.pause(0.2)
        assert session_of(pilot).paths.root.name == newer.paths.root.name


async def test_in_the_list_the_cursor_follows_the_newest(
    two: tuple[SyntheticRun, SyntheticRun], new_run: NewRun, runs_dir: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("trainctl.tui.screens.listing.PERIOD_S", 0.05)
    async with workspace(runs_dir).run_test(size=MEDIUM) as pilot:
        await until_listed(pilot, 2)
        await pilot.press("N")
        await shows(pilot, "following the newest")
        newer = new_run(name="29990101-000000-eyes-newer-00aa", preset="eyes/newer")
        newer.status(RunState.RUNNING, started=time.time() + 60)
        await until(pilot, lambda: chosen(pilot) == newer.paths.root.name)
