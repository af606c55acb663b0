"""A run whose first step is not 1, as of a fork: writer, resume, reader and the cockpit's series."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.record import RecordLayout
from trainctl.engine.runs.store import StepReader, StepWriter
from trainctl.tui.run.feed import RunFeed
from trainctl.tui.run.view import RunView

LAYOUT = RecordLayout(terms=("ce",))
FIRST = 501


@pytest.mark.parametrize("count", [10, 3000, 20_000])  # few, one block of the overview, many
def test_steps_stay_where_they_are_whatever_the_first_is(tmp_path: Path, count: int) -> None:
    paths = RunPaths(tmp_path)
    records = np.zeros(count, LAYOUT.dtype)
    records["step"] = records["loss"] = np.arange(FIRST, FIRST + count)
    writer = StepWriter(paths, LAYOUT)
    for start in range(0, count, 1000):
        writer.append(records[start : start + 1000])
    writer.close()
    last = FIRST + count - 4
    resumed = StepWriter(paths, LAYOUT, keep=last)
    resumed.close()
    assert resumed.dropped == 3
    assert StepReader(paths).all()["step"][[0, -1]].tolist() == [FIRST, last]
    view, feed = RunView(paths), RunFeed(paths)
    view.apply(feed.poll())
    while feed.behind:
        view.apply(feed.poll())
    assert view.step == last
    series = view.series["loss"]
    assert series.extent == (FIRST, last + 1)
    means = series.envelope(FIRST, last + 1, 5).mean
    middles = FIRST + (np.arange(5) + 0.5) * (last + 1 - FIRST) / 5  # the loss is the step itself
    np.testing.assert_allclose(means, middles, atol=max(1.0, count / 40))
