"""Rows of distributions: the newest as bars, with its quantiles, over the course of median and 5 to 95 %. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from trainctl.engine.runs.validated.histogram import QUANTILES, Histogram
from trainctl.engine.runs.validated.history import Histograms
from trainctl.tui.charts.axis import short
from trainctl.tui.charts.plot import Line, Strip
from trainctl.tui.charts.pyramid import Points
from trainctl.tui.charts.sparkline import bars
from trainctl.tui.run.scene import Scene
from trainctl.tui.run.view import RunView
from trainctl.tui.widgets.figures import is_plain

LOW, MEDIAN, HIGH = (QUANTILES.index(part) for part in (0.05, 0.5, 0.95))
NUM_BARS = 16
"""Columns of the newest distribution."""
INK, EDGE_INK = 0, 7
"""Of the median, and of the quantiles around it."""


class Distributions:
    """Makes the rows, the series of which are made anew only when there is another validation."""

    def __init__(self) -> None:
        self._of: Histograms = {}
        self._lines: dict[str, tuple[Line, ...]] = {}

    def strips(self, view: RunView, scene: Scene) -> Iterator[Strip]:
        """A row for each distribution; its words are of the newest validation up to the cursor."""
        if view.histograms is not self._of:
            self._of, self._lines = view.histograms, dict(_lines(view.histograms))
        until = max(view.histograms, default=0) if scene.cursor is None else scene.cursor
        for name, lines in self._lines.items():
            known = [found[name] for step, found in view.histograms.items() if step <= until and name in found]
            yield Strip(lines, words_of(known[-1]) if known else "-")


def words_of(one: Histogram) -> str:
    """Bars between the least and the greatest value, and the quantiles in figures."""
    at = one.quantiles
    bad = f"  {one.num_bad:,} not finite" if one.num_bad else ""
    if np.isnan(at[MEDIAN]):
        return f"no value{bad}"
    drawn = bars(one.counts.reshape(NUM_BARS, -1).sum(1), plain=is_plain())
    edge = "|" if is_plain() else "▏"
    ends = f"{short(at[0], 3)} {drawn}{edge}{short(at[-1], 3)}"
    return f"{ends}  median {short(at[MEDIAN], 3)}  5-95% {short(at[LOW], 3)} to {short(at[HIGH], 3)}{bad}"


def _lines(found: Histograms) -> Iterator[tuple[str, tuple[Line, ...]]]:
    """Courses of the quantiles, the median first, which names the row."""
    for name in dict.fromkeys(name for one in found.values() for name in one):
        steps = [step for step, one in found.items() if name in one]
        values = np.array([found[step][name].quantiles for step in steps])
        x = np.array(steps, np.float64)
        yield (
            name,
            tuple(
                Line(label, Points(x, values[:, k]), ink, smooth=False)
                for label, k, ink in ((name, MEDIAN, INK), ("5%", LOW, EDGE_INK), ("95%", HIGH, EDGE_INK))
            ),
        )
