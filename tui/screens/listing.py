"""What the list of runs reads, in threads: the folder, the losses of the rows on the screen, the run under the cursor.

Keeps what was read; what is done with it is the business of `runs`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from textual.worker import get_current_worker

from trainctl.engine.errors import UserError
from trainctl.engine.runs.folder.listing import RunListing
from trainctl.engine.runs.index import RunInfo
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.status import Liveness
from trainctl.tui.listing.courses import Courses
from trainctl.tui.listing.listed import Listed
from trainctl.tui.listing.preview import Preview
from trainctl.tui.listing.reading import PreviewReader
from trainctl.tui.screens.dialogs.dialog import Dialog

FIRST = 60
"""Runs that are read before the list is shown."""
PERIOD_S = 2.0
"""Seconds between two looks at the folder."""
REST_S = 0.12
"""Seconds that the cursor rests on a run before it is read."""
PORTION = 16
"""Courses that are read between two changes of the list."""


@dataclass(frozen=True)
class RunsAnswer:
    """What is to be done: look at `run`, or compare it with what is laid over; None: the run that is looked at."""

    run: RunPaths | None
    is_compared: bool = False


class ListingScreen(Dialog[RunsAnswer]):
    """The runs of a folder, kept up to date while they are on the screen.

    Args:
        folder: that holds the runs.
        present: the run that is looked at; none: nobody looks at one yet.
    """

    def __init__(self, folder: Path, present: RunPaths | None) -> None:
        super().__init__()
        self.folder, self.present = folder.resolve(), None if present is None else RunPaths(present.root.resolve())
        self.infos: Sequence[RunInfo] = ()
        self.is_read = False
        """Whether the whole folder was looked at."""
        self.problem = ""
        """Why the folder cannot be read; empty: it can."""
        self._listing = RunListing(self.folder)
        self._courses = Courses()
        self._listed: dict[str, Listed] = {}
        self._reader = PreviewReader(self.present)
        self._is_loading = self._is_reading_courses = False
        self._asked: dict[str, RunPaths] = {}
        self._selected = ""

    def on_mount(self) -> None:
        """Read now, and again from time to time."""
        self._home = self.app
        self.load()
        self.set_interval(PERIOD_S, self.load)

    # --- for the subclass to fill ----------------------------------------------------------------------------

    def show_runs(self) -> None:
        """The runs, or what is known of them, have changed."""

    def show_time(self) -> None:
        """Nothing has changed but the time."""

    def show_preview(self, preview: Preview | None, words: str = "") -> None:
        """The run under the cursor, or why there is nothing to show of it."""

    # --- the folder ------------------------------------------------------------------------------------------

    def load(self) -> None:
        """Look at the folder, unless that is being done, or something lies on top."""
        if not self._is_loading and self.is_current:
            self._is_loading = True
            self.run_worker(self._read, thread=True, group="runs")

    def _read(self) -> None:
        """In a thread: a thousand runs take a moment, the newest need not wait for them."""
        try:
            if not self.infos:
                self._hand_over(self._take, self._listing.refresh(FIRST), False)
            infos, before = self._listing.refresh(), {info.name: info for info in self.infos}
            for info in infos:
                if before.get(info.name) is not info and self._courses.known(info.paths) is not None:
                    self._courses.of(info.paths)
            self._hand_over(self._take, infos, True)
        except UserError as err:
            self._hand_over(self._fail, str(err))
        finally:
            self._is_loading = False

    def _take(self, infos: Sequence[RunInfo], is_whole: bool) -> None:
        if not self.is_attached:
            return
        before = {info.name: info for info in self.infos}
        changed = [info for info in infos if before.get(info.name) is not info]
        is_new = is_whole and not self.is_read
        self.problem, self.infos, self.is_read = "", infos, self.is_read or is_whole
        if changed or is_new or len(before) != len(infos):
            self._listed = {info.name: self._listed[info.name] for info in infos if info.name in self._listed}
            self.show_runs()
        else:
            self.show_time()
        selected = next((info for info in infos if str(info.paths.root) == self._selected), None)
        if selected is not None and (selected.liveness is not Liveness.OVER or selected in changed) and not is_new:
            self._read_selected()

    def _fail(self, reason: str) -> None:
        if not self.is_attached:
            return
        self.problem = reason
        self.show_runs()

    # --- losses ----------------------------------------------------------------------------------------------

    def listed(self, info: RunInfo, pinned: frozenset[str]) -> Listed:
        """A run as it is listed, with what was read of its loss; the same object as before where nothing changed."""
        course, is_pinned = self._courses.known(info.paths), str(info.paths.root) in pinned
        run = self._listed.get(info.name)
        if run is None or run.info is not info or run.course is not course or run.is_pinned != is_pinned:
            run = self._listed[info.name] = Listed(info, course, is_pinned)
        return run

    def ask_for_course(self, paths: RunPaths) -> None:
        """Have the loss of a run read, soon."""
        if str(paths.root) not in self._asked:
            self._asked[str(paths.root)] = paths
            if not self._is_reading_courses:
                self._is_reading_courses = True
                self.call_after_refresh(self.run_worker, self._read_courses, thread=True, group="courses")

    def _read_courses(self) -> None:
        """In a thread, until none is asked for."""
        worker = get_current_worker()
        try:
            while self._asked and not worker.is_cancelled:
                for key in [*self._asked][:PORTION]:
                    self._courses.of(self._asked[key])
                    self._asked.pop(key, None)
                self._hand_over(self._show_courses)
        finally:
            self._is_reading_courses = False

    def _show_courses(self) -> None:
        if self.is_attached:
            self.show_runs()

    def _hand_over(self, take: Callable[..., object], *found: object) -> None:
        """From a thread. A list that was closed meanwhile has no app any more: the one that it had is asked."""
        self._home.call_from_thread(take, *found)

    # --- the run under the cursor ----------------------------------------------------------------------------

    def select(self, key: str) -> None:
        """The cursor stands on another run: show what is known of it, and read it if the cursor stays."""
        self._selected = key
        if not key:
            self.show_preview(None)
            return
        self.set_timer(REST_S, partial(self._rested, key))

    def _rested(self, key: str) -> None:
        if key == self._selected and self.is_attached:
            known = self._reader.preview(RunPaths(Path(key)))
            if known is not None and known.is_shown:
                self._show(known)
            self._read_selected()

    def _read_selected(self) -> None:
        if self._selected and self.wants_preview:
            work = partial(self._read_preview, self._selected)
            self.run_worker(work, thread=True, group="preview", exclusive=True)

    @property
    def wants_preview(self) -> bool:
        """Whether there is room for a preview and the user wants one."""
        return True

    def _read_preview(self, key: str) -> None:
        """In a thread."""
        worker = get_current_worker()

        def is_wanted() -> bool:
            return key == self._selected and not worker.is_cancelled

        def deliver(preview: Preview, bring: Callable[[], None]) -> None:
            if not worker.is_cancelled:
                self._hand_over(self._take_preview, key, preview, bring)

        try:
            self._reader.read(RunPaths(Path(key)), is_wanted, deliver)
        except UserError as err:
            self._hand_over(self._fail_preview, key, str(err))

    def _take_preview(self, key: str, preview: Preview, bring: Callable[[], None]) -> None:
        bring()
        if key == self._selected and self.is_attached:
            self._show(preview)

    def _show(self, preview: Preview) -> None:
        preview.is_shown = True
        self.show_preview(preview)

    def _fail_preview(self, key: str, reason: str) -> None:
        if key == self._selected and self.is_attached:
            self.show_preview(None, reason)
