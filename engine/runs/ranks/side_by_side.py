"""What each rank of a run recorded of its own part, beside the records of the run: `ranks/K`, merged when read.

The files are those of a run (`steps.bin`, `steps.json`): the loss and the terms of the rank's part, its times, its
samples, and the scalar `busy_s`. Knows files, no process.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.record import Records
from trainctl.engine.runs.store import StepReader, drop_after

BUSY = "busy_s"
"""Scalar of a rank's records: seconds that it worked on a step, without the data, until it first waited for others."""
UNMEASURED = ("grad_norm", "nonfinite", "update_ratio", "amp_scale")
"""Fields that are of the run and not of a rank."""


@dataclass(frozen=True)
class RankRecords:
    """The same steps of all ranks, side by side."""

    ranks: tuple[int, ...]
    steps: NDArray[np.int64]
    """Steps that every one of them has recorded, shape (n,)."""
    records: tuple[Records, ...]
    """Of each rank, shape (n,) each."""

    def column(self, field: str) -> NDArray[np.float64]:
        """A field of all ranks, shape (ranks, n)."""
        return np.stack([np.asarray(part[field], np.float64) for part in self.records])


def ranks_of(paths: RunPaths) -> list[int]:
    """Ranks that have records; empty where one process trained alone."""
    try:
        names = [entry.name for entry in os.scandir(paths.of_rank(0).root.parent) if entry.is_dir()]
    except OSError:
        return []
    return sorted(int(name) for name in names if name.isascii() and name.isdigit() and len(name) < 7)


def read_ranks(paths: RunPaths, last: int | None = None) -> RankRecords | None:
    """The records of all ranks, joined by their steps; None: there are none.

    After a resume with fewer ranks the others' earlier records are still there; those are left out.

    Args:
        paths: the run.
        last: at most so many of the newest steps.

    Raises:
        UserError: damaged, or written by a newer version.
    """
    found: dict[int, Records] = {}
    for rank in ranks_of(paths):
        stored = StepReader(paths.of_rank(rank)).stored()
        if len(stored):
            found[rank] = stored[max(0, len(stored) - last) if last else 0 :]
    if not found:
        return None
    newest = max(int(part["step"][-1]) for part in found.values())
    oldest = min(int(part["step"][-1]) for part in found.values())
    if oldest < newest:  # ranks of an earlier sitting, or one that is a moment behind
        present = {rank: part for rank, part in found.items() if part["step"][-1] >= found[min(found)]["step"][0]}
        found = present or found
    steps = found[min(found)]["step"].astype(np.int64)
    for part in found.values():
        if not np.array_equal(part["step"], steps):
            steps = np.intersect1d(steps, part["step"].astype(np.int64))
    chosen = tuple(
        part if np.array_equal(part["step"], steps) else part[np.isin(part["step"], steps)] for part in found.values()
    )
    return RankRecords(tuple(found), steps, chosen)


def drop_ranks_after(paths: RunPaths, step: int) -> None:
    """Drop what the ranks recorded after a step, which a resume takes back.

    Raises:
        UserError: damaged, or the disk refuses.
    """
    for rank in ranks_of(paths):
        drop_after(paths.of_rank(rank), step)
