"""The list of runs, newest first, kept up to date while it is open: open one, lay some over, compare them.

Reads the small files of the runs in a thread. Says what was chosen and leaves the rest to the cockpit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Static

from trainctl.engine.errors import UserError
from trainctl.engine.runs.index import RunInfo, list_runs
from trainctl.engine.runs.layout import RunPaths
from trainctl.tui.run.overlays import Overlays
from trainctl.tui.screens.dialogs.dialog import Dialog
from trainctl.tui.widgets.rows import Row, RowList
from trainctl.tui.widgets.run_rows import RunRow, RunTable, matches

FIRST, MOST = 60, 5_000
"""Runs read before the list is shown, and at all."""
PERIOD_S = 2.0
"""Seconds between two looks at the folder."""


@dataclass(frozen=True)
class RunsAnswer:
    """What is to be done: open `run`, or, without one, compare what is laid over."""

    run: RunPaths | None


class RunsScreen(Dialog[RunsAnswer]):
    """All runs of a folder.

    Args:
        folder: that holds the runs.
        present: the run that is looked at.
        overlays: the runs that are laid over; space adds one or takes it away.
        changed: called when they changed.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "filter"),
        Binding("k", "compare", "compare"),
        Binding("r,q", "close", "close", show=False),
    ]
    DEFAULT_CSS = """
    RunsScreen > Vertical { width: 98%; max-width: 110; height: 90%; }
    RunsScreen #headings { height: 1; }
    RunsScreen Input { display: none; height: 3; }
    """

    def __init__(self, folder: Path, present: RunPaths, overlays: Overlays, changed: Callable[[], object]) -> None:
        super().__init__()
        self._folder, self._present = folder, present.root.resolve()
        self._overlays, self._changed = overlays, changed
        self._infos: Sequence[RunInfo] = ()
        self._words: list[str] = []
        self._is_loading = False
        self._table = RunTable()
        self.rows = RowList(empty="reading the runs")
        self._headings = Static(id="headings")
        self._input = Input(placeholder="words that must occur: name, preset, state, metric")

    def compose(self) -> ComposeResult:
        """Headings, rows, and a line to type a filter in."""
        with Vertical() as box:
            box.border_title = "runs, newest first"
            box.border_subtitle = "enter opens  space lays over  k compares  / filters  esc closes"
            yield self._headings
            yield self.rows
            yield self._input

    def on_mount(self) -> None:
        """Read now, and again from time to time."""
        self.rows.focus()
        self._load()
        self.set_interval(PERIOD_S, self._load)

    def on_resize(self) -> None:
        """Headings stand where their columns are."""
        self.call_after_refresh(self._show_headings)

    def action_filter(self) -> None:
        """Type what must occur."""
        self._input.display = True
        self._input.focus()

    def action_compare(self) -> None:
        """Compare what is laid over."""
        if len(self._overlays.shown(self._present_paths)):
            self.dismiss(RunsAnswer(None))
        else:
            self.notify("mark the runs to compare with this one: space", markup=False)

    def action_close(self) -> None:
        """Escape takes the filter away first."""
        if self._input.display:
            self._input.value = ""
            self._input.display = False
            self.rows.focus()
        else:
            self.dismiss(None)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while it is typed."""
        self._words = event.value.lower().split()
        self._show()

    def on_input_submitted(self) -> None:
        """Back to the rows, which stay filtered."""
        self.rows.focus()

    def on_row_list_chosen(self, message: RowList.Chosen) -> None:
        """Open the run."""
        self.dismiss(RunsAnswer(RunPaths(Path(message.key))))

    def on_row_list_marked(self, message: RowList.Marked) -> None:
        """Lay the run over, or take it away."""
        paths = RunPaths(Path(message.key))
        if paths.root.resolve() == self._present:
            self.notify("this run is the one that is looked at", markup=False)
            return
        try:
            self._overlays.toggle(paths)
        except UserError as err:
            self.notify(str(err), severity="warning", markup=False)
            return
        self._changed()
        self._show()

    @property
    def _present_paths(self) -> RunPaths:
        return RunPaths(self._present)

    def _load(self) -> None:
        if not self._is_loading:
            self._is_loading = True
            self.run_worker(self._read, thread=True, group="runs")

    def _read(self) -> None:
        """In a thread: a thousand runs take a moment, the newest need not wait for them."""
        try:
            if not self._infos:
                self.app.call_from_thread(self._take, list_runs(self._folder, FIRST))
            self.app.call_from_thread(self._take, list_runs(self._folder, MOST))
        except UserError as err:
            self.app.call_from_thread(self._fail, str(err))
        finally:
            self._is_loading = False

    def _take(self, infos: Sequence[RunInfo]) -> None:
        if self.is_attached:
            self._infos = infos
            self._show()

    def _fail(self, reason: str) -> None:
        self.rows.show_rows((), empty=reason)

    def _show(self) -> None:
        inks = {str(item.view.paths.root.resolve()): item.ink for item in self._overlays.shown(self._present_paths)}
        folder = self._folder.resolve()
        found = {
            str(root): RunRow(info, is_present=root == self._present, ink=inks.get(str(root)))
            for info in self._infos
            if matches(info, self._words)
            for root in (folder / info.name,)
        }
        self._table = RunTable(list(found.values()))
        rows = [Row(key, partial(self._table.draw, row)) for key, row in found.items()]
        self._show_headings()
        empty = f"no run in {self._folder}" if not self._infos else f"no run has {' '.join(self._words)}"
        self.rows.show_rows(rows, empty=empty)

    def _show_headings(self) -> None:
        width = self.rows.size.width
        self._headings.update(self._table.headings(width) if width else Content(""))
