"""What one of several ranks records of its own part of each step, beside what is recorded of the whole: its loss, its
times, its samples, and how long it worked before it first waited for the others.

Appended by the clerk, so that no step waits for the disk. A disk that refuses costs these records and nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from trainctl.engine.errors import UserError
from trainctl.engine.ranks import Ranks
from trainctl.engine.runs.atomic import disk_errors
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.ranks.side_by_side import BUSY, UNMEASURED
from trainctl.engine.runs.record import RecordLayout
from trainctl.engine.runs.store import StepWriter
from trainctl.engine.training.desk.pile import Pile
from trainctl.engine.training.desk.scribe import Scribe
from trainctl.engine.training.record.assemble import Array, HostRow, RowPlan, assemble

APPENDS_PER_S = 200.0
"""Of all ranks together, where they are many: the folder they share may be at the other end of a network."""


class OwnRecords:
    """Records of one rank.

    Args:
        run: the run directory.
        ranks: whose records.
        plan: of the run's records; its last columns are this rank's own terms, and the seconds it worked.
        clerk: the thread that waits for the disk.
        keep: on a resume the last step to keep.

    Attributes:
        problem: why nothing is written; empty: all is well.
    """

    def __init__(self, run: RunPaths, ranks: Ranks, plan: RowPlan, clerk: Scribe, keep: int | None) -> None:
        whole = plan.layout
        layout = RecordLayout(
            terms=whole.terms,
            lr_groups=whole.lr_groups,
            lr_names=whole.lr_names,
            classes=whole.classes,
            scalars=(BUSY,),
            kinds=whole.kinds,
            unmeasured=UNMEASURED,
        )
        self._plan = RowPlan(layout, (), has_amp_scale=False, labels=plan.labels)
        self._first, self._ranks, self._clerk = plan.width - plan.num_own, ranks, clerk
        self.problem, self._is_called = "", False
        self._next_s = 0.0
        self._pile: Pile | None = None
        paths = run.of_rank(ranks.rank)
        try:
            with disk_errors(paths.root):
                for folder in (paths.root.parent, paths.root):
                    folder.mkdir(mode=0o700, exist_ok=True)
            self._pile = Pile(StepWriter(paths, layout, keep), paths.steps.name)
        except UserError as err:
            self.problem = f"rank {ranks.rank}: {err.message}: what it alone measures is not recorded"

    def hear(self, rows: Array, notes: Sequence[HostRow]) -> None:
        """Rows of whole steps as the ring had them, and their notes; in the scribe's thread."""
        if self._pile is None:
            return
        own = [self._own(note) for note in notes]
        columns = np.column_stack((rows[:, self._first : self._first + self._plan.width], np.zeros(len(rows))))
        records = assemble(self._plan, columns.astype(np.float32), own)
        for name in UNMEASURED:
            records[name] = np.nan
        self._pile.append(records)
        now = time.monotonic()
        if not self._is_called and now >= self._next_s:
            self._is_called, self._next_s = True, now + self._ranks.size / APPENDS_PER_S
            self._clerk.submit(self._write)

    def close(self) -> None:
        """Nothing more comes."""
        if self._pile is not None:
            self._clerk.submit(self._close)

    def _own(self, note: HostRow) -> HostRow:
        rank, size = self._ranks.rank, self._ranks.size
        parts = [indices[rank::size] for indices in note.indices]
        return note._replace(indices=parts, batch_size=sum(map(len, parts)), ratio_measured=False)

    def _write(self) -> None:
        self._is_called = False  # first: what comes from here on may be too late for this time
        if self._pile is not None:
            try:
                self._pile.write_out()
            except UserError:
                self._pile = None  # whole steps lack, so that what follows would be misread

    def _close(self) -> None:
        self._write()
        if self._pile is not None:
            self._pile.close_sink()


def widened(plan: RowPlan) -> RowPlan:
    """The plan of a run's records with room for what each rank has of its own."""
    return replace(plan, num_own=len(plan.layout.terms) + 1)
