"""How the samples spread over the components of a mixture, and how sure of them the network is. Reads no files."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from textual.content import Content

from trainctl.engine.runs.events import Event, EventKind
from trainctl.tui.charts.axis import short
from trainctl.tui.charts.plot import Line
from trainctl.tui.charts.sparkline import sparkline
from trainctl.tui.plain import columns, padded
from trainctl.tui.run.scene import Scene
from trainctl.tui.run.view import RunView
from trainctl.tui.spoken import said
from trainctl.tui.widgets.charting import scened
from trainctl.tui.widgets.figures import CHART_ROWS, FiguresPanel, chart_rows, is_plain

CLUSTER = "scalar.cluster."
HISTORY = (("scalar.max_posterior", "max posterior"), ("scalar.posterior_entropy", "entropy"))
"""What is drawn over time: series and its words."""
METRIC = "srcc"
MAX_COLUMNS = 2048
"""Steps of an epoch that are summed one by one; in longer epochs several together."""
MIN_COLUMN = 20
"""Columns below which bars do not stand side by side."""
COUNT_WIDTH = 7

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class EpochSizes:
    """Samples by component over the newest steps."""

    counts: Floats
    """Shape (K,)."""
    steps: int
    is_epoch: bool
    """Whether as many steps as an epoch has were there."""

    @property
    def ideal(self) -> float:
        """N / K."""
        return float(self.counts.mean())

    @property
    def empty(self) -> list[int]:
        """Components without a sample."""
        return np.flatnonzero(self.counts < 0.5).tolist()


class ClusterPanel(FiguresPanel):
    """A bar per component over the newest epoch, a tick where all would be equal, and the posteriors over time."""

    heading: ClassVar[str] = "Clusters"

    def num_figures(self, view: RunView) -> int:
        """A row for each component, their spread and the history."""
        return len(cluster_names(view)) + 1 + len(HISTORY)

    def title(self, view: RunView) -> str:
        """What is counted, and the size at which all were equal."""
        sizes = epoch_sizes(view)
        if sizes is None:
            return ""
        over = "newest epoch" if sizes.is_epoch else f"newest {sizes.steps} steps"
        return f"{over}  {'|' if is_plain() else '│'} equal sizes: {short(sizes.ideal)}"

    def note(self, view: RunView) -> str:
        """See `refit_note`."""
        return refit_note(view)

    def nothing(self, view: RunView | None) -> str:
        """There is no step, or no component."""
        return "no step yet" if view is None or view.layout is None else "this run has no clusters"

    def rows(self, view: RunView, scene: Scene, width: int, height: int) -> list[Content]:
        """Bars, their spread in words, and the history."""
        sizes = epoch_sizes(view)
        if sizes is None:
            return []
        below = [_spread_row(sizes)]
        bars = bar_rows(sizes, width, max(height - len(below) - len(HISTORY), 1))
        left = height - len(below) - len(bars)
        history = _chart(view, scene, width, left) if left >= CHART_ROWS else _history_rows(view, width)
        return [*bars, *below, *history]


def has_clusters(view: RunView) -> bool:
    """Whether the run records them."""
    return view.layout is not None and any(f"scalar.{name}".startswith(CLUSTER) for name in view.layout.scalars)


def epoch_sizes(view: RunView) -> EpochSizes | None:
    """Samples of each component over the newest epoch, or over as much of it as there is; None without components."""
    names = cluster_names(view)
    if not names or not len(view.series[names[0]]):
        return None
    first, stop = view.series[names[0]].extent
    per_epoch = view.plan.steps_per_epoch if view.plan else 0
    start = max(first, stop - per_epoch) if per_epoch else first
    columns = max(min(int(stop - start), MAX_COLUMNS), 1)
    means = np.array([view.series[name].envelope(start, stop, columns).mean for name in names], np.float64)
    counts = np.nansum(means, axis=1) * ((stop - start) / columns)
    return EpochSizes(counts * _samples_each(view, names), int(stop - start), stop - start == per_epoch)


def cluster_names(view: RunView) -> list[str]:
    """Series of the components, in their order."""
    names = (f"{CLUSTER}{k}" for k in range(sum(name.startswith(CLUSTER) for name in view.series)))
    return [name for name in names if name in view.series]


def _samples_each(view: RunView, names: Sequence[str]) -> float:
    """Samples that a count stands for: more than one where a step is of several batches, of which it is the mean."""
    newest = sum(view.series[name].last for name in names)
    if view.last is None or not newest > 0:
        return 1.0
    return float(view.last["batch_size"]) / newest


def spread_words(sizes: EpochSizes) -> tuple[bool, str]:
    """Whether something is wrong with the sizes, and how they spread, in words."""
    counts, empty = sizes.counts, sizes.empty
    if empty:
        shown = ", ".join(map(str, empty[:8])) + (", …" if len(empty) > 8 else "")
        return True, f"{len(empty)} of {len(counts)} empty: {shown}"
    ratio = float(counts.max() / counts.min())
    extremes = f"{short(float(counts.min()))} to {short(float(counts.max()))}"
    return False, f"{extremes}, ratio {short(ratio, 2)}, none empty"


def _spread_row(sizes: EpochSizes) -> Content:
    is_wrong, words = spread_words(sizes)
    words = said(words)
    return Content.styled(f"! {words}", "bold $warning") if is_wrong else Content.styled(words, "$foreground")


def bar_rows(sizes: EpochSizes, width: int, height: int) -> list[Content]:
    """A bar for each component, in several columns where one is too high; what is left out has middling sizes."""
    total = len(sizes.counts)
    columns = min(-(-total // height), max(width // MIN_COLUMN, 1))
    rows = min(-(-total // columns), height)
    room = rows * columns
    shown, left_out = list(range(total)), 0
    if room < total:
        room = max(room - columns, 1)  # the last row says how many are missing
        rows = max(rows - 1, 1)
        left_out = total - room
        order = np.argsort(sizes.counts, kind="stable").tolist()
        shown = sorted(order[: -(-room // 2)] + (order[-(room // 2) :] if room > 1 else []))
    cell = width // columns
    bars = [_bar(k, sizes, cell - (columns > 1)) for k in shown]
    gap = Content(" ")
    lines = [gap.join(bars[row::rows]) for row in range(min(rows, len(bars)))]
    if left_out and height > 1:
        lines.append(Content.styled(said(f"and {left_out} more of middling size"), "$chart-label"))
    return lines


def _bar(k: int, sizes: EpochSizes, width: int) -> Content:
    """Number, bar with the tick of equal sizes, and size; `width` cells."""
    counts, plain = sizes.counts, is_plain()
    name = str(k).rjust(len(str(len(counts) - 1)))
    room = max(width - len(name) - 1 - COUNT_WIDTH, 1)
    top = max(float(counts.max()), sizes.ideal, 1e-9)
    filled = round(float(counts[k]) / top * room)
    cells = ["#" if plain else "█"] * filled + [" "] * (room - filled)
    cells[min(int(sizes.ideal / top * room), room - 1)] = "|" if plain else "│"
    is_empty = k in sizes.empty
    size = said("empty") if is_empty else short(round(float(counts[k])), 4)
    return Content("").join(
        [
            Content.styled(f"{name} ", "bold $error" if is_empty else "$foreground"),
            Content.styled("".join(cells), "$series-0"),
            Content.styled(" " * (COUNT_WIDTH - columns(size)) + size, "bold $error" if is_empty else "$foreground"),
        ]
    )


def _history_rows(view: RunView, width: int) -> Iterator[Content]:
    """A row of blocks for each series, from 0 to its largest value."""
    known = [(view.series[name], words) for name, words in HISTORY if name in view.series]
    labels = [f"{said(words)} {short(series.last)}" for series, words in known]
    room = max(map(columns, labels), default=0)
    for (series, _), label in zip(known, labels, strict=True):
        bars = sparkline(series, max(width - room - 1, 0), plain=is_plain())
        yield Content.styled(padded(label, room + 1), "$chart-label") + Content.styled(bars, "$series-1")


def _chart(view: RunView, scene: Scene, width: int, height: int) -> list[Content]:
    """The history as a chart, with the largest entropy there can be and the largest posterior."""
    num_clusters = len(cluster_names(view))
    known = [(ink, name, said(words)) for ink, (name, words) in enumerate(HISTORY) if name in view.series]
    lines = [Line(words, view.series[name], ink) for ink, name, words in known]
    rules = ((math.log(num_clusters), f"ln {num_clusters}"), (1.0, "one-hot")) if num_clusters > 1 else ()
    return chart_rows(scened(view, scene, lines, rules=rules), width, height)


def refit_note(view: RunView) -> str:
    """The newest rank correlation, and what the newest refit did to it."""
    newest = view.validation("raw", METRIC).last
    parts = [] if math.isnan(newest) else [f"SRCC {short(newest, 3)}"]
    found = newest_refit(view.of_kind(EventKind.VALIDATION))
    if found is not None:
        epoch, before, after = found
        parts.append(f"refit at epoch {epoch}: {short(before, 3)} -> {short(after, 3)}")
    return " · ".join(parts)


def newest_refit(validations: Sequence[Event]) -> tuple[int, float, float] | None:
    """Epoch of the newest refit that was validated before and after, and both results; NaN where there was none."""
    for index in range(len(validations) - 1, 0, -1):
        after, before = validations[index], validations[index - 1]
        if after.data.get("after") == "refit" and before.step == after.step:
            return after.whole("epoch"), _measured(before), _measured(after)
    return None


def _measured(event: Event) -> float:
    raw: Any = event.data.get("raw")
    value = raw.get(METRIC) if isinstance(raw, dict) else None
    return float(value) if isinstance(value, int | float) else math.nan
