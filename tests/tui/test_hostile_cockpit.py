"""Run directories that somebody hostile, or a broken disk, left behind: the cockpit opens, says what it can, closes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hostile import hostile_run
from pilots import MEDIUM, screen_text

from trainctl.engine.runs.layout import RunPaths
from trainctl.tui.app import CockpitApp

CASES = int(os.environ.get("TRAINCTL_FUZZ_CASES", "24")) // 2
"""More of them: `TRAINCTL_FUZZ_CASES=1000 pytest tests/tui/test_hostile_cockpit.py`."""


@pytest.mark.parametrize("seed", [*range(4), *(pytest.param(k, marks=pytest.mark.slow) for k in range(4, CASES))])
async def test_the_cockpit_opens_on_whatever_is_there(tmp_path: Path, seed: int) -> None:
    run, damage = hostile_run(tmp_path, seed)
    app = CockpitApp(RunPaths(run))
    async with app.run_test(size=MEDIUM) as pilot:
        for key in ("r", "escape", "p", "escape", "plus", "right", "escape"):
            await pilot.pause(0.02)
            await pilot.press(key)
        await pilot.pause(0.1)
        assert screen_text(pilot).strip(), damage
    assert app.return_code in (0, None), damage
