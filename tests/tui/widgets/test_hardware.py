"""The panel of hardware and time: figures now and over the run; what is not recorded has no row."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from pilots import LARGE, MEDIUM, SMALL, cockpit, screen_text, shows, until, until_in_view
from present import present
from synthetic_run import SyntheticRun
from textual.pilot import Pilot

from trainctl.engine.machine.cards import Card
from trainctl.engine.machine.load import Load
from trainctl.engine.runs.hardware.samples import HardwareSample, line_of
from trainctl.engine.runs.lines import append_lines
from trainctl.tui.app import CockpitApp
from trainctl.tui.charts.chart import Chart
from trainctl.tui.charts.raster import Glyphs
from trainctl.tui.panels import panels_of
from trainctl.tui.replay.clock import ReplayClock
from trainctl.tui.replay.feed import ReplayFeed
from trainctl.tui.run.feed import read_whole
from trainctl.tui.run.view import RunView
from trainctl.tui.widgets.hardware import HardwarePanel

LOAD = Load(187.5, 93.0, 812e6, 6.4e9, 25.3e9)
CARD = Card(0, "NVIDIA H200", 87, 12.9e9, 150.8e9, 54, 412)
PHASES = {"data": 0.6, "step": 4.8, "validation": 0.3, "checkpoint": 0.0, "recorder": 0.0}


def with_hardware(run: SyntheticRun, *cards: Card, count: int = 20, load: Load = LOAD) -> SyntheticRun:
    """The run with samples, the last of them now."""
    samples = (HardwareSample(1e9 + 6 * k, 5 * k, 6.0, 2, load, PHASES, cards) for k in range(count))
    append_lines(run.paths.hardware, [line_of(one) for one in samples])
    return run


@pytest.fixture
def run(runs_dir: Path) -> SyntheticRun:
    made = SyntheticRun(runs_dir, "eyes/balanced").begin()
    made.train(50)
    return made


async def seen(pilot: Pilot[None]) -> HardwarePanel:
    """The panel, scrolled to and drawn."""
    await shows(pilot, "RUNNING")
    panel = pilot.app.screen.query_one(HardwarePanel)
    await until(pilot, lambda: bool(panel.display))
    await until_in_view(pilot, panel, lambda: "machine memory" in panel.render().plain)
    await pilot.pause(0.05)
    return panel


@pytest.mark.parametrize("size", [SMALL, MEDIUM, LARGE])
async def test_it_shows_card_process_machine_and_time(run: SyntheticRun, size: tuple[int, int]) -> None:
    async with CockpitApp(with_hardware(run, CARD).paths).run_test(size=size) as pilot:
        panel = await seen(pilot)
        text = panel.render().plain
        rows = {row[:15].rstrip(): row[15:].strip().split("  ")[0] for row in text.splitlines()}
        assert rows["GPU use"] == "87 %" and rows["GPU memory"] == "12.9 of 151 GB" and rows["GPU power"] == "412 W"
        assert rows["GPU temperature"] == "54 °C" and rows["process CPU"] == "1.9 of 2 cores"
        assert rows["machine CPU"] == "93 %" and rows["machine memory"] == "6.4 of 25.3 GB"
        assert "░ data 10%" in text and "█ step 80%" in text and "▓ validation 5%" in text and "· other 5%" in text
        assert "checkpoint" not in text
        assert all(len(row) <= panel.size.width for row in text.splitlines())
        await until_in_view(pilot, panel, lambda: "NVIDIA H200" in screen_text(pilot))
        assert "a step takes 1080 ms" in screen_text(pilot)


async def test_without_a_card_there_is_no_row_of_one(run: SyntheticRun) -> None:
    async with CockpitApp(with_hardware(run).paths).run_test(size=LARGE) as pilot:
        text = (await seen(pilot)).render().plain
        assert "process CPU" in text and "GPU" not in text and "nan" not in text


async def test_a_run_that_records_no_hardware_has_no_such_panel(run: SyntheticRun) -> None:
    async with CockpitApp(run.paths).run_test(size=LARGE) as pilot:
        await shows(pilot, "RUNNING")
        await pilot.pause(0.1)
        assert not pilot.app.screen.query_one(HardwarePanel).display


async def test_the_panel_comes_with_the_first_sample_while_the_run_goes_on(run: SyntheticRun) -> None:
    async with CockpitApp(run.paths).run_test(size=LARGE) as pilot:
        await shows(pilot, "RUNNING")
        panel = pilot.app.screen.query_one(HardwarePanel)
        assert not panel.display
        with_hardware(run)
        await until(pilot, lambda: bool(panel.display))
        await until(pilot, lambda: "93 %" in panel.render().plain)
        with_hardware(run, count=1, load=Load(machine_cpu_percent=7))
        await until(pilot, lambda: "7 %" in panel.render().plain)
        assert "process CPU" not in panel.render().plain


async def test_several_cards_are_told_apart_by_their_numbers(run: SyntheticRun) -> None:
    cards = CARD, Card(3, "NVIDIA H200", 12, temperature_c=40)
    async with CockpitApp(with_hardware(run, *cards).paths).run_test(size=LARGE) as pilot:
        text = (await seen(pilot)).render().plain
        assert "GPU 0 use" in text and "GPU 3 use" in text and "GPU 3 power" not in text


async def test_with_plain_characters_only_it_has_no_others(run: SyntheticRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Chart, "glyphs", Glyphs.ASCII)
    async with CockpitApp(with_hardware(run, CARD).paths).run_test(size=LARGE) as pilot:
        text = (await seen(pilot)).render().plain
        assert "# step 80%" in text and text.isascii()


async def test_zoomed_it_has_all_its_rows_and_small_it_says_how_many_are_missing(run: SyntheticRun) -> None:
    async with CockpitApp(with_hardware(run, CARD).paths).run_test(size=LARGE) as pilot:
        panel = await seen(pilot)
        view = panel._view
        assert view is not None
        whole = panel.rows(view, panel._scene, 60, 50)
        cut = panel.rows(view, panel._scene, 60, 5)
        assert len(cut) == 5 and cut[-1].plain == f"+{len(whole) - 4} rows"
        cockpit(pilot).zoom_to("hardware")
        await until(pilot, lambda: panel.size.height > 30)


def test_names_from_the_file_move_no_cursor(run: SyntheticRun) -> None:
    view = read_whole(with_hardware(run, Card(0, "\x1b[31mH200\x07", 5)).paths)
    assert "\x1b" not in HardwarePanel(id="hardware").title(view)


def test_a_file_of_damage_has_no_panel(run: SyntheticRun) -> None:
    run.paths.hardware.write_bytes(b'{"time": "x"}\n\x00\xff\n{"time": 1, "seconds": 6}\n[]\n')
    view = read_whole(run.paths)
    assert "hardware" not in {entry.id for entry in panels_of("eyes", view)}


def test_a_replay_shows_the_figures_of_its_moment(runs_dir: Path) -> None:
    run, began = SyntheticRun(runs_dir, "eyes/balanced").begin(), time.time()
    run.train(60, time=began + np.arange(1, 61))
    samples = [HardwareSample(began + 6 * k, 5 * k, 6.0, load=Load(machine_cpu_percent=k)) for k in range(9)]
    append_lines(run.paths.hardware, [line_of(one) for one in samples])
    clock = ReplayClock()
    feed, view = ReplayFeed(run.paths, clock), RunView(run.paths)

    def at(share: float) -> HardwareSample | None:
        clock.seek(share)
        view.apply(feed.poll())
        return view.hardware.newest

    view.apply(feed.poll())
    clock.toggle()
    late, early = present(at(1.0)), at(0.35)
    assert late.load.machine_cpu_percent == 8
    assert early is not None and early.load.machine_cpu_percent == 3 and view.hardware.count == 4
    assert early.time <= present(view.status).heartbeat
