"""Runs side by side: curves over one another, final figures, difference of configuration, promises. Changes no run.

Looks at views that others keep up to date; reads only the `config.yaml` of the runs, in a thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import ScrollableContainer, Vertical
from textual.content import Content
from textual.widgets import Static, TabbedContent, TabPane

from trainctl.tui.actions import bindings
from trainctl.tui.charts.chart import Chart
from trainctl.tui.charts.plot import Content as ChartContent
from trainctl.tui.charts.positions import XMap
from trainctl.tui.compare.facts import RunFacts, facts_of, read_config
from trainctl.tui.compare.intervals import prepare
from trainctl.tui.compare.lines import Metric, comparable_metrics, metric_lines
from trainctl.tui.memory import Memory
from trainctl.tui.run.scene import Overlay, Scene, Unit
from trainctl.tui.screens.looking import LookingScreen
from trainctl.tui.spoken import said
from trainctl.tui.widgets.compare_pages import config_page, figures_page, promises_page
from trainctl.tui.widgets.key_bar import KeyBar

PERIOD_S = 1.0
LOOKING = {
    *("unit", "log_axis", "smoother", "rougher", "zoom_in", "zoom_out", "pan_left", "pan_right"),
    *("whole_run", "cursor_left", "cursor_right"),
}
"""Actions of the cockpit that mean the same here, under the same keys."""
FIGURES, CONFIGURATION, PROMISES = "figures", "configuration", "promises"
PAGES = ("curves", FIGURES, CONFIGURATION, PROMISES)

LookAt = Callable[[tuple[float, float] | None], object]


class CompareScreen(LookingScreen):
    """The comparison.

    Args:
        runs: what is compared, the run that is looked at first; the views go on growing.
        memory: what is remembered of how the user likes to look.
        look_at: told which steps are looked at, for exact samples.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,k,q", "close", "close", key_display="esc"),
        Binding("down", "metric(1)", "next curve", key_display="↓"),
        Binding("up", "metric(-1)", "curve before", key_display="↑"),
        *(Binding(str(k + 1), f"page('{page}')", page, show=False) for k, page in enumerate(PAGES)),
        *(binding for binding in bindings() if binding.action in LOOKING),
    ]
    CSS = """
    CompareScreen { overflow: hidden; }
    CompareScreen TabbedContent, CompareScreen ContentSwitcher, CompareScreen TabPane { height: 1fr; }
    CompareScreen #names { height: 1; background: $panel; padding: 0 1; }
    CompareScreen TabPane { padding: 0; }
    CompareScreen Tab { color: $chart-label; }
    CompareScreen Tab.-active { color: $foreground; }
    CompareScreen #metric { height: 1; padding: 0 1; color: $chart-label; }
    CompareScreen ScrollableContainer { overflow: auto; padding: 0 1; }
    CompareScreen ScrollableContainer Static { width: auto; height: auto; }
    """

    def __init__(self, runs: Sequence[Overlay], memory: Memory, look_at: LookAt) -> None:
        super().__init__()
        self.runs, self.memory, self._look_at = runs, memory, look_at
        self.scene = Scene(unit=memory.unit, smoothing=memory.smoothing)
        self.chart = Chart(id="comparison")
        self._documents: dict[str, Mapping[str, Any]] = {}
        self._metric = "loss"
        self._names = Static(id="names")
        self._which = Static(id="metric")
        self._pages = {page: Static(id=f"{page}-text") for page in PAGES[1:]}
        self._shown: dict[str, str] = {}

    def compose(self) -> ComposeResult:
        """Names of the runs, the four pages, the keys."""
        yield self._names
        with TabbedContent(id="pages"):
            with TabPane(f"1 {said(PAGES[0])}", id=PAGES[0]), Vertical():
                yield self._which
                yield self.chart
            for number, page in enumerate(PAGES[1:], 2):
                with TabPane(f"{number} {said(page)}", id=page), ScrollableContainer():
                    yield self._pages[page]
        yield KeyBar()

    def on_mount(self) -> None:
        """Draw what is known, read the configurations, and follow the runs."""
        self._names.update(_name_line(self.runs))
        self.run_worker(self._read_configurations, thread=True, group="configurations")
        self.set_interval(PERIOD_S, self.redraw)
        self.chart.focus()
        self.redraw()

    def on_tabbed_content_tab_activated(self, message: TabbedContent.TabActivated) -> None:
        """The keys belong to the page that is shown."""
        page = str(message.pane.id)
        (self.chart if page == PAGES[0] else self.query_one(f"#{page} ScrollableContainer")).focus()
        self.redraw()

    # --- what the user does ----------------------------------------------------------------------------------

    def action_close(self) -> None:
        """Back to the cockpit."""
        self.dismiss(None)

    def action_page(self, page: str) -> None:
        """Show a page."""
        self.query_one(TabbedContent).active = page

    def action_metric(self, by: int) -> None:
        """Another curve."""
        names = [metric.name for metric in self.metrics]
        if names:
            at = names.index(self._metric) if self._metric in names else 0
            self._metric = names[(at + by) % len(names)]
            self.redraw()

    def action_log_axis(self) -> None:
        """Linear or logarithmic."""
        self.chart.toggle_log()

    def window_changed(self) -> None:
        """Exact samples of what is looked at."""
        self._look_at(self.scene.window)
        self.redraw()

    # --- what is drawn ----------------------------------------------------------------------------------------

    @property
    def facts(self) -> list[RunFacts]:
        """What is known of each run now."""
        return [facts_of(run.view, self._documents.get(str(run.view.paths.root))) for run in self.runs]

    @property
    def metrics(self) -> list[Metric]:
        """What can be drawn now."""
        return comparable_metrics([run.view for run in self.runs])

    @property
    def extent(self) -> tuple[float, float]:
        """Steps of the axis's run that cover every run."""
        ends = [(run, run.view.series["loss"].extent) for run in self.runs if "loss" in run.view.series]
        if not ends:
            return 0.0, 0.0
        axis = self._axis_map()
        if axis is None:
            return min(start for _, (start, _) in ends), max(stop for _, (_, stop) in ends)
        maps = [(run.view.x_map(self.scene.unit), span) for run, span in ends]
        reached = [(m.x_of(start), m.x_of(stop)) for m, (start, stop) in maps if m is not None]
        return axis.step_of(min(a for a, _ in reached)), axis.step_of(max(b for _, b in reached))

    def _axis_map(self) -> XMap | None:
        """The map of the first run that has one: positions are its steps."""
        found = (run.view.x_map(self.scene.unit) for run in self.runs)
        return next((x_map for x_map in found if x_map is not None), None)

    def redraw(self) -> None:
        """Bring the page that is shown up to date."""
        page = self.query_one(TabbedContent).active
        if page in ("", PAGES[0]):
            self._draw_curves()
        else:
            self._write_page(page)

    def _draw_curves(self) -> None:
        metrics, scene = self.metrics, self.scene
        at = next((k for k, metric in enumerate(metrics) if metric.name == self._metric), 0)
        lines = metric_lines(self.runs, metrics[at], scene) if metrics else []
        self.chart.show_content(
            ChartContent(
                lines=tuple(lines),
                window=scene.window,
                x_map=self._axis_map() if scene.unit is not Unit.STEP else None,
                cursor=scene.cursor,
                smoothing=scene.smoothing,
            )
        )
        place = said(f"{at + 1} of {len(metrics)}")
        words = f"{metrics[at].name}  ({place})" if metrics else said("no curve yet")
        self._which.update(Content(f"{words}   ↑ ↓ {said('another')}"))

    def _write_page(self, page: str) -> None:
        inks = [run.ink for run in self.runs]
        names = [run.name for run in self.runs]
        make = {FIGURES: figures_page, CONFIGURATION: config_page, PROMISES: promises_page}[page]
        text = make(self.facts, names, inks)
        # The user may be reading or scrolling: only what changed is written.
        if self._shown.get(page) != text.plain:
            self._shown[page] = text.plain
            self._pages[page].update(text)

    def _read_configurations(self) -> None:
        """In a thread."""
        prepare()
        found = {str(run.view.paths.root): read_config(run.view.paths.config) for run in self.runs}
        documents = {root: document for root, document in found.items() if document is not None}
        self.app.call_from_thread(self._take, documents)

    def _take(self, documents: dict[str, Mapping[str, Any]]) -> None:
        self._documents = documents
        if self.is_attached:
            self.redraw()


def _name_line(runs: Sequence[Overlay]) -> Content:
    parts = [Content.styled(f"{said('compare')} ", "bold")]
    parts += [
        Content.styled(f" {'●' if k == 0 else '◆'} {run.name} ", f"$series-{run.ink}") for k, run in enumerate(runs)
    ]
    return Content("").join(parts)
