"""Other runs: open one, lay one over this one, start one with another preset, fork this one.

Starting and opening is asked of the app by message.
"""

from __future__ import annotations

from pathlib import Path

from textual.content import Content

from trainctl.engine.errors import UserError
from trainctl.engine.runs.commands import Verb
from trainctl.engine.runs.index import list_runs
from trainctl.engine.runs.layout import RunPaths
from trainctl.tui.messages import AttachRequested, LaunchRequested
from trainctl.tui.screens.base import CockpitBase
from trainctl.tui.screens.choice import Choice, ChoiceScreen
from trainctl.tui.verdict import Severity


class OtherRunsActions(CockpitBase):
    """The list of runs and the list of presets."""

    def action_runs(self) -> None:
        """Choose a run to attach to."""
        root = self.request.runs_dir
        try:
            infos = list_runs(root, limit=100)
        except UserError as err:
            self.say(str(err), Severity.WARNING)
            return
        if not infos:
            self.say(f"no run in {root}")
            return
        choices = [
            Choice(
                str(info.paths.root),
                f"{'●' if info.paths.root.resolve() == self.session.paths.root.resolve() else ' '} {info.name}",
                info.problem or f"{info.state or 'starting'}, {info.liveness}, step {info.step}/{info.total_steps}",
            )
            for info in infos
        ]

        def attach(answer: str | None) -> None:
            if answer is not None:
                self.post_message(AttachRequested(RunPaths(Path(answer))))

        self.app.push_screen(ChoiceScreen("runs, newest first", choices), attach)

    def action_presets(self) -> None:
        """Choose a preset, look at the difference, start a new run."""
        from trainctl.tui import presets  # the configuration schema takes longer to import than the screen

        present = self.session.view.preset or presets.full_name(self.request.preset or "balanced")

        def compare(answer: str | None) -> None:
            if answer is not None:
                self.confirm_preset(answer)

        try:
            choices = presets.preset_choices(present)
        except UserError as err:
            self.say(str(err), Severity.WARNING)
            return
        self.app.push_screen(ChoiceScreen("presets", choices, marked=present), compare)

    def confirm_preset(self, name: str) -> None:
        """Show what the preset would change, and start a run with it when told to."""
        from trainctl.tui import presets

        request = self.request.with_preset(name)
        try:
            present = presets.present_configuration(self.session.paths.config, self.request)
            changed = presets.changes(present, request)
            self.session.check_may_change()
        except UserError as err:
            self.say(str(err), Severity.WARNING)
            return
        choices = [Choice("beside", "Start a new run; the present one goes on")]
        if self.session.view.is_over:
            choices = [Choice("beside", "Start a new run")]
        else:
            choices.append(Choice("instead", "Stop the present run with a checkpoint, then start the new one"))
        choices.append(Choice("", "Do nothing"))

        def start(answer: str | None) -> None:
            if answer == "instead":
                self.attempt(lambda: self.session.ask(Verb.STOP))
            if answer:
                self.post_message(LaunchRequested(request))

        self.app.push_screen(ChoiceScreen(f"new run with {name}", choices, body=difference(changed)), start)


def difference(changed: list[tuple[str, object, object]]) -> Content:
    """A line per value that changes: name, present value, new value."""
    if not changed:
        return Content("Nothing differs from the present configuration.")
    width = max(len(name) for name, _, _ in changed)
    rows = [
        Content("").join(
            [
                Content(f"{name:<{width}}  "),
                Content.styled(_shown(old), "$chart-label"),
                Content(" -> "),
                Content.styled(_shown(new), "bold"),
            ]
        )
        for name, old, new in changed
    ]
    return Content("\n").join(rows)


def _shown(value: object) -> str:
    return "-" if value is None else str(value)
