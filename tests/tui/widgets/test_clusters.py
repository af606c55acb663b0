"""The panel of a mixture: what the user sees of its components."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pilots import LARGE, MEDIUM, SMALL, screen_text, shows, until, until_in_view
from present import present
from synthetic_run import SyntheticRun
from textual.pilot import Pilot

from trainctl.engine.runs.events import EventKind
from trainctl.tui.app import CockpitApp
from trainctl.tui.charts.chart import Chart
from trainctl.tui.charts.raster import Glyphs
from trainctl.tui.widgets.clusters import ClusterPanel, EpochSizes, bar_rows, epoch_sizes, spread_words

SIZES = (20, 10, 10, 8, 6, 5, 3, 2)
"""Samples of each component in a batch of 64."""
SCALARS = ("max_posterior", "posterior_entropy", *(f"cluster.{k}" for k in range(8)))


def mixture(sizes: tuple[int, ...] = SIZES) -> dict[str, Any]:
    return {f"scalar__cluster.{k}": size for k, size in enumerate(sizes)} | {
        "scalar__max_posterior": 0.75,
        "scalar__posterior_entropy": 0.5,
    }


@pytest.fixture
def quality_run(runs_dir: Path) -> SyntheticRun:
    """One epoch of 50 batches of 64."""
    run = SyntheticRun(runs_dir, "quality/balanced", scalars=SCALARS).begin()
    run.train(50, **mixture())
    run.validate(1, 0.5, 0.8, srcc=0.801)
    return run


async def seen(pilot: Pilot[None]) -> ClusterPanel:
    """The panel, scrolled to and drawn."""
    await shows(pilot, "RUNNING")
    panel = pilot.app.screen.query_one(ClusterPanel)
    await until_in_view(
        pilot,
        panel,
        lambda: (
            ("ratio" in panel.render().plain or "empty" in panel.render().plain)
            and panel.region.y >= 3
            and panel.region.bottom < pilot.app.size.height
        ),
    )
    await pilot.pause(0.05)
    return panel


@pytest.mark.parametrize("size", [SMALL, MEDIUM, LARGE])
async def test_every_component_has_a_bar_with_its_size_at_every_size_of_terminal(
    quality_run: SyntheticRun, size: tuple[int, int]
):
    async with CockpitApp(quality_run.paths).run_test(size=size) as pilot:
        await seen(pilot)
        await shows(pilot, "none empty")
        text = screen_text(pilot)
        for expected in ("1000", "500", "400", "300", "250", "150", "100"):
            assert expected in text
        assert "equal sizes: 400" in text and "newest epoch" in text and "SRCC 0.801" in text
        assert "100 to 1000, ratio 10, none empty" in text
        assert "max posterior 0.75" in text and "entropy 0.5" in text


async def test_components_without_a_sample_are_named(quality_run: SyntheticRun):
    quality_run.train(50, **mixture((32, 0, 16, 8, 8, 0, 0, 0)))
    async with CockpitApp(quality_run.paths).run_test(size=SMALL) as pilot:
        await seen(pilot)
        await shows(pilot, "! 4 of 8 empty: 1, 5, 6, 7")


async def test_what_a_refit_did_to_the_correlation_stands_below(quality_run: SyntheticRun):
    quality_run.events.append(EventKind.REFIT, 50, mode="sklearn", epoch=10, agreement=0.1, matched_agreement=0.9)
    quality_run.events.append(EventKind.VALIDATION, 50, epoch=10, after="refit", raw={"srcc": 0.012})
    async with CockpitApp(quality_run.paths).run_test(size=SMALL) as pilot:
        await seen(pilot)
        await shows(pilot, "SRCC 0.012 · refit at epoch 10: 0.801 -> 0.012")


async def test_only_the_newest_epoch_is_counted_and_a_part_of_one_says_so(runs_dir: Path):
    run = SyntheticRun(runs_dir, "quality/balanced", scalars=SCALARS).begin()
    run.train(20, **mixture((64, 0, 0, 0, 0, 0, 0, 0)))
    async with CockpitApp(run.paths).run_test(size=MEDIUM) as pilot:
        panel = await seen(pilot)
        await shows(pilot, "newest 20 steps")
        run.train(50, **mixture())
        await shows(pilot, "newest epoch")
        assert present(epoch_sizes(present(panel._view))).counts.tolist() == [50 * size for size in SIZES]


async def test_steps_of_several_batches_still_count_samples(runs_dir: Path):
    run = SyntheticRun(runs_dir, "quality/balanced", scalars=SCALARS).begin()
    run.train(50, batch_size=128, **mixture())  # means of two batches of 64
    async with CockpitApp(run.paths).run_test(size=MEDIUM) as pilot:
        panel = await seen(pilot)
        assert present(epoch_sizes(present(panel._view))).counts.sum() == 50 * 128


async def test_a_large_panel_draws_the_history_with_an_axis_and_the_refit(quality_run: SyntheticRun):
    quality_run.train(50, **mixture() | {"scalar__posterior_entropy": np.linspace(0.1, 2, 50)})
    quality_run.events.append(EventKind.REFIT, 25, mode="matched", epoch=1, agreement=0.9, matched_agreement=0.9)
    async with CockpitApp(quality_run.paths).run_test(size=MEDIUM) as pilot:
        panel = await seen(pilot)
        await pilot.press("m")
        await until(pilot, lambda: panel.size.height > 15 and "≈" in screen_text(pilot))
        assert "ln 8" in screen_text(pilot) and "one-hot" in screen_text(pilot)


async def test_without_colours_and_in_plain_ascii_bars_and_tick_are_still_there(
    quality_run: SyntheticRun, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(Chart, "glyphs", Glyphs.ASCII)
    async with CockpitApp(quality_run.paths).run_test(size=SMALL) as pilot:
        panel = await seen(pilot)
        rows = panel.render().plain.splitlines()
        assert rows[0].startswith("0 ##") and "|" in rows[0]
        assert all(ord(sign) < 128 for sign in panel.render().plain)


def test_of_many_components_the_smallest_and_the_largest_are_shown():
    sizes = EpochSizes(np.arange(200.0), 100, True)
    rows = [row.plain for row in bar_rows(sizes, 60, 6)]
    assert len(rows) == 6 and rows[-1] == "and 185 more of middling size"
    assert "  0 " in rows[0] and "empty" in rows[0] and any("199 " in row for row in rows)
    assert spread_words(sizes) == (True, "1 of 200 empty: 0")


@pytest.mark.few(1)
@pytest.mark.parametrize("size", [(1, 1), (5, 3), (79, 2)])
async def test_a_tiny_panel_breaks_nothing(quality_run: SyntheticRun, size: tuple[int, int]):
    async with CockpitApp(quality_run.paths).run_test(size=MEDIUM) as pilot:
        panel = await seen(pilot)
        await pilot.resize_terminal(*size)
        await pilot.pause(0.05)
        assert panel.render().plain


def with_a_chart(panel: ClusterPanel) -> bool:
    return "one-hot" in panel.render().plain


async def test_zoom_cursor_and_smoothing_redraw_the_history(quality_run: SyntheticRun, monkeypatch: pytest.MonkeyPatch):
    quality_run.train(50, **(mixture() | {"scalar__max_posterior": 0.95}))
    async with CockpitApp(quality_run.paths).run_test(size=LARGE) as pilot:
        panel = await seen(pilot)
        await pilot.press("m")
        await until(pilot, lambda: with_a_chart(panel) and "^" not in panel.render().plain)
        drawn = 0

        def count(*regions: Any, **options: Any) -> ClusterPanel:
            nonlocal drawn
            drawn += 1
            return original(*regions, **options)

        original = panel.refresh
        monkeypatch.setattr(panel, "refresh", count)
        for key in ("right_square_bracket", "comma", "plus"):
            before = drawn
            await pilot.press(key)
            await until(pilot, lambda before=before: drawn > before)


async def test_the_panel_comes_with_what_is_recorded_whatever_the_task(runs_dir: Path):
    run = SyntheticRun(runs_dir, "mine/own", scalars=SCALARS).begin()
    run.train(50, **mixture())
    async with CockpitApp(run.paths).run_test(size=MEDIUM) as pilot:
        assert (await seen(pilot)).display
    without = SyntheticRun(runs_dir, "quality/balanced").begin()
    without.train(50)
    async with CockpitApp(without.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "step 50/200")
        assert not pilot.app.screen.query_one(ClusterPanel).display
