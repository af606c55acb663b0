"""The cockpit itself: colours, help, and writing out what is shown. Changes no run."""

from __future__ import annotations

from pathlib import Path

from trainctl.engine.errors import UserError
from trainctl.tui.palette import THEMES
from trainctl.tui.screens.base import CockpitBase
from trainctl.tui.words.verdict import Severity

CSV, JSON_LINES, SVG = "csv", "jsonl", "svg"


class AppActions(CockpitBase):
    """Theme, help, export."""

    def action_theme(self) -> None:
        """Choose the colours."""
        from trainctl.tui.screens.dialogs.choice import Choice, ChoiceScreen

        choices = [Choice(theme.name, label) for theme, label in THEMES]

        def apply(name: str | None) -> None:
            if name is not None:
                self.app.theme = self.memory.theme = name

        self.app.push_screen(ChoiceScreen("colours", choices, marked=self.app.theme), apply)

    def action_help(self) -> None:
        """Show the keys."""
        from trainctl.tui.screens.dialogs.help import HelpScreen

        self.app.push_screen(HelpScreen(self.keymap))

    def action_export(self) -> None:
        """Choose a format, write a new file into the present folder."""
        from trainctl.tui.screens.dialogs.choice import Choice, ChoiceScreen

        choices = [
            Choice(CSV, "CSV: every step, and every validation"),
            Choice(JSON_LINES, "JSON lines: the same, a line each"),
            Choice(SVG, "SVG: a picture of the screen"),
        ]
        self.app.push_screen(ChoiceScreen("export", choices), self._export)

    def _export(self, kind: str | None) -> None:
        if kind is None:
            return
        path = free_path(Path.cwd(), f"{self.session.paths.root.name}-step{self.session.view.step}", kind)
        if kind == SVG:
            # The dialog goes first: the picture is of the panels.
            self.call_after_refresh(self._picture, path)
        else:
            self.run_worker(lambda: self._records(kind, path), thread=True, group="export")

    def _picture(self, path: Path) -> None:
        try:
            from trainctl.tui.screenshot import as_svg

            path.write_text(as_svg(self.app, self.session.paths.root.name))
        except OSError as err:
            self._refuse(f"cannot write {path}: {err.strerror}")
        else:
            self.say(f"written: {path}")

    def _records(self, kind: str, path: Path) -> None:
        """In a thread: millions of lines take a while."""
        from trainctl.engine.runs.export.export import export_run

        try:
            written = export_run(self.session.paths, kind, path)
        except UserError as err:
            self.app.call_from_thread(self._refuse, str(err))
        else:
            self.app.call_from_thread(self.say, "written: " + ", ".join(str(part) for part in written))

    def _refuse(self, text: str) -> None:
        self.say(text, Severity.WARNING)


def free_path(folder: Path, stem: str, suffix: str) -> Path:
    """A path in the folder that no file has yet."""
    path = folder / f"{stem}.{suffix}"
    number = 2
    while path.exists():
        path = folder / f"{stem}-{number}.{suffix}"
        number += 1
    return path
