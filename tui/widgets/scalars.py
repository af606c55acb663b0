"""What a task, or a watched loop, records beside its loss: a row for each figure, with its own scale. Reads no files.

What another panel shows is left out. The rows are those of the loss terms: one column of cells is one time in all.
Distributions that validations recorded follow, see `distributions`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.events import Resize

from trainctl.tui.charts.axis import short
from trainctl.tui.charts.chart import Chart
from trainctl.tui.charts.plot import Line, Strip
from trainctl.tui.charts.strips import StripPlan, strip_plan
from trainctl.tui.run.scene import Scene
from trainctl.tui.run.view import RunView
from trainctl.tui.widgets import classes, clusters, embedding, gates
from trainctl.tui.widgets.charting import part_ink, scened
from trainctl.tui.widgets.distributions import Distributions
from trainctl.tui.widgets.log import compiled_filter
from trainctl.tui.widgets.overlay_lines import overlay_lines

SCALAR = "scalar."
"""Beginning of the names of the series."""


class ScalarPanel(Chart):
    """A strip for each figure; of more than fit, as many as there is room for, the others by scrolling or a filter.

    Attributes:
        filter: words or a regular expression; rows whose name does not match are left out.
    """

    heading: ClassVar[str] = "Scalars"
    weight: ClassVar[int] = 2
    least_rows: ClassVar[int] = 3
    wanted_rows: ClassVar[int] = 1
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "scroll_rows(-1)", show=False),
        Binding("down", "scroll_rows(1)", show=False),
        Binding("pageup", "scroll_page(-1)", show=False),
        Binding("pagedown", "scroll_page(1)", show=False),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.filter = ""
        self._first = 0
        self._seen: tuple[RunView, Scene] | None = None
        self._distributions = Distributions()

    def show(self, view: RunView, scene: Scene) -> None:
        """Draw the present state."""
        self._seen = view, scene
        matches = compiled_filter(self.filter).search
        every = [*scalar_strips(view, scene), *self._distributions.strips(view, scene)]
        strips = [strip for strip in every if matches(strip.name)]
        plan = self._plan(len(strips))
        self._first = max(min(self._first, len(strips) - plan.shown), 0)
        empty = "no name matches" if every else "no step yet"
        content = scened(view, scene, [], strips=tuple(strips), first_strip=self._first, empty=empty)
        self.show_content(content, self._rows_words(plan, len(strips), len(every)))

    def set_filter(self, text: str) -> None:
        """Show only rows whose name matches; empty: all."""
        self.filter, self._first = text, 0
        self._show_again()

    def action_scroll_rows(self, by: int) -> None:
        """Rows further down, or up."""
        self._first += by
        self._show_again()

    def action_scroll_page(self, by: int) -> None:
        """As many rows further as are seen."""
        self.action_scroll_rows(by * max(self._plan(len(self.content.strips)).shown, 1))

    def on_resize(self, event: Resize) -> None:
        """Another height has room for other rows."""
        super().on_resize(event)
        self._show_again()

    def _show_again(self) -> None:
        if self._seen is not None:
            self.show(*self._seen)

    def _plan(self, count: int) -> StripPlan:
        return strip_plan(count, self.size.height, has_plot=False)

    def _rows_words(self, plan: StripPlan, num_matching: int, num_all: int) -> str:
        """Which of the rows are seen, where that is not all of them."""
        parts = [f"/{self.filter}: {num_matching} of {num_all}"] if self.filter else []
        if 0 < plan.shown < num_matching:
            parts.append(f"{self._first + 1} to {self._first + plan.shown} of {num_matching}  ↑↓ scroll, / filter")
        return " · ".join(parts)


def has_scalars(view: RunView) -> bool:
    """Whether the run records figures that no other panel shows, or distributions."""
    return bool(view.histograms) or bool(scalar_names(view))


def scalar_names(view: RunView) -> list[str]:
    """Series that no other panel shows, in the order of the records."""
    names = [f"{SCALAR}{name}" for name in (view.layout.scalars if view.layout is not None else ())]
    shown = set(_shown_elsewhere(view))
    return [name for name in names if name in view.series and name not in shown]


def _shown_elsewhere(view: RunView) -> Iterator[str]:
    """Series of the panels that the run has."""
    for name in gates.gate_names(view):
        yield from (gates.CLOSED + name, gates.OPEN + name)
    if clusters.has_clusters(view):
        yield from (*clusters.cluster_names(view), *(name for name, _ in clusters.HISTORY))
    if embedding.has_embeddings(view):
        yield from (embedding.COSINE, embedding.NO_POSITIVE)
    if classes.may_have_classes(view):
        yield classes.POSITIVES


def scalar_strips(view: RunView, scene: Scene) -> Iterator[Strip]:
    """A row for each figure: its value where the user points, else its newest."""
    for k, series_name in enumerate(scalar_names(view)):
        series = view.series[series_name]
        name = series_name.removeprefix(SCALAR)
        value = series.last if scene.cursor is None else series.at(scene.cursor)
        behind = overlay_lines(scene, series_name)
        yield Strip((Line(name, series, part_ink(k)), *behind), short(value, 4))
