"""The loss panel shows its terms weighted, raw, as shares, and what each is multiplied with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pilots import SMALL, screen_text, shows
from synthetic_run import SyntheticRun

from trainctl.tui.app import CockpitApp
from trainctl.tui.run.feed import RunFeed
from trainctl.tui.run.scene import Scene
from trainctl.tui.run.view import RunView
from trainctl.tui.widgets.loss import term_strips


async def test_the_weights_of_the_terms_are_drawn_over_time(runs_dir: Path):
    run = SyntheticRun(runs_dir).begin()
    run.train(50, **{"weight.aux": np.linspace(0.5, 0.25, 50)})
    run.validate(1, 0.5, 0.8)
    async with CockpitApp(run.paths).run_test(size=SMALL) as pilot:
        await shows(pilot, "terms × weight")
        assert "total " in screen_text(pilot)
        for said in ("raw terms", "share", "weights of the terms"):
            await pilot.press("u")
            await shows(pilot, f" {said} ")
        title = next(line for line in screen_text(pilot).splitlines() if " Loss " in line)
        assert "total" in title and "val" in title, "total and validation stay large"
        await shows(pilot, "aux  0.25 × 0.3 = 0.075")
        await pilot.press("u")
        await shows(pilot, "terms × weight")


def test_every_term_has_a_row_with_its_part_of_the_loss(runs_dir: Path):
    run = SyntheticRun(runs_dir).begin()
    run.train(50, **{"term.bce": 0.3, "term.aux": 0.2, "weight.aux": 0.5})
    view = RunView(run.paths)
    view.apply(RunFeed(run.paths).poll())
    assert [(strip.name, strip.words) for strip in term_strips(view, Scene())] == [
        ("bce", "1 × 0.3 = 0.3  75%"),
        ("aux", "0.5 × 0.2 = 0.1  25%"),
    ]
    assert term_strips(view, Scene(cursor=1000))[0].words == "nan", "nothing was measured there"
