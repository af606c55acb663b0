"""Keys and clicks that come before or after the screen they were meant for, and a terminal that cannot keep up."""

from __future__ import annotations

import threading
from queue import Queue
from types import SimpleNamespace
from typing import Any

import pytest
from pilots import MEDIUM, SMALL, cockpit, cockpit_app, commands, session_of, shows, until
from present import present
from synthetic_run import SyntheticRun
from textual import events
from textual.app import App
from textual.command import CommandPalette
from textual.geometry import Size

from trainctl.tui import presets
from trainctl.tui.app import MAX_UNWRITTEN, CockpitApp
from trainctl.tui.messages import AttachRequested
from trainctl.tui.screens.cockpit import CockpitScreen
from trainctl.tui.screens.dialogs.choice import Choice, ChoiceScreen
from trainctl.tui.screens.dialogs.explanation import ExplanationScreen
from trainctl.tui.screens.dialogs.help import HelpScreen
from trainctl.tui.screens.jobs.data import DataScreen
from trainctl.tui.screens.jobs.diagnose import DiagnoseScreen, Order
from trainctl.tui.screens.jobs.lr_finder import LrFinderScreen
from trainctl.tui.screens.replay import ReplayScreen
from trainctl.tui.textual_private import num_unwritten


def hit(app: App[None], *keys: str) -> None:
    """Report keys at once, as a terminal does; nothing waits for what they do."""
    for key in keys:
        present(app._driver).process_message(events.Key(key, key if len(key) == 1 else None))


async def test_keys_for_a_dialog_that_is_still_being_made_reach_nothing_else(
    live_run: SyntheticRun, monkeypatch: pytest.MonkeyPatch
):
    made, asked = threading.Event(), threading.Event()

    def slowly(name: str) -> list[tuple[str, str, str]]:
        asked.set()
        made.wait(20)
        return original(name)

    original = presets.preset_choices
    monkeypatch.setattr(presets, "preset_choices", slowly)
    async with CockpitApp(live_run.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "step 100/200")
        hit(pilot.app, "p", "s", "c", "v", "space", "enter", "d")
        await until(pilot, asked.is_set)
        await shows(pilot, "reading the presets")
        await pilot.pause(0.1)
        made.set()
        await shows(pilot, "eyes/current")
        assert commands(live_run) == [] and isinstance(pilot.app.screen, ChoiceScreen)
        await pilot.press("escape")
        assert pilot.app.screen is cockpit(pilot)


async def test_whoever_does_not_wait_for_a_dialog_does_not_get_it(
    live_run: SyntheticRun, monkeypatch: pytest.MonkeyPatch
):
    made = threading.Event()
    monkeypatch.setattr(presets, "preset_choices", lambda name: (made.wait(20), [])[1])
    async with CockpitApp(live_run.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "step 100/200")
        await pilot.press("p")
        await shows(pilot, "reading the presets")
        await pilot.press("escape")
        made.set()
        await pilot.pause(0.3)
        assert pilot.app.screen is cockpit(pilot)


def dialog() -> ChoiceScreen:
    return ChoiceScreen("which", [Choice("a", "A"), Choice("b", "B")])


async def test_a_dialog_answers_once_and_closes_nothing_behind_it(live_run: SyntheticRun):
    async with CockpitApp(live_run.paths).run_test(size=SMALL) as pilot:
        await shows(pilot, "RUNNING")
        answers: list[str | None] = []
        screen = dialog()
        await pilot.app.push_screen(screen, answers.append)
        screen.dismiss("a")
        screen.dismiss("b")
        await pilot.pause()
        assert answers == ["a"] and isinstance(pilot.app.screen, CockpitScreen)


async def test_a_dialog_that_is_covered_waits_for_its_turn(live_run: SyntheticRun):
    async with CockpitApp(live_run.paths).run_test(size=SMALL) as pilot:
        await shows(pilot, "RUNNING")
        answers: list[str | None] = []
        below, above = dialog(), dialog()
        await pilot.app.push_screen(below, answers.append)
        await pilot.app.push_screen(above)
        below.dismiss("a")
        await pilot.pause()
        assert pilot.app.screen is above and answers == []
        await pilot.press("escape", "escape")
        assert pilot.app.screen is cockpit(pilot) and answers == [None]


async def test_the_cockpit_itself_is_never_closed_by_a_click_beside_the_palette(live_run: SyntheticRun):
    async with CockpitApp(live_run.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "RUNNING")
        await pilot.press("ctrl+p")
        await until(pilot, lambda: isinstance(pilot.app.screen, CommandPalette))
        await pilot.click(offset=(0, 39), times=2)
        await until(pilot, lambda: pilot.app.screen is cockpit(pilot))


@pytest.mark.parametrize("keys", [("ctrl+p", "escape"), ("ctrl+p", "pageup", "pagedown"), ("t", "pageup", "escape")])
async def test_keys_may_come_before_a_list_is_there(live_run: SyntheticRun, keys: tuple[str, ...]):
    async with CockpitApp(live_run.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "RUNNING")
        hit(pilot.app, *keys, "escape", "escape")
        await until(pilot, lambda: pilot.app.screen is cockpit(pilot))
        await pilot.pause()


async def test_another_run_is_not_shown_over_a_dialog_of_the_one_before(live_run: SyntheticRun):
    async with CockpitApp(live_run.paths, replay=True).run_test(size=SMALL) as pilot:
        await shows(pilot, " REPLAY ")
        pilot.app.post_message(AttachRequested(live_run.paths))
        await pilot.app.push_screen(HelpScreen({}))
        await until(pilot, lambda: type(pilot.app.screen) is CockpitScreen)
        assert [type(screen) for screen in pilot.app.screen_stack if isinstance(screen, CockpitScreen)] == [
            CockpitScreen
        ]
        assert not any(isinstance(screen, ReplayScreen) for screen in pilot.app.screen_stack)


@pytest.mark.parametrize("which", ["explanation", "help", "choice", "data", "lr finder", "diagnosis", "runs"])
async def test_the_terminal_may_change_while_a_screen_comes_or_goes(
    live_run: SyntheticRun, which: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("trainctl.tui.processes.jobs.COMMAND", ("/bin/true",))
    async with CockpitApp(live_run.paths).run_test(size=MEDIUM) as pilot:
        await pilot.pause()
        made = {
            "explanation": lambda: ExplanationScreen("title", [(("  figures    ", "dim"), ("words " * 40, ""))]),
            "help": lambda: HelpScreen({}),
            "choice": lambda: ChoiceScreen("colours", [Choice("a", "b")]),
            "data": lambda: DataScreen("title", [], {}),
            "lr finder": lambda: LrFinderScreen(session_of(pilot), [], {}),
            "diagnosis": lambda: DiagnoseScreen(Order(live_run.paths, "title", ()), {}),
            "runs": lambda: None,
        }[which]()
        if made is None:
            await pilot.press("r")
        else:
            pilot.app.push_screen(made)
        await pilot.pause()
        screen = pilot.app.screen
        await screen.query("*").remove()
        for size in (SMALL, (40, 12), MEDIUM):
            screen.post_message(events.Resize(Size(*size), Size(*size)))
        await pilot.pause()
        assert pilot.app._exception is None


async def test_the_mouse_may_move_while_the_cockpit_closes(live_run: SyntheticRun):
    app = CockpitApp(live_run.paths, readonly=True)
    async with app.run_test(size=SMALL) as pilot:
        await shows(pilot, "RUNNING")
        hit(app, "q")
        for x in range(30):
            present(app._driver).process_message(events.MouseMove(None, x, 5, 1, 0, 0, False, False, False, screen_x=x))
        await pilot.pause()
    assert app._exception is None


async def test_the_feed_waits_while_the_terminal_has_not_caught_up(live_run: SyntheticRun):
    async with CockpitApp(live_run.paths).run_test(size=SMALL) as pilot:
        await shows(pilot, "step 100/200")
        app = cockpit_app(pilot)
        waiting: Queue[str] = Queue()
        for _ in range(MAX_UNWRITTEN + 1):
            waiting.put("a picture")
        driver: Any = app._driver
        driver._writer_thread = SimpleNamespace(_queue=waiting)
        assert num_unwritten(app) == MAX_UNWRITTEN + 1
        live_run.train(20)
        await pilot.pause(0.4)  # longer than a period: the update that was under way has come
        live_run.train(20)
        await pilot.pause(0.4)
        assert session_of(pilot).view.step in (100, 120)
        waiting.get()
        await shows(pilot, "step 140/200")
