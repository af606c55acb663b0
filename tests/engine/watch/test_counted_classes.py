"""Classes are counted a block of steps at a time: each step has its own, and what is no class counts for none."""

from __future__ import annotations

import numpy as np

from trainctl.engine.runs.record import RecordLayout
from trainctl.engine.training.record.assemble import HostRow, RowPlan, assemble
from trainctl.engine.watch.columns import KnownClasses

NAN = float("nan")


def note(step: int, *labels: list[int]) -> HostRow:
    """A step with a loss and one norm, of these batches."""
    arrays = tuple(np.array(part, np.int64) for part in labels)
    size = sum(map(len, labels))
    return HostRow(step, 1, float(step), 0.0, 0.1, (0.5,), (1.0,), NAN, size, False, arrays)


def test_classes_are_counted_step_by_step_without_what_is_none() -> None:
    layout = RecordLayout(("loss",), ("body",), 1, classes=("a", "b", "c"))
    plan = RowPlan(layout, (0,), has_amp_scale=False, labels=KnownClasses())
    notes = [note(1, [0, 0, 2]), note(2, [1, -100], [1, 3]), note(3, [])]
    records = assemble(plan, np.ones((3, 3), np.float32), notes)
    assert records["classes"].tolist() == [[2, 0, 1], [0, 2, 0], [0, 0, 0]]
    assert records["num_classes"].tolist() == [2, 1, 0]
    assert records["step"].tolist() == [1, 2, 3] and records["lr"].tolist() == [[0.5]] * 3
    assert records["batch_size"].tolist() == [3, 4, 0] and np.isnan(records["clip"]).all()
