"""A sweep by two real workers, one of which is killed midway: every trial is accounted for, none is run twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.sweep_workers import SPACE, doubts_of, status_of, swept

pytest.importorskip("optuna")


@pytest.mark.slow
@pytest.mark.parametrize("with_training", [False, True], ids=["alone", "with its training"])
def test_a_worker_killed_midway_costs_no_trial(tmp_path: Path, with_training: bool) -> None:
    (tmp_path / "space.yaml").write_text(SPACE)
    _, number = swept(tmp_path, trials=6, workers=2, epochs=6, with_training=with_training)
    document = status_of(tmp_path)
    assert list(doubts_of(document, 6)) == []
    assert document["trials"][number]["state"] in ("complete", "pruned") and document["left"] == []
    told = (tmp_path / "worker-0.log").read_text() + (tmp_path / "worker-1.log").read_text()
    assert told.count(f"trial {number}: taken over, its worker is gone") == 1
