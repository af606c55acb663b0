"""The list of runs and what can be done from it."""

from __future__ import annotations

import re
import subprocess
import sys
import time

import pytest
from pilots import (
    MEDIUM,
    SMALL,
    cockpit,
    cockpit_app,
    commands,
    screen_as,
    screen_text,
    session_of,
    shows,
    toasts,
    until,
)
from present import present
from synthetic_run import NewRun, SyntheticRun
from textual.pilot import Pilot

from trainctl.engine.runs.meta import write_meta
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.summary import Best, Summary, write_summary
from trainctl.tui.app import CockpitApp
from trainctl.tui.processes.launch import LaunchRequest
from trainctl.tui.screens.compare import CompareScreen
from trainctl.tui.screens.runs import RunsScreen
from trainctl.tui.widgets.shelf import ShelfPanel

WIDE = (160, 50)
BLOCKS = {*"▁▂▃▄▅▆▇█"}


def finished(run: SyntheticRun, f1: float):
    """A run that ended well."""
    run.status(RunState.FINISHED)
    write_summary(run.paths, Summary(RunState.FINISHED, run.step, 1, 60.0, 900.0, {"f1": f1}, Best("f1", f1, 1)))
    return run


def started(new_run: NewRun, preset: str, steps: int):
    run = new_run(preset=preset).begin()
    run.train(steps)
    return run


def listed(pilot: Pilot[None]) -> list[str]:
    """Lines of the list that name a run, without the preview beside them."""
    lines = [line.partition("│")[0] for line in screen_text(pilot).splitlines()]
    return [line for line in lines if re.search(r"eyes-\w+-[0-9a-f]{4} .*[·▸=✓×!-] \w", line)]


@pytest.mark.parametrize("size", [SMALL, MEDIUM, WIDE])
async def test_a_line_says_preset_state_steps_best_result_and_age(
    live_run: SyntheticRun, new_run: NewRun, size: tuple[int, int]
):
    finished(started(new_run, "eyes/aggressive", 200), 0.9341)
    async with CockpitApp(live_run.paths).run_test(size=size) as pilot:
        await shows(pilot, "RUNNING")
        await pilot.press("r")
        await shows(pilot, "2 runs · by age")
        await until(pilot, lambda: len(listed(pilot)) == 2)
        await until(pilot, lambda: BLOCKS & {*"".join(listed(pilot))} != set())
        done = next(line for line in listed(pilot) if "aggressive" in line)
        for words in ("eyes-aggressive-", "✓ finished", " 0.9341 ", " s "):
            assert words in done
        assert "best f1" in screen_text(pilot)  # of all runs, so it is said once, in the heading
        assert next(line for line in listed(pilot) if "balanced" in line).startswith("●")
        assert "enter open spc lay over k compare / filter" in screen_text(pilot)


async def test_the_newest_run_stands_first(live_run: SyntheticRun, new_run: NewRun):
    old = new_run(name="20200101-000000-eyes-old-00aa", preset="eyes/old").begin()
    write_meta(old.paths, {"schema": 1, "preset": "eyes/old", "started": time.time() - 1e8})
    async with CockpitApp(live_run.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "RUNNING")
        await pilot.press("r")
        await until(pilot, lambda: len(listed(pilot)) == 2)
        assert "eyes-balanced" in listed(pilot)[0] and "eyes-old" in listed(pilot)[1]


async def test_enter_opens_a_run(live_run: SyntheticRun, new_run: NewRun):
    other = started(new_run, "eyes/current", 10)
    async with CockpitApp(live_run.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "step 100/200")
        await pilot.press("r")
        await until(pilot, lambda: len(listed(pilot)) == 2)
        screen_as(pilot, RunsScreen).rows.move_to(str(other.paths.root.resolve()))
        await pilot.press("enter")
        await shows(pilot, "step 10/200")
        assert session_of(pilot).paths.root.name == other.paths.root.name


async def test_space_lays_a_run_over_and_takes_it_away(live_run: SyntheticRun, new_run: NewRun):
    other = started(new_run, "eyes/aggressive", 30)
    async with CockpitApp(live_run.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "RUNNING")
        await pilot.press("r")
        await until(pilot, lambda: len(listed(pilot)) == 2)
        screen_as(pilot, RunsScreen).rows.move_to(str(other.paths.root.resolve()))
        await pilot.press("space")
        await until(pilot, lambda: any(line.startswith("◆") and "aggressive" in line for line in listed(pilot)))
        await until(pilot, lambda: [o.name for o in cockpit(pilot).scene.overlays] == ["aggressive"])
        assert commands(live_run) == []  # the list has its own space, nothing is paused
        await pilot.press("space")
        await until(pilot, lambda: not any(line.startswith("◆") for line in listed(pilot)))
        assert cockpit(pilot).scene.overlays == ()


async def test_the_run_itself_cannot_be_laid_over_itself(live_run: SyntheticRun):
    async with CockpitApp(live_run.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "RUNNING")
        await pilot.press("r")
        await until(pilot, lambda: len(listed(pilot)) == 1)
        await pilot.press("space")
        await until(pilot, lambda: any("the one that is looked at" in text for text in toasts(pilot)))
        assert len(cockpit_app(pilot).overlays) == 0


async def test_typing_filters_and_escape_takes_the_filter_away(live_run: SyntheticRun, new_run: NewRun):
    finished(started(new_run, "eyes/aggressive", 200), 0.9)
    async with CockpitApp(live_run.paths).run_test(size=SMALL) as pilot:
        await shows(pilot, "RUNNING")
        await pilot.press("r")
        await until(pilot, lambda: len(listed(pilot)) == 2)
        await pilot.press("slash", *"finished")
        await until(pilot, lambda: len(listed(pilot)) == 1)
        assert "aggressive" in listed(pilot)[0]
        await pilot.press(*" xyz")
        await shows(pilot, "no run has finished xyz")
        assert "0 of 2 runs" in screen_text(pilot)
        await pilot.press("escape")
        await until(pilot, lambda: len(listed(pilot)) == 2)
        await pilot.press("escape")
        assert pilot.app.screen is cockpit(pilot)


async def test_a_run_that_starts_while_the_list_is_open_appears_and_the_cursor_stays(
    live_run: SyntheticRun, new_run: NewRun, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("trainctl.tui.screens.listing.PERIOD_S", 0.05)
    async with CockpitApp(live_run.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "RUNNING")
        await pilot.press("r")
        await until(pilot, lambda: len(listed(pilot)) == 1)
        before = screen_as(pilot, RunsScreen).rows.chosen_key
        newer = new_run(name="29990101-000000-eyes-newer-00aa", preset="eyes/newer").begin()
        newer.status(RunState.RUNNING, started=time.time() + 60)
        await until(pilot, lambda: len(listed(pilot)) == 2)
        assert "eyes-newer" in listed(pilot)[0]
        assert screen_as(pilot, RunsScreen).rows.chosen_key == before
        newer.status(RunState.PAUSED)
        await shows(pilot, "= paused")


async def test_an_unreadable_run_is_listed_as_such(live_run: SyntheticRun, new_run: NewRun):
    broken = started(new_run, "eyes/aggressive", 5)
    broken.paths.status.write_text("{")
    async with CockpitApp(live_run.paths).run_test(size=SMALL) as pilot:
        await shows(pilot, "RUNNING")
        await pilot.press("r")
        await shows(pilot, "! unreadable")


@pytest.mark.slow
async def test_a_thousand_runs_open_at_once_and_keys_are_answered(live_run: SyntheticRun, new_run: NewRun):
    for k in range(999):
        new_run(name=f"20200101-{k:06d}-eyes-old-00aa").status(RunState.FINISHED)
    async with CockpitApp(live_run.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "RUNNING")
        await pilot.press("r")
        await until(pilot, lambda: len(screen_as(pilot, RunsScreen).rows._rows) == 1000)
        await pilot.press("pagedown", "end")
        assert present(screen_as(pilot, RunsScreen).rows.chosen_key).endswith("20200101-000000-eyes-old-00aa")


def test_the_list_of_runs_needs_neither_torch_nor_pydantic():
    code = "import sys, trainctl.tui.screens.runs; print({'torch', 'pydantic', 'yaml'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


async def test_k_in_the_list_compares_what_is_marked(live_run: SyntheticRun, new_run: NewRun):
    other = started(new_run, "eyes/aggressive", 30)
    async with CockpitApp(live_run.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "RUNNING")
        await pilot.press("r")
        await until(pilot, lambda: len(listed(pilot)) == 2)
        await pilot.press("k")
        await until(pilot, lambda: any("mark the runs" in text for text in toasts(pilot)))
        screen_as(pilot, RunsScreen).rows.move_to(str(other.paths.root.resolve()))
        await pilot.press("space", "k")
        await until(pilot, lambda: isinstance(pilot.app.screen, CompareScreen))


async def test_k_without_anything_laid_over_asks_for_runs(live_run: SyntheticRun):
    async with CockpitApp(live_run.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "RUNNING")
        await pilot.press("k")
        await until(pilot, lambda: isinstance(pilot.app.screen, RunsScreen))


# --- new runs -------------------------------------------------------------------------------------------------


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch):
    """What was started; a run directory is made, no process."""
    requests: list[LaunchRequest] = []

    def fake(request: LaunchRequest):
        from trainctl.engine.runs.index import create_run

        requests.append(request)
        return create_run(request.runs_dir, request.preset or "run"), None

    monkeypatch.setattr("trainctl.tui.app.launch", fake)
    return requests


def configured(run: SyntheticRun) -> None:
    """Its `config.yaml`, as a trainer writes it."""
    from trainctl.engine.tasks.configured import resolve

    run.paths.config.write_text(resolve(run.preset).to_yaml())


async def test_a_new_run_appears_at_once_with_the_earlier_one_behind_it(
    live_run: SyntheticRun, launched: list[LaunchRequest]
):
    request = LaunchRequest(live_run.paths.root.parent, preset="eyes/balanced")
    async with CockpitApp(live_run.paths, request).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "RUNNING")
        cockpit(pilot).confirm_preset("eyes/current")
        await shows(pilot, "Start a new run; the present one goes on")
        assert "No checkpoint to fork from yet." in screen_text(pilot)
        await pilot.press("enter")
        await shows(pilot, "STARTING")
        assert launched[0].preset == "eyes/current" and commands(live_run) == []
        await until(pilot, lambda: [o.view.step for o in cockpit(pilot).scene.overlays] == [100])
        await shows(pilot, "balanced 0.")


@pytest.mark.parametrize(("downs", "point"), [(0, "latest"), (1, "best")])
async def test_a_fork_says_what_changes_and_goes_on_from_a_checkpoint(
    live_run: SyntheticRun, launched: list[LaunchRequest], downs: int, point: str
):
    configured(live_run)
    live_run.paths.latest.write_bytes(b"weights")
    live_run.paths.best.write_bytes(b"weights")
    request = LaunchRequest(live_run.paths.root.parent, preset="eyes/balanced")
    async with CockpitApp(live_run.paths, request).run_test(size=SMALL) as pilot:
        await shows(pilot, "RUNNING")
        cockpit(pilot).confirm_preset("eyes/aggressive")
        await shows(pilot, "Fork the present run")
        await pilot.press("down", "down", "enter")
        await shows(pilot, "From the newest checkpoint")
        assert "optimizer.lr" in screen_text(pilot) and "0.0002 -> 0.0003" in screen_text(pilot)
        await pilot.press(*["down"] * downs, "enter")
        await shows(pilot, "STARTING")
        assert (launched[0].fork, launched[0].fork_from) == (live_run.paths.root, point)
        await until(pilot, lambda: [o.name for o in cockpit(pilot).scene.overlays] == ["balanced"])


async def test_a_read_only_cockpit_starts_nothing(live_run: SyntheticRun, launched: list[LaunchRequest]):
    request = LaunchRequest(live_run.paths.root.parent, preset="eyes/balanced")
    async with CockpitApp(live_run.paths, request, readonly=True).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "RUNNING")
        cockpit(pilot).confirm_preset("eyes/current")
        await until(pilot, lambda: any("read only" in text for text in toasts(pilot)))
        assert launched == []


# --- the panel ------------------------------------------------------------------------------------------------


async def test_a_wide_terminal_has_presets_and_runs_at_hand(live_run: SyntheticRun, new_run: NewRun):
    other = started(new_run, "eyes/aggressive", 30)
    async with CockpitApp(live_run.paths).run_test(size=(200, 60)) as pilot:
        await shows(pilot, "● eyes/balanced  present, recommended")
        await shows(pilot, "runs, newest first")
        shelf = cockpit(pilot).query_one(ShelfPanel)
        shelf.focus()
        shelf.move_to(f"run:{other.paths.root}")
        await pilot.press("space")
        await until(pilot, lambda: [o.name for o in cockpit(pilot).scene.overlays] == ["aggressive"])
        assert commands(live_run) == []
        shelf.move_to("preset:eyes/current")
        await pilot.press("enter")
        await shows(pilot, "new run with eyes/current")
        await pilot.press("escape")
        shelf.move_to(f"run:{other.paths.root}")
        await pilot.press("enter")
        await shows(pilot, "step 30/200")


async def test_the_panel_is_left_out_where_there_is_no_room(live_run: SyntheticRun):
    async with CockpitApp(live_run.paths).run_test(size=WIDE) as pilot:
        await shows(pilot, "RUNNING")
        assert not cockpit(pilot).panels["shelf"].display
