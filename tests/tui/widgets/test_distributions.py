"""Rows of distributions: the newest as bars with its quantiles, or that at the cursor; in cockpit and replay."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from pilots import MEDIUM, cockpit, screen_text, session_of, shows, until
from synthetic_run import NewRun, SyntheticRun
from textual.pilot import Pilot

from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.validated.histogram import histogram_of, packed_histograms
from trainctl.engine.runs.validated.kept import KeptFiles
from trainctl.tui.app import CockpitApp
from trainctl.tui.charts.drawing import draw
from trainctl.tui.charts.plot import Content
from trainctl.tui.run.feed import read_whole
from trainctl.tui.run.scene import Scene
from trainctl.tui.run.view import RunView
from trainctl.tui.screens.replay import ReplayScreen
from trainctl.tui.widgets.distributions import Distributions, words_of
from trainctl.tui.widgets.scalars import has_scalars


def keep(run: SyntheticRun, step: int, **values: np.ndarray) -> None:
    kept = KeptFiles(run.paths.histograms)
    kept.put(step, packed_histograms({name: histogram_of(one) for name, one in values.items()}), best=step)
    kept.write_out()


def replayed(pilot: Pilot[None]) -> ReplayScreen:
    screen = cockpit(pilot)
    assert isinstance(screen, ReplayScreen)
    return screen


@pytest.fixture
def run(new_run: NewRun) -> SyntheticRun:
    """100 steps; distributions at 50 and 100, of one figure only at the second."""
    found = new_run().begin()
    found.train(100, time=time.time() + np.arange(100))
    keep(found, 50, p=np.linspace(0, 1, 101))
    keep(found, 100, p=np.linspace(10, 20, 101), late=np.array([1.0, np.nan]))
    return found


def test_words_are_of_the_newest_or_of_what_was_known_at_the_cursor(run: SyntheticRun):
    view, rows = read_whole(run.paths), Distributions()
    assert has_scalars(view)
    newest = {strip.name: strip.words for strip in rows.strips(view, Scene())}
    assert "median 15" in newest["p"] and "5-95% 10.5 to 19.5" in newest["p"] and "1 not finite" in newest["late"]
    early = {strip.name: strip.words for strip in rows.strips(view, Scene(cursor=70.0))}
    assert "median 0.5" in early["p"] and early["late"] == "-"
    assert {strip.words for strip in rows.strips(view, Scene(cursor=20.0))} == {"-"}, "before the first"
    assert [line.series.last for line in next(rows.strips(view, Scene())).lines] == [15.0, 10.5, 19.5]


def test_bars_show_where_the_values_are():
    values = np.concatenate([np.zeros(90), np.full(10, 10.0)])
    words = words_of(histogram_of(values))
    assert words.startswith("0 █" + " " * 14 + "▁▏10")
    assert "no value  3 not finite" in words_of(histogram_of(np.full(3, np.nan)))


def test_a_row_is_drawn_over_the_steps_of_its_validations(run: SyntheticRun):
    strips = tuple(Distributions().strips(read_whole(run.paths), Scene()))
    lines = draw(Content(strips=strips[:1], x_range=(0.0, 101.0)), 80, 8).lines()
    drawn = "\n".join(lines[1:-1])
    assert "p" in lines[0] and any("\u2800" < char <= "\u28ff" for char in drawn)


def test_no_folder_no_rows(new_run: NewRun):
    view = RunView(RunPaths(Path("nowhere")))
    assert list(Distributions().strips(view, Scene())) == [] and not has_scalars(view)


async def test_the_cockpit_shows_them_and_a_replay_at_their_time(run: SyntheticRun):
    async with CockpitApp(run.paths).run_test(size=MEDIUM) as pilot:
        await until(pilot, lambda: bool(session_of(pilot).view.histograms))
        cockpit(pilot).zoom_to("scalars")
        await shows(pilot, "median 15")
        run.train(10, time=time.time() + np.arange(100, 110))
        keep(run, 110, p=np.linspace(100, 200, 11))
        await shows(pilot, "median 150")
    async with CockpitApp(run.paths, replay=True).run_test(size=MEDIUM) as pilot:
        await pilot.press("space")
        clock = replayed(pilot).clock
        for part, text in ((0.7, "median 0.5"), (1.0, "median 150"), (0.55, "median 0.5")):
            clock.seek(part)
            await until(pilot, lambda: bool(session_of(pilot).view.histograms))
            cockpit(pilot).zoom_to("scalars")
            await shows(pilot, text)
        clock.seek(0.2)
        await until(pilot, lambda: not session_of(pilot).view.histograms and "median" not in screen_text(pilot))
