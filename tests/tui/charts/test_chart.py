"""The widget in an app: what the mouse asks for, what the borders say, in which style cells are drawn."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from textual.app import App, ComposeResult
from textual.events import MouseMove, MouseScrollDown, MouseScrollUp
from textual.message import Message
from textual.pilot import Pilot

from trainctl.tui.charts.chart import Chart
from trainctl.tui.charts.plot import Content, Line
from trainctl.tui.charts.pyramid import Pyramid
from trainctl.tui.charts.raster import Glyphs
from trainctl.tui.palette import DARK


class Stage(App[None]):
    """A chart of a thousand steps, and what it posted."""

    CSS = "Chart { height: 16; width: 64; }"

    def __init__(self) -> None:
        super().__init__()
        self.register_theme(DARK)
        self.theme = DARK.name
        self.posted: list[Message] = []

    def compose(self) -> ComposeResult:
        yield Chart(id="chart")

    def on_mount(self) -> None:
        self.chart.show_content(content())

    @property
    def chart(self) -> Chart:
        return self.query_one(Chart)

    def on_chart_cursor_moved(self, message: Chart.CursorMoved) -> None:
        self.posted.append(message)

    def on_chart_zoom_requested(self, message: Chart.ZoomRequested) -> None:
        self.posted.append(message)

    def on_chart_pan_requested(self, message: Chart.PanRequested) -> None:
        self.posted.append(message)

    def on_chart_window_reset(self, message: Chart.WindowReset) -> None:
        self.posted.append(message)

    def of(self, kind: type[Message]) -> list[Message]:
        """What was posted of one kind."""
        return [message for message in self.posted if type(message) is kind]


def content(**options: Any) -> Content:
    """A line that rises from 0 to 999, with a second one."""
    rising, flat = Pyramid(), Pyramid()
    rising.extend(np.arange(1000, dtype=np.float32))
    flat.extend(np.full(1000, 500, np.float32))
    return Content(lines=(Line("aux", flat, 1), Line("total", rising, 0)), **options)


def title(app: Stage) -> str:
    """The legend, without its colours."""
    shown = app.chart._border_title
    return shown.plain if shown else ""


async def over(pilot: Pilot[None], step: int, event: type = MouseMove, **options: int) -> None:
    """A mouse event on the column of a step."""
    chart = pilot.app.query_one(Chart)
    frame = chart.plot_frame()
    assert frame
    offset = (1 + frame.gutter + frame.column_of_step(step), 5)
    await pilot._post_mouse_events([event], chart, offset, button=options.get("button", 0))
    await pilot.pause()


async def test_the_mouse_reads_a_step_and_reads_nothing_when_it_leaves():
    app = Stage()
    async with app.run_test(size=(100, 30)) as pilot:
        await over(pilot, 500)
        (moved,) = app.of(Chart.CursorMoved)
        assert isinstance(moved, Chart.CursorMoved) and moved.step == pytest.approx(500, abs=20)
        await pilot.hover(offset=(90, 25))
        assert [getattr(m, "step", 0) for m in app.of(Chart.CursorMoved)][-1] is None


async def test_the_mouse_beside_the_plot_reads_nothing():
    app = Stage()
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.hover("#chart", offset=(2, 5))
        assert not app.posted


async def test_the_wheel_asks_for_a_closer_or_wider_look_at_the_step_below():
    app = Stage()
    async with app.run_test(size=(100, 30)) as pilot:
        await over(pilot, 250, MouseScrollUp)
        await over(pilot, 250, MouseScrollDown)
        closer, wider = app.of(Chart.ZoomRequested)
        assert isinstance(closer, Chart.ZoomRequested) and isinstance(wider, Chart.ZoomRequested)
        assert (closer.factor, wider.factor) == (0.8, 1.25)
        assert closer.around == pytest.approx(250, abs=20) and wider.around == closer.around


async def test_dragging_to_the_right_asks_for_earlier_steps():
    app = Stage()
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.mouse_down("#chart", offset=(20, 5))
        app.posted.clear()
        await pilot.hover("#chart", offset=(35, 5))
        await pilot.hover("#chart", offset=(50, 6))
        await pilot.mouse_up("#chart", offset=(50, 6))
        frame = app.chart.plot_frame()
        assert frame
        fractions = [m.fraction for m in app.of(Chart.PanRequested) if isinstance(m, Chart.PanRequested)]
        assert sum(fractions) == pytest.approx(-30 / frame.room)
        assert not app.of(Chart.CursorMoved), "a drag is not a reading"
        await pilot.hover("#chart", offset=(30, 5))
        assert len(app.of(Chart.PanRequested)) == len(fractions), "let go of, it stays where it is"


async def test_a_double_click_asks_for_the_whole_run_and_a_single_one_does_not():
    app = Stage()
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.click("#chart", offset=(20, 5))
        assert not app.of(Chart.WindowReset)
        await pilot.double_click("#chart", offset=(40, 5))
        assert len(app.of(Chart.WindowReset)) == 1


async def test_an_empty_chart_ignores_the_mouse():
    app = Stage()
    async with app.run_test(size=(100, 30)) as pilot:
        app.chart.show_content(Content())
        await pilot._post_mouse_events([MouseScrollUp], app.chart, (20, 5), button=0)
        await pilot.mouse_down("#chart", offset=(20, 5))
        await pilot.hover("#chart", offset=(30, 5))
        await pilot.mouse_up("#chart", offset=(30, 5))
        assert not app.posted


async def test_the_borders_follow_the_cursor():
    app = Stage()
    async with app.run_test(size=(100, 30)) as pilot:
        assert "total 999" in title(app)
        app.chart.show_content(content(cursor=250), "a note")
        await pilot.pause()
        assert "total 250" in title(app)
        assert app.chart._border_subtitle and app.chart._border_subtitle.plain == "step 250 · a note"


async def test_a_legend_that_does_not_fit_keeps_what_matters_and_says_that_there_is_more():
    app = Stage()
    async with app.run_test(size=(100, 30)) as pilot:
        app.chart.styles.width = 20
        await pilot.pause()
        assert title(app).split() == ["total", "999", "+1"]
        app.chart.styles.width = 40
        await pilot.pause()
        assert title(app).split() == ["total", "999", "aux", "500"]


async def test_faint_cells_and_words_are_half_way_from_their_colour_to_the_background():
    app = Stage()
    async with app.run_test(size=(100, 30)):
        full, faint = (app.chart._style(ink).color for ink in (1, 201))
        assert full and faint and full.triplet and faint.triplet
        ground = app.chart.background_colors[1].rgb
        for part, whole, behind in zip(faint.triplet, full.triplet, ground, strict=True):
            assert part == pytest.approx((whole + behind) / 2, abs=1)
        lines = tuple(dataclasses.replace(line, faint=True) for line in content().lines)
        app.chart.show_content(Content(lines=lines))
        assert "total 999" in title(app)


async def test_without_colours_what_is_faint_is_dim(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Chart, "plain_ink", True)
    app = Stage()
    async with app.run_test(size=(100, 30)):
        assert app.chart._style(201).dim and not app.chart._style(1).dim


async def test_without_colours_lines_carry_the_letters_of_the_legend(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Chart, "plain_ink", True)
    app = Stage()
    async with app.run_test(size=(100, 30)):
        assert "a total 999" in title(app)
        text = app.chart.as_text()
        assert "a" in text.splitlines()[0] and "b" in text


@pytest.mark.parametrize("glyphs", list(Glyphs))
async def test_every_set_of_glyphs_fills_the_widget(monkeypatch: pytest.MonkeyPatch, glyphs: Glyphs):
    monkeypatch.setattr(Chart, "glyphs", glyphs)
    app = Stage()
    async with app.run_test(size=(100, 30)):
        app.chart.show_content(content(cursor=10, smoothing=3, bands=((10, 400),), rules=((700, "limit"),)))
        rows = app.chart.as_text().splitlines()
        assert len(rows) == app.chart.size.height and all(len(row) == app.chart.size.width for row in rows)
        assert any("limit" in row for row in rows)


async def test_a_chart_that_grows_keeps_its_axis_for_a_while_and_shows_every_step():
    series = Pyramid(1.0)
    series.extend(np.zeros(1000, np.float32))
    ends = set()
    for _ in range(100):
        series.extend(np.zeros(1, np.float32))
        start, stop = Content(lines=(Line("a", series, 0),), growing=True).span()
        assert start == 1.0 and series.extent[1] <= stop <= series.extent[1] * 1.08
        ends.add(stop)
    assert len(ends) <= 3


async def test_only_rows_that_changed_are_drawn_again():
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        app.chart.show_content(content())
        await pilot.pause()
        rows: list[int] = []
        draw_row = app.chart.render_line

        def count(y: int):
            rows.append(y)
            return draw_row(y)

        app.chart.render_line = count
        rising = app.chart.content.lines[1].series
        assert isinstance(rising, Pyramid)
        app.chart.show_content(content(rules=((0.0, ""),)))
        await pilot.pause()
        changed = set(rows)
        assert 0 < len(changed) < app.chart.size.height
        rows.clear()
        app.chart.show_content(content(rules=((0.0, ""),)))
        await pilot.pause()
        assert rows == []


async def test_what_is_on_the_screen_is_what_was_asked_for_last():
    app = Stage()
    async with app.run_test(size=(80, 24)) as pilot:
        for rule in (100.0, 500.0, 900.0):
            app.chart.show_content(content(rules=((rule, ""),)))
        app.chart.toggle_log()
        app.chart.show_content(content(rules=((100.0, ""),)))
        app.chart.toggle_log()
        await pilot.pause()
        region = app.chart.content_region
        strips = app.screen._compositor.render_strips()
        shown = [strip.crop(region.x, region.right).text for strip in strips[region.y : region.bottom]]
        assert shown == app.chart.as_text().splitlines()
