"""Which classes the network sees: this batch and the epoch so far, beside the data set's share. Reads no files."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from textual.content import Content
from textual.widget import Widget

from trainctl.engine.runs.events import EventKind
from trainctl.tui.charts.axis import short
from trainctl.tui.charts.chart import Chart
from trainctl.tui.charts.framed import frame_css, write_frame
from trainctl.tui.charts.raster import Glyphs
from trainctl.tui.charts.room import FRAME_ROWS, Demand
from trainctl.tui.charts.sparkline import sparkline
from trainctl.tui.plain import columns, padded
from trainctl.tui.run.scene import Scene
from trainctl.tui.run.view import Counts, RunView
from trainctl.tui.spoken import said
from trainctl.tui.words.verdict import missing_classes

FIGURES = 16
"""Columns beside name and bar: share, count and gaps."""
LEAST_BAR = 6
"""Columns that a name leaves its bar."""
MIN_HEIGHT = 4
"""Rows from which on there is room for the history below the bars."""
FEW = 4
"""Classes for which there are two rows each."""
LEAST_ROWS, MOST_ROWS = 3, 20
POSITIVES = "scalar.positives"
"""Positives per anchor of the batch, recorded by contrastive tasks."""


class ClassPanel(Widget, can_focus=True):
    """A bar per class: share over the epoch so far; a tick where the data set has it; the batch in figures."""

    heading: ClassVar[str] = "Classes"
    DEFAULT_CSS = frame_css("ClassPanel", "border-subtitle-color: $warning;")

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._view: RunView | None = None

    def on_mount(self) -> None:
        """Show the heading before the first data."""
        self.border_title = Content.styled(said(self.heading), "bold")

    def demand(self, width: int) -> Demand:
        """A row for each class, a second one for the batch where they are few, and the history."""
        classes = len(self._view.layout.classes) if self._view is not None and self._view.layout else 0
        rows = classes if classes > FEW else 2 * classes
        below = len(history_rows(self._view, width - FRAME_ROWS)) if self._view is not None else 0
        return Demand(min(rows + below, LEAST_ROWS) + FRAME_ROWS, min(rows + below, MOST_ROWS) + FRAME_ROWS)

    def on_resize(self) -> None:
        """What fits into the border may be other words."""
        if self._view is not None:
            self.show(self._view, Scene())

    def show(self, view: RunView, scene: Scene) -> None:
        """Draw the present state."""
        self._view = view
        layout = view.layout
        signs = "█ epoch  ▀ batch  │ data set" if layout and layout.classes else ""
        write_frame(self, self.heading, signs, class_note(view))
        self.refresh()

    def render(self) -> Content:
        """The bars, or why there are none."""
        view = self._view
        if view is None or view.layout is None or view.last is None:
            return Content.styled(said("no step yet"), "$chart-label")
        batch, epoch = view.batch_counts(), view.epoch_counts
        if batch is None or epoch is None:
            return Content.styled(said("this task has no classes"), "$chart-label")
        below = history_rows(view, self.size.width) if self.size.height >= MIN_HEIGHT else []
        height = self.size.height - len(below)
        rows = class_rows(view.layout.classes, batch, epoch, data_share(view), self.size.width, height)
        return Content("\n").join([*rows, *below])


def may_have_classes(view: RunView) -> bool:
    """False for a run that is known to count none, as one that learns classes of parts of a sample."""
    return view.layout is None or bool(view.layout.classes)


def class_note(view: RunView) -> str:
    """Classes the last epoch did not hold, and from where the counts begin when they are not of the whole epoch."""
    missing = missing_classes(view)
    parts = [f"! missing last epoch: {', '.join(missing)}"] if missing else []
    if view.counts_since_step is not None:
        parts.append(f"counted from step {view.counts_since_step:d}")
    return " · ".join(parts)


def history_rows(view: RunView, width: int) -> list[Content]:
    """Distinct classes per batch over the run, and positives per anchor where the task is contrastive."""
    rows: list[Content] = []
    for name, words in (("num_classes", "classes/batch"), (POSITIVES, "positives/anchor")):
        series = view.series.get(name)
        if series is None or math.isnan(series.last):
            continue
        label = f"{said(words)} {short(series.last)} "
        room = width - columns(label)
        if room >= 8:
            bars = sparkline(series, room, plain=Chart.glyphs is Glyphs.ASCII)
            rows.append(Content.styled(label, "$chart-label") + Content.styled(bars, "$series-1"))
    return rows


def data_share(view: RunView) -> Counts | None:
    """Samples of each class in the training data, as announced at the start, else as seen in a whole epoch."""
    classes = view.layout.classes if view.layout else ()
    for event in reversed(view.of_kind(EventKind.START)):
        counts = event.data.get("class_counts")
        if isinstance(counts, Mapping) and len(counts.get("train", ())) == len(classes):
            return np.array(counts["train"], np.int64)
    return view.last_epoch_counts


def class_rows(
    classes: Sequence[str], batch: Counts, epoch: Counts, data: Counts | None, width: int, height: int
) -> list[Content]:
    """A line per class, the emptiest first when there is not room for all; two where there is room for the batch."""
    order = list(range(len(classes)))
    left_out = 0
    if len(order) > height:
        left_out = len(order) - max(height - 1, 1)
        order = sorted(np.argsort(epoch, kind="stable")[: max(height - 1, 1)].tolist())
    name_width = max(min(max((columns(name) for name in classes), default=0), width - FIGURES - LEAST_BAR), 1)
    widths = (name_width, max(width - name_width - FIGURES, 1))
    shares = [_share(epoch), _share(batch), *([_share(data)] if data is not None else [])]
    top = max(*(float(share.max()) for share in shares), 1e-9)
    rows: list[Content] = []
    for k in order:
        tick = float(shares[2][k]) / top if data is not None else None
        rows.append(_class_row(classes[k], int(batch[k]), float(shares[0][k]), top, tick, widths))
        if 2 * len(order) <= height:
            rows.append(_batch_row(float(shares[1][k]) / top, widths))
    if left_out:
        rows.append(Content.styled(said(f"and {left_out} more, none emptier"), "$chart-label"))
    return rows


def _share(counts: Counts) -> np.ndarray[Any, np.dtype[np.float64]]:
    return counts / max(int(counts.sum()), 1)


def _class_row(name: str, count: int, share: float, top: float, tick: float | None, widths: tuple[int, int]) -> Content:
    name_width, bar_width = widths
    filled = round(share / top * bar_width)
    cells = ["█"] * filled + [" "] * (bar_width - filled)
    if tick is not None:
        cells[min(round(tick * bar_width), bar_width - 1)] = "│"
    return Content("").join(
        [
            Content.styled(padded(name, name_width), "bold $error" if share == 0 else "$foreground"),
            Content.styled(" " + "".join(cells), "$series-0"),
            Content.styled(f" {100 * share:5.1f}% ", "$foreground"),
            Content.styled(f"{count:6d}", "bold $error" if count == 0 else "$chart-label"),
        ]
    )


def _batch_row(length: float, widths: tuple[int, int]) -> Content:
    name_width, bar_width = widths
    return Content.styled(" " * (name_width + 1) + "▀" * round(length * bar_width), "$series-1")
