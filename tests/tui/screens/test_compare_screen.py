"""Runs side by side on the screen."""

from __future__ import annotations

import pytest
from pilots import MEDIUM, SMALL, cockpit, cockpit_app, screen_as, screen_text, shows, until
from present import present
from synthetic_run import NewRun, SyntheticRun
from textual.pilot import Pilot

from trainctl.engine.runs.events import EventKind
from trainctl.engine.tasks.configured import resolve
from trainctl.tui.app import CockpitApp
from trainctl.tui.charts.chart import Chart
from trainctl.tui.screens.compare import CompareScreen

WIDE = (160, 50)


@pytest.fixture
def pair(live_run: SyntheticRun, new_run: NewRun):
    """The live run of 100 steps and one of another preset with 50 steps and a better result."""
    other = new_run(preset="eyes/aggressive").begin()
    other.train(50)
    other.validate(1, 0.2, 0.95)
    for run in (live_run, other):
        run.paths.config.write_text(resolve(run.preset).to_yaml())
    return live_run, other


async def compare(pilot: Pilot[None], other: SyntheticRun) -> Chart:
    """Lay the other run over and open the comparison."""
    await shows(pilot, "RUNNING")
    cockpit_app(pilot).overlays.add(other.paths)
    cockpit(pilot).show_overlays()
    await until(pilot, lambda: bool(cockpit(pilot).scene.overlays[0].view.step))
    await pilot.press("k")
    await shows(pilot, "compare  ● balanced  ◆ aggressive")
    return pilot.app.screen.query_one("#comparison", Chart)


@pytest.mark.few(1)
@pytest.mark.parametrize("size", [SMALL, MEDIUM, WIDE])
async def test_the_curves_of_all_runs_lie_over_each_other(
    pair: tuple[SyntheticRun, SyntheticRun], size: tuple[int, int]
):
    run, other = pair
    async with CockpitApp(run.paths).run_test(size=size) as pilot:
        chart = await compare(pilot, other)
        await until(pilot, lambda: [line.name for line in chart.content.lines] == ["aggressive", "balanced"])
        assert [line.series.extent[1] for line in chart.content.lines] == [51, 101]
        assert "loss  (1 of " in screen_text(pilot) and "100 step" in screen_text(pilot)


async def test_keys_choose_the_curve_the_axes_the_window_and_the_cursor(pair: tuple[SyntheticRun, SyntheticRun]):
    run, other = pair
    async with CockpitApp(run.paths).run_test(size=MEDIUM) as pilot:
        chart = await compare(pilot, other)
        await pilot.press("down")
        await shows(pilot, "val loss  (2 of ")
        await pilot.press("up", "up")
        await until(pilot, lambda: "loss  (1 of" not in screen_text(pilot))
        await pilot.press("down")
        await shows(pilot, "loss  (1 of ")
        await pilot.press("y")
        assert chart.log_axis
        await pilot.press("plus")
        assert chart.content.smoothing == 1
        await pilot.press("right_square_bracket")
        assert chart.content.window is not None
        await pilot.press("0", "full_stop")
        assert chart.content.window is None and chart.content.cursor == 100
        await pilot.press("x")
        await until(pilot, lambda: chart.content.x_map is not None)
        # The run that ended its first epoch lies half as far along the axis as the one that ended its second.
        ends = {line.name: present(line.x_map).x_of(line.series.extent[1] - 1.0) for line in chart.content.lines}
        assert ends == pytest.approx({"balanced": 2.0, "aggressive": 1.0})


@pytest.mark.few(1)
@pytest.mark.parametrize("size", [SMALL, MEDIUM, WIDE])
async def test_final_figures_mark_the_best_of_each_line(pair: tuple[SyntheticRun, SyntheticRun], size: tuple[int, int]):
    run, other = pair
    run.events.append(EventKind.COMMAND, 60, id="x", verb="set", args={}, effect="lr 2e-4 -> 1e-4")
    async with CockpitApp(run.paths).run_test(size=size) as pilot:
        await compare(pilot, other)
        await pilot.press("2")
        await shows(pilot, "best f1")
        lines = screen_text(pilot).splitlines()
        assert "0.9  " in next(line for line in lines if "best f1" in line)
        assert "0.95 *" in next(line for line in lines if "best f1" in line)
        text = str(screen_as(pilot, CompareScreen)._pages["figures"].content)
        assert "step 60: lr 2e-4 -> 1e-4" in text and "changed by hand" in text


@pytest.mark.few(1)
@pytest.mark.parametrize("size", [SMALL, MEDIUM, WIDE])
async def test_the_configuration_shows_only_what_differs(
    pair: tuple[SyntheticRun, SyntheticRun], size: tuple[int, int]
):
    run, other = pair
    async with CockpitApp(run.paths).run_test(size=size) as pilot:
        await compare(pilot, other)
        await pilot.press("3")
        await shows(pilot, "optimizer.lr")
        text = screen_text(pilot)
        assert "0.0002" in text and "0.0003" in text and "4096" in text and "2048" in text
        assert "seed" not in text and "early_stopping.patience" in text and "early_stopping.min_delta" not in text


async def test_a_run_without_a_configuration_is_named(pair: tuple[SyntheticRun, SyntheticRun]):
    run, other = pair
    other.paths.config.unlink()
    async with CockpitApp(run.paths).run_test(size=SMALL) as pilot:
        await compare(pilot, other)
        await pilot.press("3")
        await shows(pilot, "No readable config.yaml: aggressive")


async def test_promises_stand_beside_what_was_measured(pair: tuple[SyntheticRun, SyntheticRun]):
    run, other = pair
    async with CockpitApp(run.paths).run_test(size=SMALL) as pilot:
        await compare(pilot, other)
        await pilot.press("4")
        await shows(pilot, "promised  low risk")
        text = screen_text(pilot)
        assert "· in words" in text and "OCEC training document, §6.3" in text
        assert "measured  best f1 0.9 at epoch 2 (raw)" in text


async def test_a_run_that_is_still_training_goes_on_growing_in_the_comparison(
    pair: tuple[SyntheticRun, SyntheticRun], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("trainctl.tui.screens.compare.PERIOD_S", 0.05)
    run, other = pair
    async with CockpitApp(run.paths).run_test(size=MEDIUM) as pilot:
        chart = await compare(pilot, other)
        run.train(20)
        await until(pilot, lambda: chart.content.lines[-1].series.extent[1] == 121)
        await shows(pilot, "120 step")


@pytest.mark.few(1)
@pytest.mark.parametrize("key", ["escape", "k", "q"])
async def test_the_comparison_closes_and_the_cockpit_is_as_before(pair: tuple[SyntheticRun, SyntheticRun], key: str):
    run, other = pair
    async with CockpitApp(run.paths).run_test(size=MEDIUM) as pilot:
        await compare(pilot, other)
        await pilot.press(key)
        await until(pilot, lambda: pilot.app.screen is cockpit(pilot))
        assert [overlay.name for overlay in cockpit(pilot).scene.overlays] == ["aggressive"]
