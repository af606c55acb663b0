"""Other runs: open one, lay some over this one, compare, start one with another preset, fork this one.

Starting and opening is asked of the app by message.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from textual.content import Content

from trainctl.engine.errors import UserError
from trainctl.engine.runs.commands import Verb
from trainctl.tui.messages import AttachRequested, LaunchRequested
from trainctl.tui.plain import columns, padded, printable
from trainctl.tui.processes.launch import LaunchRequest
from trainctl.tui.run.scene import Overlay
from trainctl.tui.screens.base import CockpitBase
from trainctl.tui.spoken import said
from trainctl.tui.words.verdict import Severity

if TYPE_CHECKING:
    from trainctl.tui.screens.dialogs.choice import Choice
    from trainctl.tui.screens.listing import RunsAnswer

BESIDE, INSTEAD, FORK = "beside", "instead", "fork"
LATEST, BEST = "latest", "best"
DO_NOTHING = "Do nothing"


class OtherRunsActions(CockpitBase):
    """The list of runs, the comparison and the list of presets."""

    def action_runs(self) -> None:
        """The list of runs."""
        from trainctl.tui.screens.run_list import Workspace
        from trainctl.tui.screens.runs import RunsScreen

        about = Workspace(
            self.request.runs_dir,
            self.session.paths,
            self.overlays,
            self.memory,
            self.show_overlays,
            self.newest,
            self.session.readonly,
        )
        self.app.push_screen(RunsScreen(about), self._act_on_runs)

    def action_newest(self) -> None:
        """Always look at the newest run, or no more."""
        self.newest.is_on = not self.newest.is_on
        self.say("always the newest run: each is opened as it begins" if self.newest.is_on else "this run stays open")

    def action_compare(self) -> None:
        """Compare this run with those laid over it; without any, choose them first."""
        if not self.scene.overlays:
            self.say("mark runs with space, then k compares them with this one")
            self.action_runs()
            return
        from trainctl.tui.run.names import short_names
        from trainctl.tui.screens.compare import CompareScreen

        names = [self.session.paths.root.name, *(item.view.paths.root.name for item in self.scene.overlays)]
        present = Overlay(short_names(names)[0], self.session.view, 0)
        screen = CompareScreen([present, *self.scene.overlays], self.memory, self._look_at)
        self.app.push_screen(screen, lambda _: self._look_at(self.scene.window))

    def _look_at(self, window: tuple[float, float] | None) -> None:
        self.session.look_at(window)
        self.overlays.look_at(window)

    def _act_on_runs(self, answer: RunsAnswer | None) -> None:
        if answer is None:
            return
        if answer.run is None:
            self.action_compare()
        elif answer.run.root.resolve() != self.session.paths.root.resolve():
            self.post_message(AttachRequested(answer.run))

    # --- presets ------------------------------------------------------------------------------------------

    def action_presets(self) -> None:
        """Choose a preset, look at the difference, start a new run or fork this one."""
        present = self.session.view.preset or self.request.preset or "balanced"
        self.wait_for("reading the presets", lambda: self._read_presets(present))

    def _read_presets(self, present: str) -> Callable[[], None]:
        """In a thread: the configuration schema takes longer to import than a key may take to be answered."""
        from trainctl.tui import presets
        from trainctl.tui.screens.dialogs.choice import Choice

        full = presets.full_name(present)
        choices = [Choice(*one) for one in presets.preset_choices(full)]
        return partial(self._show_presets, choices, full)

    def _show_presets(self, choices: Sequence[Choice], present: str) -> None:
        from trainctl.tui.screens.dialogs.choice import ChoiceScreen

        def compare(answer: str | None) -> None:
            if answer is not None:
                self.confirm_preset(answer)

        self.app.push_screen(ChoiceScreen("presets", choices, marked=present), compare)

    def confirm_preset(self, name: str) -> None:
        """Show what the preset would change, and start a run with it or fork this one when told to."""
        from trainctl.tui.screens.dialogs.choice import Choice, ChoiceScreen

        request = self.request.with_preset(name)
        changed = self._changes(request)
        if changed is None:
            return
        is_over = self.session.view.is_over
        choices = [Choice(BESIDE, "Start a new run" if is_over else "Start a new run; the present one goes on")]
        if not is_over:
            choices.append(Choice(INSTEAD, "Stop the present run with a checkpoint, then start the new one"))
        if self.session.paths.latest.is_file():
            choices.append(Choice(FORK, "Fork the present run: a new run that goes on from its checkpoint"))
        body = difference(changed)
        if choices[-1].answer != FORK:
            body = Content("\n").join([body, Content.styled(said("No checkpoint to fork from yet."), "$chart-label")])

        def start(answer: str | None) -> None:
            if answer == FORK:
                self.confirm_fork(name)
            elif answer and (answer != INSTEAD or self.attempt(lambda: self.session.ask(Verb.STOP))):
                self._launch(request)

        self.app.push_screen(ChoiceScreen(f"new run with {name}", [*choices, Choice("", DO_NOTHING)], body=body), start)

    def confirm_fork(self, name: str) -> None:
        """Show what a fork with the preset would change, and start it from a checkpoint when told to."""
        from trainctl.tui.screens.dialogs.choice import Choice, ChoiceScreen

        paths = self.session.paths
        changed = self._changes(self.request.forking(paths.root, name))
        if changed is None:
            return
        choices = [Choice(LATEST, "From the newest checkpoint")] if paths.latest.is_file() else []
        best = self.session.view.best
        if paths.best.is_file():
            reached = f": {best.metric} {best.value:.4g} at step {best.step}" if best else ""
            choices.append(Choice(BEST, f"From the best checkpoint{reached}"))

        def start(answer: str | None) -> None:
            if answer:
                self._launch(self.request.forking(paths.root, name, best=answer == BEST))

        title = f"fork with {name}"
        self.app.push_screen(ChoiceScreen(title, [*choices, Choice("", DO_NOTHING)], body=difference(changed)), start)

    def _changes(self, request: LaunchRequest) -> Sequence[tuple[str, object, object]] | None:
        """What a request would change; none where it cannot be started, which is said."""
        from trainctl.tui import presets

        try:
            self.session.check_may_change()
            present = presets.present_configuration(self.session.paths.config, self.request)
            return presets.changes(present, request)
        except UserError as err:
            self.say(str(err), Severity.WARNING)
            return None

    def _launch(self, request: LaunchRequest) -> None:
        """Start it, with the present run laid over so that both are seen."""
        self.post_message(LaunchRequested(request, beside=self.session.paths))


def difference(changed: Sequence[tuple[str, object, object]]) -> Content:
    """A line per value that changes: name, present value, new value."""
    if not changed:
        return Content(said("Nothing differs from the present configuration."))
    width = max(columns(name) for name, _, _ in changed)
    rows = [
        Content("").join(
            [
                Content(f"{padded(name, width)}  "),
                Content.styled(_shown(old), "$chart-label"),
                Content(" -> "),
                Content.styled(_shown(new), "bold"),
            ]
        )
        for name, old, new in changed
    ]
    return Content("\n").join(rows)


def _shown(value: object) -> str:
    return "-" if value is None else printable(str(value))
