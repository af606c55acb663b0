"""Loops of each kind that people write, watched and unwatched: the same weights, every step recorded."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.watched_bits import KINDS, compare

STEPS = 30


@pytest.mark.few(3)
@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if not kind.compiled])
def test_a_watched_loop_is_the_loop_it_was(name: str, tmp_path: Path) -> None:
    found = compare(name, STEPS, tmp_path)
    assert found.is_same and found.recorded == STEPS
    assert found.off < 1e-4, "norms are those from before clipping, without a scaler's factor"


@pytest.mark.slow
def test_a_compiled_network_is_the_network_it_was(tmp_path: Path) -> None:
    assert compare("compiled", STEPS, tmp_path).is_sound
