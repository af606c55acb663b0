"""The loss panel shows its terms weighted, raw, as shares, and what each is multiplied with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pilots import SMALL, screen_text, shows
from synthetic_run import SyntheticRun

from trainctl.tui.app import CockpitApp


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
        await shows(pilot, "bce 1  aux 0.25 ")
        title = next(line for line in screen_text(pilot).splitlines() if " Loss " in line)
        assert "total" not in title and "val" not in title
        await pilot.press("u")
        await shows(pilot, "terms × weight")
