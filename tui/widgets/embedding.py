"""How far the embeddings of a contrastive task are from collapse, and from the best there can be. Reads no files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from trainctl.tui.charts.axis import short
from trainctl.tui.charts.chart import Chart
from trainctl.tui.charts.plot import Line
from trainctl.tui.run.scene import Scene
from trainctl.tui.run.view import RunView
from trainctl.tui.spoken import said
from trainctl.tui.widgets.charting import scened
from trainctl.tui.widgets.loss import EMA_INK, RAW_INK

COSINE = "scalar.mean_cosine"
NO_POSITIVE = "scalar.no_positive"
NORMALISED = "supcon_normalised"


class EmbeddingPanel(Chart):
    """Mean cosine between the embeddings of a batch, and the loss between its floor (0) and collapse (1)."""

    heading: ClassVar[str] = "Embedding"

    def show(self, view: RunView, scene: Scene) -> None:
        """Draw the present state."""
        rules = ((0.0, "floor of the loss"), (1.0, "all embeddings equal"))
        self.show_content(scened(view, scene, list(embedding_lines(view)), rules=rules), note(view))


def has_embeddings(view: RunView) -> bool:
    """Whether the run records how alike they are."""
    return view.layout is not None and COSINE.removeprefix("scalar.") in view.layout.scalars


def embedding_lines(view: RunView) -> Iterator[Line]:
    """Cosine by step, normalised loss by validation."""
    if COSINE in view.series:
        yield Line(said("mean cosine"), view.series[COSINE], 0)
    for which, name, ink, symbol in (("raw", "val supcon", RAW_INK, "●"), ("ema", "val supcon ema", EMA_INK, "◆")):
        points = view.validation(which, NORMALISED)
        if len(points):
            yield Line(said(name), points, ink, symbol=symbol, smooth=False)


def note(view: RunView) -> str:
    """Anchors that no other sample of their batch could pull."""
    series = view.series.get(NO_POSITIVE)
    if series is None or series.last != series.last:
        return ""
    return f"anchors without a positive: {short(series.last)}"
