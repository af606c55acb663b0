"""What is on the screen can be read: contrast of all text in all themes, no colour without colours, nothing cut unsaid.

One app goes through the sizes and screens of each test: to start one takes longer than to look at it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from every_page import every_page, tell
from pilots import cockpit, screen_text, session_of, shows, until
from rich.cells import cell_len
from rich.color import Color
from rich.segment import Segment
from synthetic_run import NewRun, SyntheticRun
from textual.pilot import Pilot
from textual.screen import ModalScreen
from textual.widget import Widget

from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.validated.samples import WorstSamples, write_samples
from trainctl.tui.actions import ACTIONS
from trainctl.tui.app import CockpitApp
from trainctl.tui.charts.chart import Chart
from trainctl.tui.widgets.learning_rate import LearningRatePanel

SIZES = [(80, 24), (120, 40), (160, 50), (200, 60), (100, 30), (250, 30), (60, 50)]
LEAST_CONTRAST = 4.5
"""WCAG 2.2, success criterion 1.4.3."""
TEXT = re.compile(r"\w")
Rgb = tuple[int, int, int]


@pytest.fixture
def busy_run(runs_dir: Path) -> SyntheticRun:
    """Two terms, three metrics, names that fit a panel though only just, pictures, findings of its own."""
    run = SyntheticRun(runs_dir, classes=("closed", "a class with a long name")).begin()
    for epoch in (1, 2):
        run.train(50)
        run.validate(epoch, 0.5 / epoch, 0.7 + 0.1 * epoch, accuracy=0.9, mean_error=12.0)
    images = np.random.default_rng(0).integers(0, 255, (3, 8, 12, 3), dtype=np.uint8)
    words = (("closed",) * 3, ("open 93%",) * 3, ("s/0001.png",) * 3)
    write_samples(run.paths, WorstSamples(run.step, 2, 100, np.ones(3, np.float32), *words, images))
    return run


def segments(pilot: Pilot[None]) -> Iterator[Segment]:
    """What is drawn now; of a dialog only its box, as what lies behind is meant to fade."""
    screen = pilot.app.screen
    strips = screen._compositor.render_strips()
    if isinstance(screen, ModalScreen):
        box = screen.children[0].region
        strips = [strip.crop(box.x, box.right) for strip in strips[box.y : box.bottom]]
    for strip in strips:
        yield from strip


def luminance(rgb: Rgb) -> float:
    """Relative luminance, as WCAG defines it."""
    parts = [value / 255 for value in rgb]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: Rgb, b: Rgb) -> float:
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def rgb_of(colour: Color | None) -> Rgb | None:
    triplet = None if colour is None else colour.triplet
    return None if triplet is None else (triplet.red, triplet.green, triplet.blue)


def too_weak(pilot: Pilot[None]) -> list[str]:
    """Texts that stand out too little, with their contrast."""
    found: list[str] = []
    for segment in segments(pilot):
        style = segment.style
        if style is None or not TEXT.search(segment.text):
            continue
        ink, ground = rgb_of(style.color), rgb_of(style.bgcolor)
        if ink is None or ground is None:
            continue
        if style.reverse:
            ink, ground = ground, ink
        ratio = contrast(ink, ground) / (2 if style.dim else 1)
        if ratio < LEAST_CONTRAST:
            found.append(f"{segment.text.strip()[:30]!r} {ratio:.2f} {ink} on {ground}")
    return found


def coloured(pilot: Pilot[None]) -> list[str]:
    """Texts and pictures that are not grey."""
    return [
        f"{segment.text[:20]!r} {rgb}"
        for segment in segments(pilot)
        if segment.style is not None
        for rgb in (rgb_of(segment.style.color), rgb_of(segment.style.bgcolor))
        if rgb is not None and max(rgb) - min(rgb) > 2
    ]


THEMES = ["trainctl-dark", "trainctl-light", "trainctl-colour-blind", "trainctl-no-colour"]


async def in_every_theme(pilot: Pilot[None]) -> list[str]:
    """What cannot be read of the page in front in one of the themes, or has a colour where there are none."""
    wrong: list[str] = []
    for theme in THEMES:
        pilot.app.theme = theme
        await pilot.pause()
        checks = (too_weak, coloured) if theme == "trainctl-no-colour" else (too_weak,)
        wrong += [f"{theme}: {words}" for check in checks for words in check(pilot)]
    return wrong


@pytest.mark.slow
async def test_all_text_of_every_page_stands_out_in_every_theme(new_run: NewRun, monkeypatch: pytest.MonkeyPatch):
    run, other = tell(new_run().begin()), tell(new_run(preset="eyes/aggressive").begin())
    wrong: list[str] = []
    async with CockpitApp(run.paths).run_test(size=(120, 40)) as pilot:
        async for page in every_page(pilot, monkeypatch, other):
            wrong += [f"{page}: {words}" for words in await in_every_theme(pilot)]
    async with CockpitApp(run.paths, replay=True).run_test(size=(120, 40)) as pilot:
        await shows(pilot, " REPLAY ")
        wrong += [f"replay: {words}" for words in await in_every_theme(pilot)]
    assert sorted(set(wrong)) == []


def panel_rows(pilot: Pilot[None], panel: Widget) -> list[str]:
    region = panel.region
    return [row[region.x : region.right] for row in screen_text(pilot).splitlines()[region.y : region.bottom]]


def cut_unsaid(pilot: Pilot[None]) -> list[str]:
    """Words that end in an ellipsis, which does not say how much is missing; borders that lack their heading."""
    wrong = [row.strip() for row in screen_text(pilot).splitlines() if re.search(r"\w…|… |…$", row)]
    for panel in cockpit(pilot).panels.values():
        if panel.display and panel.region.height and panel.region.bottom <= pilot.app.size.height:
            heading = str(getattr(panel, "heading", ""))
            if heading not in panel_rows(pilot, panel)[0]:
                wrong.append(f"{panel.id}: no heading in {panel_rows(pilot, panel)[0]!r}")
    return wrong


def plots_apart(pilot: Pilot[None]) -> list[str]:
    """Charts under one another whose columns are not of the same steps."""
    charts = [panel for panel in cockpit(pilot).panels.values() if isinstance(panel, Chart) and panel.display]
    frames = [(chart.region.x, frame) for chart in charts if (frame := chart.plot_frame()) is not None]
    seen = {(left, frame.gutter, frame.room, frame.start, frame.stop) for left, frame in frames}
    return [] if len(seen) == 1 and len(frames) >= 4 else [f"{sorted(map(str, seen))}"]


async def test_at_every_size_nothing_is_cut_without_a_word(busy_run: SyntheticRun):
    async with CockpitApp(busy_run.paths).run_test(size=SIZES[0]) as pilot:
        await shows(pilot, "step 100/200")
        await until(pilot, lambda: session_of(pilot).health is not None)
        wrong: list[str] = []
        for size in SIZES:
            await pilot.resize_terminal(*size)
            await pilot.pause(0.1)
            await until(pilot, lambda size=size: cockpit(pilot).panel_area.size.height == size[1] - 4)
            rows = screen_text(pilot).splitlines()
            assert len(rows) == size[1] and all(cell_len(row) == size[0] for row in rows)
            wrong += [f"{size}: {words}" for words in (*cut_unsaid(pilot), *plots_apart(pilot))]
            text = "\n".join(rows)
            for name in ("step 100/200 50%", "? help q quit", "bce  1 ×", "f1 0.9", "total"):
                if name not in text:
                    wrong.append(f"{size}: {name} is missing")
            bottom = max(panel.region.bottom for panel in cockpit(pilot).panels.values() if panel.display)
            if size[0] >= 100 and bottom > size[1] - 1:
                wrong.append(f"{size}: panels end in row {bottom}")
        assert wrong == []


async def test_names_that_fit_a_panel_are_whole(busy_run: SyntheticRun):
    async with CockpitApp(busy_run.paths).run_test(size=SIZES[0]) as pilot:
        await shows(pilot, "step 100/200")
        missing: list[str] = []
        for size in SIZES[1:]:
            await pilot.resize_terminal(*size)
            await pilot.pause(0.1)
            text = screen_text(pilot)
            names = ["a class with a long name", "closed"] if size[0] >= 120 else []
            missing += [f"{size}: {name}" for name in [*names, "accuracy"] if name not in text]
        assert missing == []


async def test_a_small_screen_opens_with_health_loss_and_validation(busy_run: SyntheticRun):
    async with CockpitApp(busy_run.paths).run_test(size=(80, 24)) as pilot:
        await shows(pilot, "step 100/200")
        panels = cockpit(pilot).panels
        await until(pilot, lambda: panels["validation"].region.bottom == 23)
        shown = [(name, panels[name].region.y, panels[name].size.height) for name in ("health", "loss", "validation")]
        assert shown == [("health", 3, 2), ("loss", 7, 7), ("validation", 16, 5)]


async def test_a_learning_rate_that_does_not_change_is_a_line(runs_dir: Path):
    run = SyntheticRun(runs_dir)
    run._lr = np.full(1000, 1e-3)
    run.status(RunState.RUNNING)
    run.train(60)
    async with CockpitApp(run.paths).run_test(size=(120, 40)) as pilot:
        await shows(pilot, "Learning rate  0.001, constant")
        panel = pilot.app.screen.query_one(LearningRatePanel)
        await until(pilot, lambda: panel.outer_size.height == 1)
        run._lr = np.full(1000, 5e-4)
        run.train(10)
        await until(pilot, lambda: panel.outer_size.height > 5)


async def test_what_cannot_be_asked_is_not_offered(live_run: SyntheticRun):
    def last_row(pilot: Pilot[None]) -> str:
        return screen_text(pilot).splitlines()[-1]

    asking = ("pause", "stop", "save", "val", "lr")
    async with CockpitApp(live_run.paths, readonly=True).run_test(size=(120, 40)) as pilot:
        await shows(pilot, " READ ONLY ")
        await shows(pilot, "q quit")
        assert not any(f" {word} " in last_row(pilot) for word in asking)
    async with CockpitApp(live_run.paths).run_test(size=(120, 40)) as pilot:
        await shows(pilot, "spc pause")
        live_run.status(RunState.PAUSED)
        await shows(pilot, "spc resume")
        assert "pause" not in last_row(pilot)
        live_run.status(RunState.FINISHED, heartbeat=time.time() - 100)
        await until(pilot, lambda: not any(f" {word} " in last_row(pilot) for word in (*asking, "resume")))
        assert all(action.label in last_row(pilot) for action in ACTIONS if action.footer and action.name == "help")
