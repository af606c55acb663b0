"""Presets and runs at hand, in one list under two headings: what could be started, what could be laid over.

Gets what it shows; reads no files and starts nothing.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import ClassVar

from textual.content import Content

from trainctl.engine.runs.index import RunInfo
from trainctl.engine.runs.layout import RunPaths
from trainctl.tui.charts.framed import frame_css, write_frame
from trainctl.tui.charts.room import FRAME_ROWS, Demand
from trainctl.tui.listing.listed import Listed
from trainctl.tui.run.scene import Scene
from trainctl.tui.run.view import RunView
from trainctl.tui.spoken import said
from trainctl.tui.widgets.rows import Row, RowList
from trainctl.tui.widgets.run_rows import PRESENT, RunRow, RunTable

PRESET, RUN = "preset:", "run:"
"""What the keys of the rows begin with."""
LEAST_ROWS, MOST_ROWS = 3, 20
RECOMMENDED = "recommended"


class ShelfPanel(RowList):
    """Presets of the run's task, then the newest runs. Enter starts or opens what is chosen; space lays a run over."""

    heading: ClassVar[str] = "Presets and runs"
    DEFAULT_CSS = frame_css("ShelfPanel", "background: $background;")

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, empty="reading presets and runs")
        self._presets: Mapping[str, bool] = {}
        self._runs: Sequence[RunInfo] = ()
        self._present = ("", "")
        self._inks: Mapping[str, int] = {}

    def on_resize(self) -> None:
        """Say what the keys do, as far as there is room."""
        write_frame(self, self.heading, "", " · ".join(("enter starts, opens", "space lays over")))

    def on_mount(self) -> None:
        """Show the heading before the first data."""
        self.on_resize()

    def demand(self, width: int) -> Demand:
        """The first presets and runs."""
        del width
        return Demand(LEAST_ROWS + FRAME_ROWS, min(self.num_rows, MOST_ROWS) + FRAME_ROWS, weight=1)

    def show(self, view: RunView, scene: Scene) -> None:
        """Mark the present preset and run, and what is laid over."""
        present = (view.preset, _key(view.paths))
        inks = {_key(overlay.view.paths): overlay.ink for overlay in scene.overlays}
        if (present, inks) != (self._present, self._inks):
            self._present, self._inks = present, inks
            self._fill()

    def show_presets(self, presets: Mapping[str, bool]) -> None:
        """Presets by full name, and whether each is recommended."""
        self._presets = presets
        self._fill()

    def show_runs(self, runs: Sequence[RunInfo]) -> None:
        """Runs, newest first."""
        self._runs = runs
        self._fill()

    def _fill(self) -> None:
        preset, run = self._present
        task = preset.partition("/")[0]
        names = [name for name in self._presets if not task or name.partition("/")[0] == task]
        rows = [Row("", partial(_heading, "presets"))] if names else []
        rows += [Row(PRESET + name, partial(_preset_row, name, name == preset, self._presets[name])) for name in names]
        rows += [Row("", partial(_heading, "runs, newest first"))] if self._runs else []
        found = {
            key: RunRow(Listed(info), key == run, self._inks.get(key))
            for info in self._runs
            for key in (_key(info.paths),)
        }
        table = RunTable(list(found.values()), time.time())
        rows += [Row(RUN + key, partial(table.draw, row)) for key, row in found.items()]
        self.show_rows(rows)


def _heading(text: str, _: int) -> Content:
    return Content.styled(said(text), "$chart-label underline")


def _preset_row(name: str, is_present: bool, is_recommended: bool, _: int) -> Content:
    mark = Content.styled(PRESENT if is_present else " ", "bold $series-0")
    tags = [tag for tag, holds in (("present", is_present), (RECOMMENDED, is_recommended)) if holds]
    return Content("").join([mark, Content(f" {name}"), Content.styled(f"  {said(', '.join(tags))}", "$chart-label")])


def _key(paths: RunPaths) -> str:
    return str(paths.root.absolute())
