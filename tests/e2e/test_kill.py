"""A training that is killed at any moment goes on as if nothing had happened."""

from __future__ import annotations

from pathlib import Path

import pytest
from kills import STEPS_PER_EPOCH, assert_same_run, killed, undisturbed
from sittings import Sittings

EPOCHS, KILLS = 50, 5


@pytest.mark.slow
def test_a_run_killed_at_any_moment_is_the_undisturbed_run_in_the_end(tmp_path: Path, sittings: Sittings) -> None:
    whole = undisturbed(sittings, tmp_path / "whole", EPOCHS)
    run, toll = killed(sittings, tmp_path / "killed", EPOCHS, KILLS, seed=0)
    assert assert_same_run(whole, run) == EPOCHS * STEPS_PER_EPOCH
    assert toll.kills == KILLS
    assert len(toll.gaps_s) >= 2
    assert max(toll.gaps_s) <= 1.0
