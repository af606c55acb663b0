"""The report of the quality task: what is trained for it, and the order of what is said.

What is trained is in `quality_cases`; the tables are in `quality_tables`, the plots in `quality_figures`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.experiments import quality_figures, quality_tables
from benchmarks.experiments.quality_cases import jobs

__all__ = ["jobs", "report"]


def report(root: Path, seeds: Sequence[int], figures: Path, data: Path | None = None) -> str:
    """All tables; the plots are drawn into `figures`."""
    quality_figures.draw_all(root, seeds, figures)
    return quality_tables.everything(root, seeds, data)
