"""The panel of gates: what the user sees of how much of each is stuck."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pilots import LARGE, MEDIUM, SMALL, cockpit, screen_text, shows, until, until_in_view
from present import present
from synthetic_run import SyntheticRun
from textual.pilot import Pilot

from trainctl.tui.app import CockpitApp
from trainctl.tui.charts.chart import Chart
from trainctl.tui.charts.raster import Glyphs
from trainctl.tui.charts.room import Demand
from trainctl.tui.widgets.gates import GatePanel, gate_shares, percent

GATES = {"utterance": (0.5, 0.05), "forget": (0.25, 0.1), "input": (0.0, 0.0), "temporal": (0.6, 0.3)}
"""Share at 0 and at 1."""


def scalars(gates: dict[str, tuple[Any, Any]]) -> tuple[str, ...]:
    return tuple(f"gate.{side}.{name}" for name in gates for side in ("closed", "open"))


def values(gates: dict[str, tuple[Any, Any]]) -> dict[str, Any]:
    both = (("closed", 0), ("open", 1))
    return {f"scalar__gate.{side}.{name}": pair[k] for name, pair in gates.items() for side, k in both}


@pytest.fixture
def gated_run(runs_dir: Path) -> SyntheticRun:
    """50 steps of four gates, in a task of the user's own: the panel asks what is recorded."""
    run = SyntheticRun(runs_dir, "mine/own", scalars=scalars(GATES)).begin()
    run.train(50, **values(GATES))
    return run


async def seen(pilot: Pilot[None]) -> GatePanel:
    """The panel, scrolled to and drawn."""
    await shows(pilot, "RUNNING")
    panel = pilot.app.screen.query_one(GatePanel)
    await until(pilot, lambda: bool(panel.display))
    await until_in_view(pilot, panel, lambda: "temporal" in panel.render().plain)
    await pilot.pause(0.05)
    return panel


@pytest.mark.parametrize("size", [SMALL, MEDIUM, LARGE])
async def test_every_gate_says_how_much_of_it_is_shut_and_open(gated_run: SyntheticRun, size: tuple[int, int]):
    async with CockpitApp(gated_run.paths).run_test(size=size) as pilot:
        panel = await seen(pilot)
        rows = panel.render().plain.splitlines()
        for row, (name, (closed, open_)) in zip(rows, GATES.items(), strict=False):
            assert row.startswith(name) and percent(closed) in row and percent(open_) in row
            bar = row[len("utterance ") :].split("  ")[0]
            assert bar.count("█") == round(closed * len(bar)) and bar.count("▒") == round(open_ * len(bar))
            assert set(bar) <= set("█·▒") and len(bar) >= 8
        await until_in_view(pilot, panel, lambda: "at 0 or 1: 45.0%, most temporal 90.0%" in screen_text(pilot))
        assert all(len(row) <= panel.size.width for row in rows)


@pytest.fixture
def changing_run(gated_run: SyntheticRun) -> SyntheticRun:
    """One of the gates opens over 50 further steps."""
    gated_run.train(50, **values(GATES | {"temporal": (np.linspace(0.6, 0, 50), np.linspace(0.3, 0.9, 50))}))
    return gated_run


async def test_the_courses_have_rows_of_their_own_and_are_charts_in_a_large_panel(changing_run: SyntheticRun):
    async with CockpitApp(changing_run.paths).run_test(size=SMALL) as pilot:
        panel = await seen(pilot)
        await until(pilot, lambda: "  90.0%" in panel.render().plain)
        row = panel.render().plain.splitlines()[7]
        shut, wide = row.removeprefix("temporal ").split("at 1")
        assert shut.split()[2].startswith("█") and shut.rstrip().endswith("▁")
        assert wide.endswith("█") and wide.strip().startswith("▃") and len(row) <= panel.size.width
        await pilot.press("m")
        await until(pilot, lambda: panel.size.height > 15 and "at 1: utterance" in panel.render().plain)
        text = screen_text(pilot)
        assert "at 0: utterance 0.5  forget 0.25  input 0  temporal 0" in text and text.count("200 step") == 2


async def test_where_rows_are_few_the_course_stands_beside_the_bar(
    changing_run: SyntheticRun, monkeypatch: pytest.MonkeyPatch
):
    async with CockpitApp(changing_run.paths).run_test(size=MEDIUM) as pilot:
        panel = await seen(pilot)
        monkeypatch.setattr(panel, "demand", lambda width: Demand(6))
        cockpit(pilot).panel_area.fit()
        await until_in_view(pilot, panel, lambda: "▁▂▃ at 0 over time" in screen_text(pilot))
        await until(pilot, lambda: "  90.0%" in panel.render().plain)
        row = panel.render().plain.splitlines()[3]
        assert "0.0%   90.0% " in row and row.endswith("▁") and set("▂▃▄▅▆▇") & set(row)


async def test_without_colours_and_in_plain_characters_both_ends_can_be_told_apart(
    gated_run: SyntheticRun, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(Chart, "glyphs", Glyphs.ASCII)
    async with CockpitApp(gated_run.paths).run_test(size=SMALL) as pilot:
        panel = await seen(pilot)
        await until_in_view(pilot, panel, lambda: "# at 0  = at 1" in screen_text(pilot))
        await pilot.press("m")
        await until(pilot, lambda: "at 1: utterance" in panel.render().plain)
        assert panel.render().plain.splitlines()[3].startswith("temporal  ####")
        assert all(ord(sign) < 128 for sign in panel.render().plain)


async def test_a_run_without_gates_has_no_such_panel_and_one_that_records_them_gets_it(runs_dir: Path):
    plain = SyntheticRun(runs_dir, "emotion/original").begin()
    plain.train(10)
    async with CockpitApp(plain.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "step 10/200")
        assert not pilot.app.screen.query_one(GatePanel).display
    late = SyntheticRun(runs_dir, "emotion/full", scalars=scalars(GATES)).begin()
    async with CockpitApp(late.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "RUNNING")
        assert not pilot.app.screen.query_one(GatePanel).display
        late.train(10, **values(GATES))
        await seen(pilot)


async def test_gates_without_a_value_are_left_out_and_many_give_way_to_the_most_stuck(runs_dir: Path):
    many: dict[str, tuple[Any, Any]] = {f"gate {k}": (k / 100, 0.0) for k in range(30)} | {"bad": (np.nan, 0.0)}
    run = SyntheticRun(runs_dir, "mine/own", scalars=scalars(many)).begin()
    run.train(5, **values(many))
    async with CockpitApp(run.paths).run_test(size=SMALL) as pilot:
        await shows(pilot, "RUNNING")
        panel = pilot.app.screen.query_one(GatePanel)
        await until_in_view(pilot, panel, lambda: "none more" in panel.render().plain)
        rows = panel.render().plain.splitlines()
        left_out = 30 - (len(rows) - 1)
        assert len(rows) == panel.size.height and rows[0].startswith(f"gate {left_out} ")
        assert rows[-1] == f"and {left_out} more, none more at 0 or 1"
        assert len(gate_shares(present(panel._view))) == 30


@pytest.mark.few(2)
@pytest.mark.parametrize("size", [(1, 1), (5, 3), (30, 2), (79, 40)])
async def test_a_panel_of_any_size_breaks_nothing(gated_run: SyntheticRun, size: tuple[int, int]):
    async with CockpitApp(gated_run.paths).run_test(size=MEDIUM) as pilot:
        panel = await seen(pilot)
        await pilot.resize_terminal(*size)
        await pilot.pause(0.05)
        assert panel.render().plain


@pytest.mark.parametrize(("share", "said"), [(0.0, "0.0%"), (0.0004, "<0.1%"), (0.0006, "0.1%"), (1.0, "100.0%")])
def test_what_is_not_nothing_is_not_called_nothing(share: float, said: str):
    assert percent(share) == said
