"""What the panel of presets and runs needs and asks for: read in a thread while it is shown, acted on by others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from trainctl.engine.errors import UserError
from trainctl.engine.runs.index import RunInfo, list_runs
from trainctl.engine.runs.layout import RunPaths
from trainctl.tui.messages import AttachRequested
from trainctl.tui.screens.acts.runs import OtherRunsActions
from trainctl.tui.widgets.rows import RowList
from trainctl.tui.widgets.shelf import PRESET, RUN, ShelfPanel
from trainctl.tui.words.verdict import Severity

MOST_RUNS = 50
PERIOD_S = 3.0
AFTER_PAINT_S = 0.5
"""Seconds after which the presets are read: their schema takes long to import, and the first paint comes first."""


class ShelfActions(OtherRunsActions):
    """Keeps the panel up to date and does what is chosen in it."""

    _presets: Mapping[str, bool] | None = None

    def on_mount(self) -> None:
        """Begin after the first paint."""
        self.set_timer(AFTER_PAINT_S, self._refresh_shelf)
        self.set_interval(PERIOD_S, self._refresh_shelf)

    @property
    def shelf(self) -> ShelfPanel:
        """The panel."""
        return cast(ShelfPanel, self.panels["shelf"])

    def on_row_list_chosen(self, message: RowList.Chosen) -> None:
        """A preset as under the key of presets; a run is opened."""
        if message.key.startswith(PRESET):
            self.confirm_preset(message.key.removeprefix(PRESET))
        elif message.key.startswith(RUN):
            paths = RunPaths(Path(message.key.removeprefix(RUN)))
            if paths.root.resolve() != self.session.paths.root.resolve():
                self.post_message(AttachRequested(paths))

    def on_row_list_marked(self, message: RowList.Marked) -> None:
        """Lay a run over, or take it away."""
        if not message.key.startswith(RUN):
            return
        paths = RunPaths(Path(message.key.removeprefix(RUN)))
        if paths.root.resolve() == self.session.paths.root.resolve():
            self.say("this run is the one that is looked at")
        elif self.attempt(lambda: self.overlays.toggle(paths)):
            self.show_overlays()

    def _refresh_shelf(self) -> None:
        if self.shelf.display and self.is_current:
            self.run_worker(self._read_shelf, thread=True, group="shelf", exclusive=True)

    def _read_shelf(self) -> None:
        """In a thread."""
        try:
            self.app.call_from_thread(self._show_runs, list_runs(self.request.runs_dir, MOST_RUNS))
            if self._presets is None:
                from trainctl.engine.config.presets import load_preset, preset_names

                presets = {name: load_preset(name).about.recommended for name in preset_names()}
                self.app.call_from_thread(self._take_presets, presets)
        except UserError as err:
            self.app.call_from_thread(self.say, str(err), Severity.WARNING)

    def _show_runs(self, infos: Sequence[RunInfo]) -> None:
        self.shelf.show_runs(infos)

    def _take_presets(self, presets: Mapping[str, bool]) -> None:
        self._presets = presets
        self.shelf.show_presets(presets)
