"""What the list of runs looks like: title, filter, headings, rows, and the preview beside or below them.

What its keys do is in `runs`, what it reads in `listing`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical
from textual.content import Content
from textual.events import Resize
from textual.widgets import Input, Static

from trainctl.engine.errors import UserError
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.status import Liveness
from trainctl.tui.listing.filters import Filter, metrics_of, parse_filter
from trainctl.tui.listing.listed import Listed
from trainctl.tui.listing.orders import AGE, VALUES, Order, study_words
from trainctl.tui.listing.preview import Preview
from trainctl.tui.memory import Memory, memory_path
from trainctl.tui.plain import columns, cut, cut_start, fitted, printable
from trainctl.tui.run.newest import Newest
from trainctl.tui.run.overlays import Overlays
from trainctl.tui.screens.acts.folder import FolderActions
from trainctl.tui.spoken import said
from trainctl.tui.widgets.key_bar import KeyBar
from trainctl.tui.widgets.rows import Row, RowList
from trainctl.tui.widgets.run_headings import RunHeadings
from trainctl.tui.widgets.run_preview import RunPreview
from trainctl.tui.widgets.run_rows import RunRow, RunTable

BESIDE_COLUMNS, BELOW_ROWS = 100, 30
"""Columns from which the preview stands beside the list, and rows from which it otherwise stands below it."""
DIM = "$chart-label"


@dataclass(frozen=True)
class Workspace:
    """What the list is about.

    Args:
        folder: that holds the runs.
        present: the run that is looked at; none: the list is the first screen.
        overlays: the runs that are laid over; space adds one or takes it away.
        memory: what is remembered of how the user likes to look.
        changed: called when what is laid over changed.
        newest: whether the newest run is always looked at.
        readonly: refuse to delete and to rename.
    """

    folder: Path
    present: RunPaths | None
    overlays: Overlays
    memory: Memory
    changed: Callable[[], object]
    newest: Newest
    readonly: bool = False


class RunList(RowList):
    """The rows, with their keys in the last line of the screen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "open", key_display="enter"),
        Binding("space", "mark", "lay over"),
    ]
    DEFAULT_CSS = """
    RunList { background: $background; }
    """


class RunListScreen(FolderActions):
    """The list of all runs, without its keys.

    Args:
        about: what it is about.
    """

    DEFAULT_CSS = """
    RunListScreen { background: $background; }
    RunListScreen #title { height: 1; background: $panel; padding: 0 1; }
    RunListScreen #body { height: 1fr; layout: horizontal; }
    RunListScreen #body.-below { layout: vertical; }
    RunListScreen #list { width: 5fr; height: 1fr; }
    RunListScreen RunPreview { width: 3fr; height: 1fr; }
    RunListScreen #body.-below #list, RunListScreen #body.-below RunPreview { width: 1fr; }
    RunListScreen Input, RunListScreen Input:focus { display: none; height: 1; border: none; padding: 0; }
    RunListScreen #said { display: none; height: 1; color: $warning; }
    """

    def __init__(self, about: Workspace) -> None:
        super().__init__(about.folder, about.present)
        self.about, self._overlays, self.memory = about, about.overlays, about.memory
        self.readonly = about.readonly
        self._follow = about.newest
        column = about.memory.runs_column if about.memory.runs_column in VALUES else AGE
        self._order = Order(column, about.memory.runs_inverted, about.memory.runs_by_study)
        self._filter, self._text = Filter(), ""
        self._shown: Sequence[Listed] = ()
        self._table = RunTable()
        self._newest = ""
        self.rows = RunList(empty="reading the runs")
        # Held, not looked up: a list that is closed at once is laid out when its parts are gone already.
        self._body, self._headings = Container(id="body"), RunHeadings()
        self._preview = RunPreview(is_compared=about.present is not None)
        self._title, self._said = Static(id="title", markup=False), Static(id="said", markup=False)
        hint = "words, or state:running  preset:balanced  f1>.9  age<2d  -weld"
        self._input = Input(placeholder=said(hint))

    def compose(self) -> ComposeResult:
        """What is listed, the rows with their headings and a line to type a filter in, the preview, the keys."""
        yield self._title
        with self._body:
            with Vertical(id="list"):
                yield self._input
                yield self._said
                yield self._headings
                yield self.rows
            yield self._preview
        yield KeyBar()

    def on_mount(self) -> None:
        """Rows have the keys."""
        self.rows.focus()
        self._arrange()

    def on_resize(self, event: Resize) -> None:
        """Another size has room for the preview elsewhere."""
        del event
        self._arrange()

    # --- what is shown ---------------------------------------------------------------------------------------

    def show_runs(self) -> None:
        """Filter, sort and list what is known now."""
        if not self.is_attached:
            return
        now, pinned = time.time(), frozenset(self.memory.pinned)
        runs = [self.listed(info, pinned) for info in self.infos]
        self._read_filter(runs)
        if self._order.column == "loss" or self._filter.asks_loss:
            for run in runs:
                if run.course is None:
                    self.ask_for_course(run.info.paths)
        groups = self._order.grouped(run for run in runs if self._filter.shows(run, now))
        self._shown = [run for _, group in groups for run in group]
        inks = self._inks()
        present = "" if self.present is None else str(self.present.root)
        found = {run.key: RunRow(run, run.key == present, inks.get(run.key)) for run in self._shown}
        self._table = table = RunTable(list(found.values()), now, self._order)
        rows = list[Row]()
        for name, group in groups:
            if self._order.by_study and (name or len(groups) > 1):
                words = said(study_words(group, are_trials=bool(name)))
                rows.append(Row("", partial(_group_line, name or said("no study"), words)))
            rows += [Row(run.key, partial(self._draw, table, found[run.key])) for run in group]
        self._headings.show(table)
        self.rows.show_rows(rows, empty=self._empty_words())
        self._place_cursor()
        self._write_title()

    def memory_forgets(self, folder: str, instead: str = "") -> None:
        """A run that was pinned is not there any more, or elsewhere."""
        if folder in self.memory.pinned:
            self.memory.pinned -= {folder}
            self.memory.pinned |= {instead} if instead else set()
            self.memory.save(memory_path())

    def show_time(self) -> None:
        """Ages are counted from now; a filter may ask for them."""
        if self._filter.tests:
            self.show_runs()
        else:
            self._table.now = time.time()
            self.rows.refresh_changed()

    def show_preview(self, preview: Preview | None, words: str = "") -> None:
        """The run under the cursor."""
        self._preview.show(preview, words)

    @property
    def wants_preview(self) -> bool:
        """Whether there is room for a preview and the user wants one."""
        size = self.app.size
        return self.memory.runs_preview and (size.width >= BESIDE_COLUMNS or size.height >= BELOW_ROWS)

    def _arrange(self) -> None:
        is_below = self.app.size.width < BESIDE_COLUMNS
        was_shown, self._preview.display = self._preview.display, self.wants_preview
        self._body.set_class(is_below, "-below")
        self._preview.set_class(is_below, "-below")
        if self._preview.display and not was_shown:
            self.select(self.rows.chosen_key)
        self.call_after_refresh(self._write_title)

    def _draw(self, table: RunTable, row: RunRow, width: int) -> Content:
        """The line of a run; what is not known of its loss is read, as it is on the screen."""
        if row.run.course is None:
            self.ask_for_course(row.run.info.paths)
        return table.draw(row, width)

    def _read_filter(self, runs: Sequence[Listed]) -> None:
        """A wrong filter shows all, and says what is wrong."""
        try:
            self._filter, wrong = parse_filter(self._text, metrics_of(runs) if self.is_read else ()), ""
        except UserError as err:
            self._filter, wrong = Filter(), str(err)
        if self._said.display is not bool(wrong):
            self._said.display = bool(wrong)
        self._said.update(Content(cut(said(wrong), max(self.rows.size.width, 20))), layout=False)

    def _inks(self) -> dict[str, int]:
        nobody = RunPaths(self.folder / "")
        laid = self._overlays.shown(self.present or nobody)
        return {str(item.view.paths.root.resolve()): item.ink for item in laid}

    def _place_cursor(self) -> None:
        """At first on the run that is looked at, else on the newest that goes on; always on the newest if that is
        followed."""
        if not self.infos:
            return
        newest = max(self.infos, key=lambda info: (info.started, info.name))
        key = str(newest.paths.root)
        if self._newest == "":
            self._newest = key
            live = (info for info in self.infos if info.liveness in (Liveness.LIVE, Liveness.STARTING))
            at = newest if self._follow.is_on else next(live, None)
            if self.present is not None and not self._follow.is_on:
                self.rows.move_to(str(self.present.root))
            elif at is not None:
                self.rows.move_to(str(at.paths.root))
        elif self._follow.is_on and key != self._newest:
            self._newest = key
            self.rows.move_to(key)

    def _empty_words(self) -> str:
        if self.problem:
            return printable(self.problem)
        if not self.infos:
            return printable(f"no run in {self.folder}") if self.is_read else "reading the runs"
        return printable(f"no run has {self._text.strip()}")

    def _write_title(self) -> None:
        total, width = len(self.infos), self._title.size.width - 2
        if width < 1:
            return
        number = f"{total:d} run{'' if total == 1 else 's'}"
        words = [f"{len(self._shown)} of {number}" if len(self._shown) != total else number]
        words[0] += "" if self.is_read else " so far"
        words.append(f"by {self._order.column}{', inverted' if self._order.is_inverted else ''}")
        if self._text and self._filter.tests:
            words.append(f"filter {self._text.strip()}")
        if self._follow.is_on:
            words.append("following the newest")
        if self.readonly:
            words.append("read only")
        left = fitted(" · ".join(map(said, words)), width)
        room = width - columns(left) - 2
        right = cut_start(str(self.folder), room) if room > 10 else ""
        gap = max(width - Content(left).cell_length - Content(right).cell_length, 0)
        line = [Content.styled(left, "bold"), Content(" " * gap), Content.styled(right, DIM)]
        self._title.update(Content("").join(line), layout=False)


def _group_line(name: str, words: str, _: int) -> Content:
    return Content("").join([Content.styled(printable(name), "underline"), Content.styled(f"  {words}", DIM)])
