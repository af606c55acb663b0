"""Taking a run out of the folder and giving one another name, from the list of runs; both only after a question.

Both have a command: `trainctl runs delete`, `trainctl runs rename`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from trainctl.engine.errors import UserError
from trainctl.engine.runs.folder.removal import Removal, check_run, delete_run, removal
from trainctl.engine.runs.folder.renaming import label_of, rename_run, renamed
from trainctl.engine.runs.layout import RunPaths
from trainctl.tui.messages import RunDeleted, RunRenamed
from trainctl.tui.plain import printable
from trainctl.tui.screens.listing import ListingScreen
from trainctl.tui.spoken import said
from trainctl.tui.widgets.rows import RowList
from trainctl.tui.words.folder import removal_lines

KEEP, DELETE = "", "delete"


class FolderActions(ListingScreen):
    """Delete and rename.

    Attributes:
        readonly: refuse both.
        rows: of which one is chosen.
    """

    readonly: bool = False
    rows: RowList

    def action_delete(self) -> None:
        """Say what would be deleted, ask, delete."""
        self._ask(lambda name: partial(self._confirm, removal(self.folder, name)))

    def action_rename(self) -> None:
        """Ask for a name, rename."""
        self._ask(lambda name: partial(self._prompt, check_run(self.folder, name)))

    def _ask(self, look: Callable[[str], Callable[[], None]]) -> None:
        """Look at the chosen run in a thread, then ask; what is refused is said."""
        if self.readonly:
            self._refuse("read only: no run is deleted or renamed; open the cockpit without --readonly")
        elif self.rows.chosen_key:
            self._work(partial(look, Path(self.rows.chosen_key).name))

    def _work(self, act: Callable[[], Callable[[], None]]) -> None:
        """Do something in a thread, then show what it gives; what is refused is said."""

        def work() -> None:
            try:
                show = act()
            except UserError as err:
                show = partial(self._refuse, str(err))
            self.app.call_from_thread(show)

        self.run_worker(work, thread=True, group="folder")

    def _confirm(self, what: Removal) -> None:
        from trainctl.tui.screens.dialogs.choice import Choice, ChoiceScreen

        name = what.paths.root.name
        choices = [Choice(KEEP, "Keep it"), Choice(DELETE, "Delete it for good")]

        def decided(answer: str | None) -> None:
            if answer == DELETE:
                self._work(partial(self._delete, what.paths))

        body = "\n".join(printable(said(line)) for line in removal_lines(what))
        self.app.push_screen(ChoiceScreen(printable(f"delete {name}"), choices, body=body), decided)

    def _delete(self, paths: RunPaths) -> Callable[[], None]:
        delete_run(self.folder, paths.root.name)
        return partial(self._deleted, paths)

    def _deleted(self, paths: RunPaths) -> None:
        self.app.post_message(RunDeleted(paths))
        self.memory_forgets(str(paths.root))
        self.notify(f"deleted: {printable(paths.root.name)}", markup=False)
        self.load()

    def _prompt(self, paths: RunPaths) -> None:
        from trainctl.tui.screens.dialogs.prompt import PromptScreen

        name = paths.root.name

        def named(wish: str | None) -> None:
            if wish is not None:
                self._work(partial(self._rename, paths, wish))

        hint = ("its date and id stay; " if label_of(name) != name else "") + "enter renames, esc closes"
        self.app.push_screen(
            PromptScreen(printable(f"rename {name}"), hint, partial(renamed, name), printable(label_of(name))), named
        )

    def _rename(self, paths: RunPaths, wish: str) -> Callable[[], None]:
        return partial(self._renamed, paths, rename_run(self.folder, paths.root.name, wish))

    def _renamed(self, before: RunPaths, now: RunPaths) -> None:
        if before != now:
            self.app.post_message(RunRenamed(before, now))
            self.memory_forgets(str(before.root), str(now.root))
            self.notify(f"renamed: {printable(now.root.name)}", markup=False)
            self.load()

    def memory_forgets(self, folder: str, instead: str = "") -> None:
        """A run is not there any more, or elsewhere."""

    def _refuse(self, why: str) -> None:
        self.notify(why, severity="warning", markup=False)
