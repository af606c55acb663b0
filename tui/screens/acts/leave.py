"""Leaving the cockpit: detach, stop or kill. The run goes on unless the user says otherwise."""

from __future__ import annotations

from trainctl.engine.runs.commands import Verb
from trainctl.tui.screens.base import CockpitBase

DETACH, STOP, KILL = "detach", "stop", "kill"


class LeaveActions(CockpitBase):
    """The way out."""

    def action_quit(self) -> None:
        """Ask how to leave; at once when there is nothing left to decide."""
        if self.session.view.is_over or self.session.readonly:
            self.app.exit()
            return
        from trainctl.tui.screens.dialogs.choice import Choice, ChoiceScreen

        choices = [
            Choice(DETACH, "Detach: the training goes on without the cockpit"),
            Choice(STOP, "Stop: finish this step, write a checkpoint, end the run (it can be resumed)"),
            Choice(KILL, "Kill: end the process now; what came after the last checkpoint is lost"),
        ]
        self.app.push_screen(ChoiceScreen("leave the cockpit", choices), self._leave)

    def _leave(self, answer: str | None) -> None:
        if answer is None:
            return
        if answer == STOP and not self.attempt(lambda: self.session.ask(Verb.STOP)):
            return
        if answer == KILL and not self.attempt(self.session.kill):
            return
        self.app.exit()
