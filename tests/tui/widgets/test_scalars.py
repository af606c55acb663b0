"""The panel of a task's own figures: a row each with its own scale, nothing twice, nothing left out without a word."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from pilots import LARGE, MEDIUM, cockpit, screen_text, shows, until
from synthetic_run import NewRun, SyntheticRun
from textual.pilot import Pilot

from trainctl.tui.app import CockpitApp
from trainctl.tui.charts.drawing import draw
from trainctl.tui.charts.plot import Content
from trainctl.tui.run.feed import read_whole
from trainctl.tui.run.scene import Scene
from trainctl.tui.run.view import RunView
from trainctl.tui.widgets.scalars import ScalarPanel, has_scalars, scalar_names, scalar_strips

BAD = "×"


def recorded(new_run: NewRun, **values: object) -> RunView:
    run = new_run(scalars=tuple(values)).begin()
    run.train(60, **{f"scalar.{name}": value for name, value in values.items()})
    return read_whole(run.paths)


def crowded(new_run: NewRun, count: int = 60) -> SyntheticRun:
    run = new_run(scalars=tuple(f"figure {k:02d}" for k in range(count))).begin()
    run.train(60, **{f"scalar.figure {k:02d}": 10.0**k if k < 30 else -float(k) for k in range(count)})
    return run


def panel_of(pilot: Pilot[None]) -> ScalarPanel:
    panel = cockpit(pilot).panels["scalars"]
    assert isinstance(panel, ScalarPanel)
    return panel


def test_each_figure_has_a_row_with_its_newest_value_or_that_at_the_cursor(new_run: NewRun):
    view = recorded(new_run, small=np.arange(60) * 1e-6, large=1e9)
    assert [(strip.name, strip.words) for strip in scalar_strips(view, Scene())] == [
        ("small", "5.9e-5"),
        ("large", "1e9"),
    ]
    assert next(scalar_strips(view, Scene(cursor=11.0))).words == "1e-5"


def test_what_another_panel_shows_is_not_shown_twice(new_run: NewRun):
    names = ["gate.closed.a", "gate.open.a", "cluster.0", "max_posterior", "mean_cosine", "no_positive", "positives"]
    assert not has_scalars(recorded(new_run, **dict.fromkeys(names, 0.5)))


def test_what_no_panel_of_this_run_shows_is_shown_here(new_run: NewRun):
    """`max_posterior` belongs to the clusters where there are some; half a gate is none."""
    view = recorded(new_run, max_posterior=0.5, posterior_entropy=0.1, **{"gate.closed.a": 0.5}, units=3.0)
    assert [name.removeprefix("scalar.") for name in scalar_names(view)] == [
        "max_posterior",
        "posterior_entropy",
        "gate.closed.a",
        "units",
    ]


def test_no_panel_without_figures(new_run: NewRun):
    assert not has_scalars(recorded(new_run))


def test_what_is_not_finite_is_a_gap_with_a_mark(new_run: NewRun):
    values = np.linspace(1, 2, 60)
    values[30], values[45] = math.nan, math.inf
    view = recorded(new_run, odd=values)
    drawing = draw(Content(strips=tuple(scalar_strips(view, Scene()))), 70, 8)
    assert "".join(drawing.chars.ravel()).count(BAD) == 2


def test_a_figure_that_is_seldom_measured_is_joined_and_has_its_newest_value(new_run: NewRun):
    values = np.full(60, math.nan)
    values[::10] = np.arange(6)
    run = new_run(scalars=("seldom",))
    run.layout = replace(run.layout, sparse=("seldom",))
    run.begin().train(60, scalar__seldom=values)
    strips = tuple(scalar_strips(read_whole(run.paths), Scene()))
    assert strips[0].words == "5"
    assert BAD not in "".join(draw(Content(strips=strips), 70, 8).chars.ravel())


def test_rows_share_what_there_is_and_the_last_says_how_many_are_left(new_run: NewRun):
    strips = tuple(scalar_strips(read_whole(crowded(new_run).paths), Scene()))
    for height, first in ((2, 0), (5, 0), (24, 0), (24, 50)):
        lines = draw(Content(strips=strips, first_strip=first), 80, height).lines()
        shown = sum("figure" in line for line in lines)
        assert shown == min(height - 1, 60 - first)
        assert (f"+{60 - first - shown}" in "\n".join(lines)) is (first + shown < 60)
    roomy = draw(Content(strips=strips[:2]), 80, 24).lines()
    assert "figure 00" in roomy[0] and "figure 01" in roomy[6], "six rows at most for each"


async def test_all_of_many_can_be_reached_by_scrolling_and_by_a_filter(new_run: NewRun):
    run = crowded(new_run)
    async with CockpitApp(run.paths).run_test(size=MEDIUM) as pilot:
        await until(pilot, lambda: panel_of(pilot).display and bool(panel_of(pilot).content.strips))
        panel_of(pilot).focus()
        await pilot.press("m")
        await shows(pilot, "figure 00")
        seen: set[int] = set()
        for _ in range(12):
            seen |= {k for k in range(60) if f"figure {k:02d}" in screen_text(pilot)}
            await pilot.press("pagedown")
            await pilot.pause()
        assert seen == set(range(60))
        panel_of(pilot).set_filter("figure 1[23]")
        await shows(pilot, "2 of 60")
        await until(pilot, lambda: "figure 12" in screen_text(pilot) and "figure 14" not in screen_text(pilot))
        panel_of(pilot).set_filter("nothing like it")
        await shows(pilot, "no name matches")


async def test_the_key_of_the_filter_asks_for_rows_where_they_are_chosen(new_run: NewRun):
    async with CockpitApp(crowded(new_run, 3).paths).run_test(size=LARGE) as pilot:
        await until(pilot, lambda: panel_of(pilot).display and bool(panel_of(pilot).content.strips))
        panel_of(pilot).focus()
        await pilot.press("slash")
        await shows(pilot, "filter the scalars")
        await pilot.press("0", "2", "enter")
        await until(pilot, lambda: [strip.name for strip in panel_of(pilot).content.strips] == ["figure 02"])
