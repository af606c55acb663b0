"""What a rank records of its own part: at once where there are few, and all of it at the end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from trainctl.engine.ranks import Ranks
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.record import RecordLayout
from trainctl.engine.runs.store import StepReader
from trainctl.engine.training.desk.scribe import Scribe
from trainctl.engine.training.record import own
from trainctl.engine.training.record.assemble import HostRow, RowPlan
from trainctl.engine.training.record.own import OwnRecords, widened

SECONDS = 20


class Clerk(Scribe):
    """Does what it is given at once, and counts."""

    def __init__(self) -> None:
        super().__init__()
        self.jobs = 0

    def submit(self, job: Callable[[], None]) -> None:
        """Count and do."""
        self.jobs += 1
        job()


@pytest.mark.parametrize(("size", "writes"), [(2, 10 * SECONDS), (64, 10 * SECONDS / 4), (1024, SECONDS / 5.12)])
def test_many_ranks_append_less_often_and_lose_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, writes: float
):
    now, clerk = [100.0], Clerk()
    monkeypatch.setattr(own.time, "monotonic", lambda: now[0])
    run = RunPaths(tmp_path)
    plan = widened(RowPlan(RecordLayout(terms=("bce",)), (), has_amp_scale=False, labels=None))
    records = OwnRecords(run, Ranks(1, size), plan, clerk, None)
    assert not records.problem
    for step in range(1, 10 * SECONDS + 1):
        note = HostRow(step, 1, 0.0, 0.0, 0.0, (0.1,), (1.0,), 0.0, 2 * size, False, [np.arange(2 * size)])
        records.hear(np.ones((1, plan.width + 1), np.float32), [note])
        now[0] += 0.1
    assert clerk.jobs == pytest.approx(writes, abs=1)
    records.close()
    stored = StepReader(run.of_rank(1)).all()
    assert stored["step"].tolist() == list(range(1, 10 * SECONDS + 1))
    assert (stored["batch_size"] == 2).all()
