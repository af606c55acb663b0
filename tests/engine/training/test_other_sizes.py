"""A run that goes on with another number of ranks: each step has the samples that it would have had, and its loss."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rank_runs import PlainToy, kill_self, run_ranks
from toy import reader_of, resolved

from trainctl.engine.data.batch import Batch, Split, Splits
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.tasks.task import StepOutput
from trainctl.engine.training.state.checkpoint import load_checkpoint

OPTIONS: dict[str, Any] = {"train": {"epochs": 3, "batch_size": 17, "drop_last": False}, "ema": {"decay": 0.9}}
"""18 steps, of batches that no number of ranks shares evenly; of the last of an epoch, 5 samples, eight ranks get none
or one."""
NOTES: list[Path] = []
"""Where this process writes which samples it saw."""


class NumberedToy(PlainToy):
    """Notes the numbers of the samples that each step sees."""

    def load(self) -> Splits:
        whole = super().load()
        train = {**whole.train.tensors, "row": torch.arange(len(whole.train))}
        val = {**whole.val.tensors, "row": torch.arange(len(whole.val))}
        labels = (whole.train.labels, whole.val.labels)
        return Splits(Split(train, labels=labels[0]), Split(val, labels=labels[1]), classes=whole.classes)

    def step(self, model: torch.nn.Module, batch: Batch) -> StepOutput:
        if model.training:
            with NOTES[0].open("a") as file:
                file.write(f"{json.dumps(batch['row'].tolist())}\n")
        return super().step(model, batch)


def noting(folder: Path) -> Any:
    folder.mkdir()

    def before(rank: int) -> None:
        NOTES[:] = [folder / str(rank)]

    return before


def seen(folder: Path) -> list[list[int]]:
    """Samples of each step, of all ranks together, with every one that was seen twice.

    Where a rank has none of a batch it takes the first along, with weight 0: that is rank 0's.
    """
    ranks = sorted(folder.iterdir(), key=lambda path: int(path.name))
    notes = [[json.loads(line) for line in path.read_text().splitlines()] for path in ranks]
    return [
        sorted(row for rank, rows in enumerate(parts) if not rank or rows != parts[0][:1] for row in rows)
        for parts in zip(*notes, strict=True)
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (2, 1),
        (2, 4),
        *(pytest.param(*sizes, marks=pytest.mark.slow) for sizes in ((2, 3), (4, 1), (4, 2), (4, 8), (8, 4))),
    ],
)
def test_a_run_goes_on_with_another_number_of_ranks(tmp_path: Path, before: int, after: int) -> None:
    config, notes = resolved(**OPTIONS), [tmp_path / f"notes{part}" for part in range(3)]
    alone, moved = tmp_path / "alone", tmp_path / "moved"
    assert [run_ranks(alone, config, size=1, task_type=NumberedToy, before=noting(notes[0]))[0] is None] == [False]

    def end(rank: int, step: int) -> None:
        if (rank, step) == (before - 1, 8):
            kill_self(signal.SIGTERM)

    for size, part, code in ((before, 1, 143), (after, 2, 0)):
        more = {"befall": end} if part == 1 else {"resume": True}
        endings = run_ranks(moved, config, size=size, task_type=NumberedToy, before=noting(notes[part]), **more)
        assert [ending and ending["code"] for ending in endings] == [code] * size
    whole, parts = seen(notes[0]), [seen(folder) for folder in notes[1:]]
    assert 8 <= len(parts[0]) < 18 == len(whole) and parts[0] + parts[1] == whole
    one, two = reader_of(alone).steps.all(), reader_of(moved).steps.all()
    for name in ("step", "epoch", "batch_size", "classes"):
        np.testing.assert_array_equal(one[name], two[name], err_msg=name)
    np.testing.assert_allclose(one["loss"], two["loss"], rtol=2e-5)
    weights = [load_checkpoint(RunPaths(root).latest)["state"]["model"] for root in (alone, moved)]
    torch.testing.assert_close(*weights, rtol=1e-4, atol=1e-6)
