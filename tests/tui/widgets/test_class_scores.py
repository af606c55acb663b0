"""The panel of classes by their F1: newest, best, and over time."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from pilots import LARGE, MEDIUM, SMALL, screen_text, shows, until, until_in_view
from synthetic_run import SyntheticRun
from textual.pilot import Pilot

from trainctl.engine.runs.events import EventKind
from trainctl.tui.app import CockpitApp
from trainctl.tui.charts.chart import Chart
from trainctl.tui.charts.raster import Glyphs
from trainctl.tui.widgets.class_scores import ClassScorePanel
from trainctl.tui.widgets.classes import ClassPanel

SCORES = ({"happy": 0.5, "sad": 0.2, "neutral": 0.0}, {"happy": 0.75, "sad": 0.8, "neutral": 0.0}, {"happy": 0.6})


def scored(run: SyntheticRun, epoch: int, scores: dict[str, float]) -> None:
    run.train(50)
    run.validate(epoch, 0.5, 0.8, **{f"f1.{name}": score for name, score in scores.items()})


@pytest.fixture
def scored_run(runs_dir: Path) -> SyntheticRun:
    """Three validations, in a task of the user's own that counts no classes; the last measured one class less."""
    run = SyntheticRun(runs_dir, "mine/own", classes=()).begin()
    for epoch, scores in enumerate(SCORES, start=1):
        scored(run, epoch, {"sad": 0.7, "neutral": 0.0} | scores)
    return run


async def seen(pilot: Pilot[None]) -> ClassScorePanel:
    """The panel, scrolled to and drawn."""
    await shows(pilot, "RUNNING")
    panel = pilot.app.screen.query_one(ClassScorePanel)
    await until(pilot, lambda: bool(panel.display))
    await until_in_view(pilot, panel, lambda: "best" in panel.render().plain)
    await pilot.pause(0.05)
    return panel


@pytest.mark.parametrize("size", [SMALL, MEDIUM, LARGE])
async def test_every_class_says_its_newest_and_its_best(scored_run: SyntheticRun, size: tuple[int, int]):
    async with CockpitApp(scored_run.paths).run_test(size=size) as pilot:
        panel = await seen(pilot)
        rows = {row.split()[0]: row for row in panel.render().plain.splitlines()[:3]}
        assert " 0.600  best 0.750" in rows["happy"] and " 0.700  best 0.800" in rows["sad"]
        assert " 0.000  best 0.000" in rows["neutral"] and "█" not in rows["neutral"]
        if panel.size.width > 60:
            assert rows["sad"].endswith("best 0.800 at step 100")
        bar = rows["happy"][len("neutral ") :].split(" 0.600")[0]
        assert bar.count("█") == round(0.6 * len(bar)) and bar.index("│") == round(0.75 * len(bar))
        await until_in_view(pilot, panel, lambda: "mean 0.433, weakest neutral 0.000" in screen_text(pilot))


async def test_a_large_panel_draws_them_over_time(scored_run: SyntheticRun):
    async with CockpitApp(scored_run.paths).run_test(size=SMALL) as pilot:
        panel = await seen(pilot)
        await pilot.press("m")
        await until(pilot, lambda: panel.size.height > 15 and "sad 0.7  neutral 0" in panel.render().plain)
        await shows(pilot, "200 step")


async def test_in_plain_characters_bar_and_tick_are_still_there(
    scored_run: SyntheticRun, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(Chart, "glyphs", Glyphs.ASCII)
    async with CockpitApp(scored_run.paths).run_test(size=SMALL) as pilot:
        panel = await seen(pilot)
        await until_in_view(pilot, panel, lambda: "# newest  | best" in screen_text(pilot))
        await pilot.press("m")
        await until(pilot, lambda: "200 step" in screen_text(pilot))
        row = next(row for row in panel.render().plain.splitlines() if row.startswith("happy"))
        assert "###" in row and "|" in row
        assert all(ord(sign) < 128 for sign in panel.render().plain)


async def test_the_panel_comes_with_the_first_such_metric_and_in_place_of_classes_that_are_not_counted(runs_dir: Path):
    run = SyntheticRun(runs_dir, "emotion/original", classes=()).begin()
    run.train(10)
    async with CockpitApp(run.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "step 10/200")
        await until(pilot, lambda: not pilot.app.screen.query_one(ClassPanel).display)
        assert not pilot.app.screen.query_one(ClassScorePanel).display
        scored(run, 1, SCORES[0])
        await seen(pilot)
        assert "off axis" not in screen_text(pilot)  # beside it no other panel speaks of single classes


async def test_a_run_that_counts_classes_keeps_their_panel(runs_dir: Path):
    run = SyntheticRun(runs_dir).begin()
    scored(run, 1, {})
    async with CockpitApp(run.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "step 50/200")
        await until(pilot, lambda: bool(pilot.app.screen.query_one(ClassPanel).display))
        assert not pilot.app.screen.query_one(ClassScorePanel).display


async def test_averaged_weights_are_shown_where_they_gave_the_best(scored_run: SyntheticRun):
    raw, averaged = (
        {"loss": 0.5, "f1": f1, "f1.happy": happy, "f1.sad": 0.7} for f1, happy in ((0.7, 0.3), (0.9, 0.95))
    )
    scored_run.events.append(EventKind.VALIDATION, 150, epoch=3, raw=raw, ema=averaged, best=True, monitor="f1")
    async with CockpitApp(scored_run.paths).run_test(size=SMALL) as pilot:
        panel = await seen(pilot)
        await until_in_view(pilot, panel, lambda: "averaged weights" in screen_text(pilot))
        assert " 0.950  best 0.950" in panel.render().plain and "neutral" not in panel.render().plain


async def test_of_many_classes_the_weakest_are_shown_and_a_missing_value_is_a_dash(runs_dir: Path):
    run = SyntheticRun(runs_dir, "mine/own", classes=()).begin()
    scored(run, 1, {f"class {k:02}": k / 100 for k in range(40)} | {"none": math.nan})
    async with CockpitApp(run.paths).run_test(size=SMALL) as pilot:
        panel = await seen(pilot)
        rows = panel.render().plain.splitlines()
        assert len(rows) == panel.size.height and rows[0].startswith("class 00 ")
        assert rows[-1] == f"and {41 - panel.size.height + 1} more, none weaker"
        await until_in_view(
            pilot, panel, lambda: f"mean {sum(range(40)) / 4000:.3f}, weakest class 00 0.000" in screen_text(pilot)
        )


@pytest.mark.few(2)
@pytest.mark.parametrize("size", [(1, 1), (5, 3), (30, 2), (79, 40)])
async def test_a_panel_of_any_size_breaks_nothing(scored_run: SyntheticRun, size: tuple[int, int]):
    async with CockpitApp(scored_run.paths).run_test(size=MEDIUM) as pilot:
        panel = await seen(pilot)
        await pilot.resize_terminal(*size)
        await pilot.pause(0.05)
        assert panel.render().plain
