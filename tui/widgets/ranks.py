"""Several processes that train one run, side by side: how long each takes for its part of a step, and its loss.

Whole steps take equally long on all of them, as whoever is done waits; so it is the part before the waiting. Reads no
files.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.content import Content

from trainctl.engine.runs.ranks.pace import RankPace
from trainctl.tui.charts.axis import short
from trainctl.tui.charts.room import FRAME_ROWS, Demand
from trainctl.tui.plain import padded
from trainctl.tui.run.scene import Scene
from trainctl.tui.run.view import RunView
from trainctl.tui.spoken import said
from trainctl.tui.widgets.figures import LEAST_ROWS, FiguresPanel, is_plain
from trainctl.tui.widgets.lines import cut_line

FETCHES, WORKS, WAITS = ("░", "-"), ("█", "#"), ("·", ".")
"""Sign and plain sign of each part of a step; the waiting is for the slowest."""
LEAST_BAR = 6
SLOWER = 1.2
"""Times the fastest from which on it is said in words."""


class RankPanel(FiguresPanel):
    """A row for each rank, the bar of the slowest as wide as there is room."""

    heading: ClassVar[str] = "Ranks"

    def demand(self, width: int) -> Demand:
        """All rows, and no more; a few are better than none."""
        del width
        rows = max(len(self._view.ranks) if self._view is not None else 0, 1)
        return Demand(min(rows, LEAST_ROWS) + FRAME_ROWS, rows + FRAME_ROWS)

    def title(self, view: RunView) -> str:
        """What the signs mean."""
        plain = is_plain()
        return f"{FETCHES[plain]} {said('fetches')}  {WORKS[plain]} {said('works')}  {WAITS[plain]} {said('waits')}"

    def note(self, view: RunView) -> str:
        """The slowest, where the others have to wait for it."""
        known = [pace for pace in view.ranks if pace.taken_s > 0]
        if len(known) < 2:
            return ""
        slowest, fastest = (choose(known, key=lambda pace: pace.taken_s) for choose in (max, min))
        ratio = slowest.taken_s / fastest.taken_s
        if ratio < SLOWER:
            return said("equally fast")
        return said(f"rank {slowest.rank} takes {ratio:.2f} times as long as rank {fastest.rank}")

    def stamp(self, view: RunView) -> object:
        """Other ranks are read a moment later than the run."""
        return view.ranks

    def rows(self, view: RunView, scene: Scene, width: int, height: int) -> list[Content]:
        """As many as there is room for, the slowest of them if there are more; the last then says how many are left."""
        ranks = view.ranks
        if len(ranks) <= height:
            return _rows(ranks, width)
        shown = sorted(ranks, key=lambda pace: -pace.taken_s)[: max(height - 1, 1)]
        left = Content.styled(said(f"+{len(ranks) - len(shown)} ranks, none slower"), "$chart-label")
        return [*_rows(shown, width), left][:height]


def has_ranks(view: RunView) -> bool:
    """Whether several processes train the run."""
    return len(view.ranks) > 1


def _rows(ranks: Sequence[RankPace], width: int) -> list[Content]:
    labels = [f"rank {pace.rank}" for pace in ranks]
    times = [f"{short(1e3 * pace.taken_s)} ms" for pace in ranks]
    ends = [said(f"loss {short(pace.loss)}, {pace.samples:,} samples") for pace in ranks]
    first, second = max(map(len, labels), default=0), max(map(len, times), default=0)
    last = max((Content(end).cell_length for end in ends), default=0)
    slowest = max((pace.taken_s for pace in ranks if pace.taken_s == pace.taken_s), default=0.0)
    room = width - first - second - last - 6
    bar_width = room if room >= LEAST_BAR else max(width - first - second - 4, 0)
    found: list[Content] = []
    for pace, label, time, end in zip(ranks, labels, times, ends, strict=True):
        row = Content.styled(padded(label, first), "$chart-label")
        row = row + Content.styled(f"  {time.rjust(second)}  ", "$foreground") + _bar(pace, slowest, bar_width)
        if room >= LEAST_BAR:
            row = row + Content.styled(f"  {end}", "$chart-label")
        found.append(cut_line(row, width))
    return found


def _bar(pace: RankPace, slowest: float, width: int) -> Content:
    """What a rank does while the slowest takes its part of a step."""
    if not slowest > 0 or pace.taken_s != pace.taken_s:
        return Content(" " * width)
    fetched, taken = (min(round(seconds / slowest * width), width) for seconds in (pace.fetched_s, pace.taken_s))
    plain = is_plain()
    parts = (
        (FETCHES, fetched, "$series-1"),
        (WORKS, taken - fetched, "$series-0"),
        (WAITS, width - taken, "$chart-label"),
    )
    return Content("").join(Content.styled(signs[plain] * count, style) for signs, count, style in parts)
