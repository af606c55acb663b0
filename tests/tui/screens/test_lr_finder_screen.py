"""The learning rate finder: what the user sees of a sweep, and what the keys do with its suggestion."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from job_pages import jobs_say, open_page
from pilots import MEDIUM, SMALL, cockpit, commands, screen_text, shows, toasts, until
from synthetic_run import SyntheticRun
from textual.pilot import Pilot

from trainctl.engine.runs.meta import write_meta
from trainctl.engine.runs.states import RunState
from trainctl.engine.tasks.configured import resolve
from trainctl.tui.app import CockpitApp
from trainctl.tui.charts.sweep import Sweep
from trainctl.tui.processes.launch import LaunchRequest
from trainctl.tui.screens.dialogs.choice import ChoiceScreen
from trainctl.tui.screens.jobs.lr_finder import LrFinderScreen, found_rows, sweep_of
from trainctl.tui.widgets.sweep import SweepChart

ABOUT = {"configured": 2e-4, "start": 1e-7, "end": 10.0, "total": 100, "device": "cpu"}


def swept(count: int = 90) -> dict[str, Any]:
    """A sweep in which the loss falls most steeply at 3e-3 and diverges above 1."""
    lrs = np.logspace(-7, 1, 100)[:count]
    loss = 0.7 - 0.5 / (1 + np.exp(-4 * (np.log10(lrs) + 2.5))) + np.where(lrs > 1, lrs, 0)
    return {"lrs": lrs.tolist(), "losses": (loss + 0.01).tolist(), "smoothed": loss.tolist()}


def result(**changes: Any) -> dict[str, Any]:
    found = {"steepest": 1e-3, "bottom": 1e-2, "suggestion": 3.16e-3, "diverged_at": 1.2}
    return {**swept(), **found, **ABOUT, **changes}


def say(data: dict[str, Any], stream: str = "err") -> str:
    return f"{stream}:{json.dumps(data)}"


LOADING = say({"stage": "loading", **{key: ABOUT[key] for key in ("configured", "start", "end", "total")}})
HALF = say({"stage": "sweep", **swept(48), **ABOUT})


Talk = Callable[..., list[tuple[str, ...]]]


@pytest.fixture
def talk(monkeypatch: pytest.MonkeyPatch) -> Talk:
    """Jobs say prepared lines instead of running trainctl; gives the command lines they were started with."""

    def say_lines(*lines: str) -> list[tuple[str, ...]]:
        return jobs_say(monkeypatch, lines)

    return say_lines


@pytest.fixture
def own_run(live_run: SyntheticRun):
    """A run with its configuration, as a trainer leaves it."""
    config = resolve("eyes/balanced", overrides=["optimizer.lr=2e-4"])
    live_run.paths.config.write_text(config.to_yaml())
    write_meta(live_run.paths, {"schema": 1, "preset": "eyes/balanced", "scale": "full", "data": None})
    return live_run


def request(run: SyntheticRun) -> LaunchRequest:
    return LaunchRequest(run.paths.root.parent)


opened = partial(open_page, key="n", kind=LrFinderScreen)


async def swept_through(pilot: Pilot[None]) -> None:
    await opened(pilot)
    await shows(pilot, "S suggested")


@pytest.mark.parametrize("size", [SMALL, MEDIUM])
async def test_the_sweep_is_drawn_and_its_marks_are_named(own_run: SyntheticRun, talk: Talk, size: tuple[int, int]):
    started = talk(LOADING, HALF, say(result(), "out"))
    async with CockpitApp(own_run.paths).run_test(size=size) as pilot:
        await swept_through(pilot)
        text = screen_text(pilot)
        for expected in ("Loss over learning rate", "1e-7", "S suggested", "0.0032", "D diverges", "1.2",
                         "C configured", "0.0002", "16 times", "F falls", "E fall ends", "✓ 90 steps"):  # fmt: skip
            assert expected in text
        first = pilot.app.screen.query_one(SweepChart).as_text().splitlines()[0]
        assert [char for char in first if char in "CFSED"] == ["C", "F", "S", "E", "D"]
        keys = text.splitlines()[-1]
        assert all(word in keys for word in ("new run with it", "set it now", "again", "back"))
    (words,) = started
    config = str(own_run.paths.config.resolve())
    assert words == ("lr-find", "--preset", config, "--scale", "full", "--json", "--progress")


async def test_it_is_seen_while_it_goes_and_said_to_run_beside_the_training(own_run: SyntheticRun, talk: Talk):
    talk(LOADING, HALF, "wait:30")
    async with CockpitApp(own_run.paths).run_test(size=SMALL) as pilot:
        await opened(pilot)
        await shows(pilot, "step 48 of 100")
        text = screen_text(pilot)
        assert "it runs beside the training on cpu" in text and "S suggested" not in text
        drawn = pilot.app.screen.query_one(SweepChart).as_text()
        assert any(0x2800 < ord(char) < 0x2900 for char in drawn)
        await pilot.press("enter")
        await until(pilot, lambda: "the sweep is not done yet" in toasts(pilot))
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is cockpit(pilot))


async def test_loading_is_said(own_run: SyntheticRun, talk: Talk):
    talk(LOADING, "wait:30")
    async with CockpitApp(own_run.paths).run_test(size=SMALL) as pilot:
        await opened(pilot)
        await shows(pilot, "loading the data and the network")


async def test_enter_shows_what_a_new_run_would_change_and_starts_it(
    own_run: SyntheticRun, talk: Talk, monkeypatch: pytest.MonkeyPatch
):
    launched: list[LaunchRequest] = []

    def fake(request: LaunchRequest):
        from trainctl.engine.runs.index import create_run

        launched.append(request)
        return create_run(request.runs_dir, "new"), None

    monkeypatch.setattr("trainctl.tui.app.launch", fake)
    talk(say(result(), "out"))
    async with CockpitApp(own_run.paths, request(own_run)).run_test(size=MEDIUM) as pilot:
        await swept_through(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, ChoiceScreen))
        await shows(pilot, "optimizer.lr  0.0002 -> 0.0032")
        assert launched == [] and commands(own_run) == []
        await pilot.press("enter")
        await until(pilot, lambda: bool(launched))
    assert launched[0].overrides == ("optimizer.lr=0.0032",)
    assert launched[0].preset == str(own_run.paths.config.resolve())


async def test_escape_from_the_question_starts_nothing(
    own_run: SyntheticRun, talk: Talk, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("trainctl.tui.app.launch", lambda request: pytest.fail("started"))
    talk(say(result(), "out"))
    async with CockpitApp(own_run.paths, request(own_run)).run_test(size=SMALL) as pilot:
        await swept_through(pilot)
        await pilot.press("enter")
        await shows(pilot, "new run with learning rate 0.0032")
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is cockpit(pilot))


async def test_l_sets_the_rate_of_the_running_training(own_run: SyntheticRun, talk: Talk):
    talk(say(result(), "out"))
    async with CockpitApp(own_run.paths).run_test(size=MEDIUM) as pilot:
        await swept_through(pilot)
        await pilot.press("l")
        await until(pilot, lambda: bool(commands(own_run)))
        (command,) = commands(own_run)
        assert command["verb"] == "set"
        assert command["args"] == {"name": "lr", "op": "set", "value": 0.0032}
        assert any("asked:" in text for text in toasts(pilot))


@pytest.mark.parametrize("key", ["enter", "l"])
async def test_readonly_refuses_both(own_run: SyntheticRun, talk: Talk, key: str):
    talk(say(result(), "out"))
    async with CockpitApp(own_run.paths, readonly=True).run_test(size=MEDIUM) as pilot:
        await swept_through(pilot)
        await pilot.press(key)
        await until(pilot, lambda: any("read only" in text for text in toasts(pilot)))
        assert commands(own_run) == [] and isinstance(pilot.app.screen, LrFinderScreen)


async def test_a_run_that_is_over_cannot_be_set(own_run: SyntheticRun, talk: Talk):
    own_run.status(RunState.FINISHED)
    talk(say(result(), "out"))
    async with CockpitApp(own_run.paths).run_test(size=MEDIUM) as pilot:
        await swept_through(pilot)
        assert "beside the training" not in screen_text(pilot)
        await pilot.press("l")
        await until(pilot, lambda: any("the run is over" in text for text in toasts(pilot)))
        assert commands(own_run) == []


async def test_a_loss_that_never_fell_gives_no_suggestion(own_run: SyntheticRun, talk: Talk):
    talk(say(result(suggestion=None, steepest=None, bottom=None, diverged_at=None), "out"))
    async with CockpitApp(own_run.paths).run_test(size=SMALL) as pilot:
        await opened(pilot)
        await shows(pilot, "! the loss never fell: no suggestion")
        await pilot.press("enter")
        await until(pilot, lambda: "there is no suggestion" in toasts(pilot))


async def test_what_goes_wrong_is_said_and_r_tries_again(own_run: SyntheticRun, talk: Talk):
    started = talk("err:trainctl: error: no such data: /gone", "end:2")
    async with CockpitApp(own_run.paths).run_test(size=SMALL) as pilot:
        await opened(pilot)
        await shows(pilot, "× no such data: /gone")
        await pilot.press("r")
        await until(pilot, lambda: len(started) == 2)
        await shows(pilot, "× no such data: /gone")


async def test_a_run_without_a_configuration_has_nothing_to_sweep(live_run: SyntheticRun):
    async with CockpitApp(live_run.paths).run_test(size=SMALL) as pilot:
        await shows(pilot, "step 100/200")
        await pilot.press("n")
        await until(pilot, lambda: any("configuration is not known yet" in text for text in toasts(pilot)))


@pytest.mark.slow
async def test_a_real_sweep_of_a_run_s_own_configuration(live_run: SyntheticRun):
    small = ["data.samples=80", "data.image_size=[16,32]", "model.base_channels=4", "model.num_blocks=2",
             "train.batch_size=16", "runtime.device=cpu", "model.head=avg"]  # fmt: skip
    live_run.paths.config.write_text(resolve("eyes/balanced", overrides=small).to_yaml())
    write_meta(live_run.paths, {"schema": 1, "preset": "eyes/balanced", "scale": "small", "data": None})
    async with CockpitApp(live_run.paths).run_test(size=MEDIUM) as pilot:
        await opened(pilot)
        await until(pilot, lambda: "✓ " in screen_text(pilot).splitlines()[0], limit_s=60)
        assert "steps in" in screen_text(pilot)
        await shows(pilot, "C configured")  # the chart is drawn after the title


@pytest.mark.parametrize(
    ("configured", "words"),
    [(3e-3, "about the suggestion"), (1.5e-3, "2.1 times below it"), (0.32, "1e+02 times above it")],
)
def test_the_configured_rate_is_set_against_the_suggestion(configured: float, words: str):
    rows = found_rows(result(configured=configured), 3.2e-3)
    assert rows[-1][-1] == f"in the configuration, {words}"


def test_null_in_the_sweep_is_a_gap():
    data = result(losses=[*swept()["losses"][:-1], None])
    sweep = sweep_of(data, None)
    assert isinstance(sweep, Sweep) and np.isnan(sweep.losses[-1])
