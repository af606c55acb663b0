"""Looking at the data and for a learning rate: pages of their own, with the run's own configuration and data."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from trainctl.engine.errors import UserError
from trainctl.engine.runs.commands import Verb
from trainctl.tui.messages import LaunchRequested
from trainctl.tui.screens.acts.runs import difference
from trainctl.tui.screens.base import CockpitBase
from trainctl.tui.words.verdict import Severity

if TYPE_CHECKING:
    from trainctl.tui.health.fixes import FixPlan

BESIDE, INSTEAD, NOTHING = "beside", "instead", ""


class DataActions(CockpitBase):
    """The page of the data and that of the learning rate."""

    def action_data(self) -> None:
        """Look at the data as the run sees it."""
        from trainctl.tui.screens.jobs.data import DataScreen

        words = self._own_words("data")
        if words:
            data = (self.session.view.meta or {}).get("data") or "built-in data"
            self.app.push_screen(DataScreen(f"{self.session.view.preset}, {data}", words, self.request.environ))

    def action_find_lr(self) -> None:
        """Sweep the learning rate, then offer what it suggests."""
        from trainctl.tui.screens.jobs.lr_finder import LrFinderScreen

        words = self._own_words("lr-find")
        if words:
            self.app.push_screen(LrFinderScreen(self.session, words, self.request.environ), self._use_rate)

    def _own_words(self, verb: str) -> list[str]:
        """A command on the run's own configuration; nothing where there is none, which is said."""
        from trainctl.tui.processes.own_run import own_words

        try:
            return own_words(verb, self.session.paths, self.session.view.meta)
        except UserError as err:
            self.say(str(err), Severity.WARNING)
            return []

    def _use_rate(self, lr: float | None) -> None:
        if lr is not None:
            self.wait_for("working out the new run", lambda: self._plan_rate(lr))

    def _plan_rate(self, lr: float) -> Callable[[], None]:
        """In a thread: the configuration schema takes longer to import than a key may take to be answered."""
        from trainctl.tui.health import fixes

        meta = self.session.view.meta or {}
        plan = fixes.plan_fix({"optimizer.lr": lr}, self.session.paths, meta, self.request)
        return partial(self._confirm_rate, lr, plan)

    def _confirm_rate(self, lr: float, plan: FixPlan) -> None:
        from trainctl.tui.screens.dialogs.choice import Choice, ChoiceScreen

        is_over = self.session.view.is_over
        choices = [Choice(BESIDE, "Start a new run" if is_over else "Start a new run; the present one goes on")]
        if not is_over:
            choices.append(Choice(INSTEAD, "Stop the present run with a checkpoint, then start the new one"))

        def start(answer: str | None) -> None:
            if answer and (answer != INSTEAD or self.attempt(lambda: self.session.ask(Verb.STOP))):
                self.post_message(LaunchRequested(plan.request, beside=self.session.paths))

        title = f"new run with learning rate {lr:g}"
        choices.append(Choice(NOTHING, "Do nothing"))
        self.app.push_screen(ChoiceScreen(title, choices, body=difference(plan.changes)), start)
