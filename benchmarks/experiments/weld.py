"""The report of the weld task: what is trained for it, and the order of what is said.

What is trained is in `weld_cases`; the tables are in `weld_tables`, the plots in `weld_figures`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.experiments import weld_figures, weld_tables
from benchmarks.experiments.weld_cases import jobs
from trainctl.engine.errors import UserError

__all__ = ["jobs", "report"]


def report(root: Path, seeds: Sequence[int], figures: Path, data: Path | None = None) -> str:
    """All tables; the plots are drawn into `figures`.

    Raises:
        UserError: data of one's own was asked for.
    """
    if data is not None:
        raise UserError("the weld experiments are of the built-in data", "leave out --data")
    weld_figures.draw_all(root, seeds, figures)
    return "\n".join(
        (
            weld_tables.floor(root, seeds),
            weld_tables.changes(root, seeds),
            weld_tables.norms(root, seeds),
            weld_tables.candidates(root),
            weld_tables.promised(root, seeds),
            weld_tables.raw_inputs(seeds),
            weld_tables.diagnoses(root, seeds),
            weld_tables.plan(),
        )
    )
