"""The cockpit on what another tool recorded: curves at their steps, and what was not recorded."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from foreign_files import write_csv
from pilots import MEDIUM, screen_text, shows

from trainctl.engine.importing.found import find_sources
from trainctl.engine.importing.keeping import Shelf
from trainctl.engine.runs.layout import RunPaths
from trainctl.tui.app import CockpitApp
from trainctl.tui.run.feed import RunFeed
from trainctl.tui.run.step_feed import MAX_RECORDS
from trainctl.tui.run.view import RunView


def imported(tmp_path: Path, rows: list[dict[str, float]]) -> RunPaths:
    (source,) = find_sources(write_csv(tmp_path / "log.csv", rows))
    return Shelf(tmp_path / "runs").keep(source).run


def viewed(run: RunPaths) -> tuple[RunView, RunFeed]:
    view, feed = RunView(run), RunFeed(run)
    while True:
        view.apply(feed.poll())
        if not feed.behind:
            return view, feed


async def test_the_panels_of_a_log_by_epoch(tmp_path: Path) -> None:
    rows = [{"epoch": k, "loss": 1 / (k + 1), "val_loss": 1.2 / (k + 1), "val_accuracy": k / 12} for k in range(12)]
    run = imported(tmp_path, rows)
    async with CockpitApp(run, readonly=True).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "best loss 0.1 (raw) at step 12")
        await shows(pilot, "not recorded")
        text = screen_text(pilot)
        assert "epoch 12/12" in text
        assert text.count("not recorded") == 2  # rate and norm
        assert "no step yet" not in text


def test_curves_of_a_log_of_every_fiftieth_step_lie_over_those_of_a_run(tmp_path: Path) -> None:
    rows = [{"step": 50 * k, "loss": float(k)} for k in range(1, 101)]
    view, _ = viewed(imported(tmp_path, rows))
    loss = view.series["loss"]
    assert loss.extent == (50.0, 5001.0)
    assert [loss.at(step) for step in (50, 99, 100, 5000)] == [1, 1, 2, 100]
    assert view.x_map("time") is None


@pytest.mark.slow
def test_a_long_log_is_seen_by_its_overview_and_closely(tmp_path: Path) -> None:
    count = MAX_RECORDS + 1000
    path = tmp_path / "log.csv"
    path.write_text("step,loss\n" + "".join(f"{10 * k},{math.sin(k / 5000):.6f}\n" for k in range(count)))
    (source,) = find_sources(path)
    view, feed = viewed(Shelf(tmp_path / "runs").keep(source).run)
    loss = view.series["loss"]
    assert loss.extent == (0.0, 10.0 * (count - 1) + 1)
    means = loss.envelope(0, 10 * count, 50).mean
    middles = (np.arange(50) + 0.5) * count / 50
    assert means == pytest.approx(np.sin(middles / 5000), abs=0.06)  # a block may lie a quarter of a column early
    feed.request_detail(300_000, 300_200)
    view.apply(feed.poll())
    close = loss.envelope(300_000, 300_200, 20).mean
    assert close == pytest.approx(np.sin((30_000 + np.arange(20)) / 5000), abs=1e-5)
