"""The runs workspace: all runs of a folder, the one under the cursor beside them; filter, sort, pin, lay over, open.

Says what was chosen and leaves the rest to the app. What it looks like is in `run_list`.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Input

from trainctl.engine.errors import UserError
from trainctl.engine.runs.layout import RunPaths
from trainctl.tui.listing.orders import VALUES, Order
from trainctl.tui.memory import memory_path
from trainctl.tui.screens.listing import RunsAnswer
from trainctl.tui.screens.run_list import BELOW_ROWS, BESIDE_COLUMNS, RunListScreen
from trainctl.tui.widgets.rows import RowList
from trainctl.tui.widgets.run_headings import RunHeadings


class RunsScreen(RunListScreen):
    """The list of all runs: open one, lay some over, compare, delete, rename."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("k", "compare", "compare"),
        Binding("slash", "filter", "filter"),
        Binding("s,greater_than_sign", "sort(1)", "sort"),
        Binding("less_than_sign", "sort(-1)", show=False),
        Binding("i", "invert", "invert"),
        Binding("p", "pin", "pin"),
        Binding("g", "group", "group"),
        Binding("D,delete", "delete", "delete", key_display="D"),
        Binding("R,f2", "rename", "rename", key_display="R"),
        Binding("N", "newest", "newest", key_display="N"),
        Binding("v", "preview", "preview"),
        Binding("question_mark", "help", "help"),
        Binding("escape,r", "close", show=False),
        Binding("q", "leave", "back"),
    ]
    # --- what the user does ----------------------------------------------------------------------------------

    def action_filter(self) -> None:
        """Type what must hold."""
        self._input.display = True
        self._input.focus()

    def action_sort(self, by: int) -> None:
        """By the next column."""
        columns = [*VALUES]
        self._sort(Order(columns[(columns.index(self._order.column) + by) % len(columns)], False, self._order.by_study))

    def action_invert(self) -> None:
        """The other way round."""
        self._sort(Order(self._order.column, not self._order.is_inverted, self._order.by_study))

    def action_group(self) -> None:
        """The trials of a study together, or not."""
        if not self._order.by_study and not any(info.trial for info in self.infos):
            self.notify("no run here is a trial of a study", markup=False)
            return
        self._sort(Order(self._order.column, self._order.is_inverted, not self._order.by_study))

    def action_pin(self) -> None:
        """Keep the run on top, or no more."""
        if self.rows.chosen_key:
            self.memory.pinned ^= {self.rows.chosen_key}
            self.memory.save(memory_path())
            self.show_runs()

    def action_preview(self) -> None:
        """Show the run under the cursor beside the list, or not."""
        self.memory.runs_preview = not self.memory.runs_preview
        self._arrange()
        if self.memory.runs_preview and not self.wants_preview:
            self.notify(f"the preview needs {BESIDE_COLUMNS} columns or {BELOW_ROWS} rows", markup=False)
        self.select(self.rows.chosen_key)

    def action_newest(self) -> None:
        """Always look at the newest run, or no more."""
        self._follow.is_on = not self._follow.is_on
        if self._follow.is_on:
            self._newest = ""
        self.show_runs()

    def action_compare(self) -> None:
        """Compare what is laid over with the run that is looked at; without one, with the run under the cursor."""
        present = self.present or (RunPaths(Path(self.rows.chosen_key)) if self.rows.chosen_key else None)
        if present is not None and len(self._overlays.shown(present)):
            self.dismiss(RunsAnswer(None if self.present else present, is_compared=True))
        else:
            self.notify("mark the runs to compare with this one: space", markup=False)

    def action_help(self) -> None:
        """Keys, marks, and the language of the filter."""
        from trainctl.tui.screens.dialogs.runs_help import RunsHelp

        self.app.push_screen(RunsHelp())

    def action_close(self) -> None:
        """Escape takes the filter away first; the first screen is left by `q` alone."""
        if self._input.display:
            self._input.value = ""
            self._input.display = False
            self.rows.focus()
        elif self.present is not None:
            self.dismiss(None)

    def action_leave(self) -> None:
        """Back to the run; from the first screen out of the program."""
        self.dismiss(None)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while it is typed."""
        self._text = event.value
        self.show_runs()

    def on_input_submitted(self) -> None:
        """Back to the rows, which stay filtered."""
        self.rows.focus()

    def on_run_headings_hit(self, message: RunHeadings.Hit) -> None:
        """Sort by the column, or, where that is done, the other way round."""
        if message.column == self._order.column:
            self.action_invert()
        elif message.column in VALUES:
            self._sort(Order(message.column, False, self._order.by_study))

    def on_row_list_moved(self, message: RowList.Moved) -> None:
        """Show the run under the cursor."""
        self.select(message.key)

    def on_row_list_chosen(self, message: RowList.Chosen) -> None:
        """Open the run."""
        self.dismiss(RunsAnswer(RunPaths(Path(message.key))))

    def on_row_list_marked(self, message: RowList.Marked) -> None:
        """Lay the run over, or take it away."""
        paths = RunPaths(Path(message.key))
        if self.present is not None and paths.root == self.present.root:
            self.notify("this run is the one that is looked at", markup=False)
            return
        try:
            self._overlays.toggle(paths)
        except UserError as err:
            self.notify(str(err), severity="warning", markup=False)
            return
        self.about.changed()
        self.show_runs()

    def _sort(self, order: Order) -> None:
        self._order = order
        self.memory.runs_column, self.memory.runs_inverted = order.column, order.is_inverted
        self.memory.runs_by_study = order.by_study
        self.show_runs()
