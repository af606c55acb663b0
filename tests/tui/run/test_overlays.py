"""Other runs laid over the one that is looked at."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from pilots import LARGE, MEDIUM, SMALL, cockpit, cockpit_app, screen_text, shows, toasts, until
from synthetic_run import NewRun, SyntheticRun

from trainctl.engine.errors import UserError
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.states import RunState
from trainctl.tui.app import CockpitApp
from trainctl.tui.run.overlays import INKS, MAX_OVERLAYS, Overlays
from trainctl.tui.run.scene import Overlay, Scene, Unit
from trainctl.tui.run.view import RunUpdate, RunView
from trainctl.tui.widgets.gradients import GradientPanel
from trainctl.tui.widgets.learning_rate import LearningRatePanel
from trainctl.tui.widgets.loss import LossPanel
from trainctl.tui.widgets.overlay_lines import overlay_lines


class OverlaysAlone(Overlays):
    """Overlays without an app: take their updates themselves, and keep what is said of failures."""

    def __init__(self) -> None:
        super().__init__(self.apply, lambda run, reason: self.failed.append(reason))
        self.failed: list[str] = []


@pytest.fixture
def overlays() -> Iterator[OverlaysAlone]:
    """Runs laid over whose updates are applied as they come."""
    made = OverlaysAlone()
    yield made
    made.stop()


def wait_for(holds: Callable[[], object]) -> None:
    end = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < end, "did not happen"
        time.sleep(0.005)


def other_run(new_run: NewRun, steps: int = 80, preset: str = "eyes/aggressive"):
    run = new_run(preset=preset).begin()
    run.train(steps)
    return run


@pytest.mark.parametrize("size", [SMALL, MEDIUM, LARGE])
async def test_a_run_that_is_laid_over_is_drawn_and_named_in_the_charts(
    live_run: SyntheticRun, new_run: NewRun, size: tuple[int, int]
):
    other = other_run(new_run)
    async with CockpitApp(live_run.paths).run_test(size=size) as pilot:
        await shows(pilot, "RUNNING")
        cockpit_app(pilot).overlays.add(other.paths)
        cockpit(pilot).show_overlays()
        for panel, name in (
            (LossPanel, "aggressive"),
            (LearningRatePanel, "aggressive"),
            (GradientPanel, "aggressive"),
        ):
            chart = cockpit(pilot).query_one(panel)
            await until(pilot, lambda c=chart, n=name: n in [line.name for line in c.content.lines])
            line = next(line for line in chart.content.lines if line.name == name)
            assert line.faint and line.series.extent == (1, 81)
        await shows(pilot, "aggressive")


async def test_a_run_that_is_laid_over_and_still_training_keeps_growing(
    live_run: SyntheticRun, new_run: NewRun, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("trainctl.tui.run.overlays.PERIOD_S", 0.02)
    other = other_run(new_run)
    async with CockpitApp(live_run.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "RUNNING")
        cockpit_app(pilot).overlays.add(other.paths)
        cockpit(pilot).show_overlays()
        chart = cockpit(pilot).query_one(LossPanel)

        def length() -> float:
            return next((line.series.extent[1] for line in chart.content.lines if line.name == "aggressive"), 0)

        await until(pilot, lambda: length() == 81)
        other.train(40)
        await until(pilot, lambda: length() == 121)


async def test_a_run_that_cannot_be_read_is_said_in_a_line_and_left_out(live_run: SyntheticRun, new_run: NewRun):
    other = other_run(new_run)
    other.paths.status.write_text('{"schema": 99}')
    async with CockpitApp(live_run.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "RUNNING")
        cockpit_app(pilot).overlays.add(other.paths)
        await until(pilot, lambda: any("schema 99" in text for text in toasts(pilot)))
        assert len(cockpit_app(pilot).overlays) == 0 and "\n" not in toasts(pilot)[-1]


async def test_the_run_that_is_opened_is_no_longer_behind_itself(live_run: SyntheticRun, new_run: NewRun):
    other = other_run(new_run)
    async with CockpitApp(live_run.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "RUNNING")
        cockpit_app(pilot).overlays.add(other.paths)
        await cockpit_app(pilot)._look_at(other.paths)
        await shows(pilot, "step 80/200")
        assert cockpit(pilot).scene.overlays == ()


def test_colours_stay_with_their_runs_and_are_given_again(overlays: OverlaysAlone, new_run: NewRun):
    runs = [other_run(new_run, 1) for _ in range(4)]
    for run in runs[:3]:
        overlays.add(run.paths)
    before = {item.view.paths: item.ink for item in overlays.shown(RunPaths(runs[3].paths.root))}
    assert list(before.values()) == list(INKS[:3])
    overlays.remove(runs[1].paths)
    overlays.add(runs[3].paths)
    after = {item.view.paths: item.ink for item in overlays.shown(RunPaths(runs[1].paths.root))}
    assert after[runs[2].paths] == before[runs[2].paths] and after[runs[3].paths] == before[runs[1].paths]


def test_more_runs_than_can_be_told_apart_are_refused(overlays: OverlaysAlone, new_run: NewRun):
    for _ in range(MAX_OVERLAYS):
        overlays.add(new_run().paths)
    with pytest.raises(UserError, match="6 runs are laid over already"):
        overlays.add(new_run().paths)
    assert overlays.toggle(overlays.runs[0]) is False
    assert overlays.toggle(new_run().paths) is True


def test_a_finished_run_is_read_once_and_whole(overlays: OverlaysAlone, new_run: NewRun):
    run = other_run(new_run, 200)
    run.status(RunState.FINISHED)
    overlays.add(run.paths)
    wait_for(lambda: overlays.shown(RunPaths(run.paths.root.parent))[0].view.step == 200)
    assert overlays.failed == []


def test_a_run_that_was_taken_away_takes_nothing_in(overlays: OverlaysAlone, new_run: NewRun):
    run = other_run(new_run)
    overlays.add(run.paths)
    overlays.remove(run.paths)
    assert overlays.apply(run.paths, RunUpdate()) is False and run.paths not in overlays


def view_of(run: SyntheticRun) -> RunView:
    from trainctl.tui.run.feed import RunFeed

    view = RunView(run.paths)
    view.apply(RunFeed(run.paths).poll())
    return view


def test_each_run_lies_along_its_own_time(new_run: NewRun):
    run = other_run(new_run)
    view = view_of(run)
    scene = Scene(unit=Unit.EPOCH, overlays=(Overlay("other", view, 3),))
    (line,) = overlay_lines(scene, "loss")
    assert line.x_map is not None and line.x_map.x_of(50.0) == pytest.approx(1.0)
    scene.unit = Unit.STEP
    assert overlay_lines(scene, "loss")[0].x_map is None


def test_a_run_without_the_series_has_no_line(new_run: NewRun):
    scene = Scene(
        overlays=(Overlay("other", view_of(other_run(new_run)), 3), Overlay("empty", RunView(new_run().paths), 4))
    )
    assert [line.name for line in overlay_lines(scene, "loss")] == ["other"]
    assert overlay_lines(scene, lambda view: view.series.get("no such column")) == []


async def test_screen_text_has_no_traceback_when_a_run_vanishes(live_run: SyntheticRun, new_run: NewRun):
    import shutil

    other = other_run(new_run)
    async with CockpitApp(live_run.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "RUNNING")
        cockpit_app(pilot).overlays.add(other.paths)
        shutil.rmtree(other.paths.root)
        await pilot.pause(0.1)
        assert "Traceback" not in screen_text(pilot)


async def test_what_arrives_while_the_screen_is_taken_down_ends_nothing(live_run: SyntheticRun, new_run: NewRun):
    other = other_run(new_run)
    async with CockpitApp(live_run.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "RUNNING")
        await cockpit(pilot).log_panel.remove()
        cockpit_app(pilot).overlays.add(other.paths)
        live_run.validate(3, 0.3, 0.95)
        await until(pilot, lambda: len(cockpit_app(pilot).overlays.shown(live_run.paths)[0].view.series) > 0)
        await pilot.pause(0.4)
        assert pilot.app.is_running and pilot.app._exception is None and pilot.app.screen is cockpit(pilot)
