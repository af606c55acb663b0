"""What the keys ask of the run: pause, stop, save, validate, learning rate, weights. Asks through the session only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trainctl.engine.runs.commands import Verb, parse_command
from trainctl.engine.runs.states import RunState
from trainctl.tui.screens.base import CockpitBase

STOP = "stop"
Request = tuple[Verb, dict[str, Any]]
ASKS = ("pause", "stop", "checkpoint", "validate", "learning_rate", "weights", "fix")
"""Actions that ask something of the run."""
VERBS = {"checkpoint": Verb.CHECKPOINT, "validate": Verb.VALIDATE, "weights": Verb.SET, "learning_rate": Verb.SET}
"""What an action asks of the run."""


class RunActions(CockpitBase):
    """Commands to the run; each takes effect between two steps and is acknowledged by an event."""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """As the base class; a key that a foreign loop does not obey is dim."""
        verb, obeys = VERBS.get(action), self.session.view.obeys
        if verb is not None and obeys is not None and verb not in obeys:
            return None
        return super().check_action(action, parameters)

    def key_label(self, action: str, label: str) -> str:
        """What is asked of a run is offered only where it may be, and where somebody hears it."""
        view = self.session.view
        if action not in ASKS:
            return label
        if self.session.readonly or view.is_over:
            return ""
        return "resume" if action == "pause" and view.state is RunState.PAUSED else label

    def action_pause(self) -> None:
        """Pause, or resume when paused."""
        self.attempt(self.session.pause_or_resume)

    def action_stop(self) -> None:
        """Ask whether to stop after this step, with a checkpoint."""
        from trainctl.tui.screens.dialogs.choice import Choice, ChoiceScreen

        if not self.attempt(self.session.check_may_ask):
            return
        choices = [
            Choice("", "Go on training"),
            Choice(STOP, "Stop: finish this step, write a checkpoint, end the run (it can be resumed)"),
        ]
        self.app.push_screen(ChoiceScreen("end the run", choices), self._stop)

    def _stop(self, answer: str | None) -> None:
        if answer == STOP:
            self.attempt(lambda: self.session.ask(Verb.STOP))

    def action_checkpoint(self) -> None:
        """Write a checkpoint."""
        self.attempt(lambda: self.session.ask(Verb.CHECKPOINT))

    def action_validate(self) -> None:
        """Validate now."""
        self.attempt(lambda: self.session.ask(Verb.VALIDATE))

    def action_learning_rate(self) -> None:
        """Ask for a factor or a value, then send it."""
        if self.attempt(self.session.check_may_change):
            hint = "a factor: 0.5 halves it; =3e-4 sets it; enter sends, esc closes"
            self._prompt("learning rate ×", hint, learning_rate_change, "0.5")

    def action_weights(self) -> None:
        """Choose a term, the clip norm or the epochs, then ask for the value."""
        from trainctl.tui.screens.dialogs.choice import Choice, ChoiceScreen

        if not self.attempt(self.session.check_may_change):
            return
        view = self.session.view
        choices: list[Choice] = []
        for term in view.layout.terms if view.layout else ():
            now = float(view.last[f"weight.{term}"]) if view.last is not None else None
            choices.append(Choice(f"weight.{term}", f"weight of {term}", f"now {now:g}" if now is not None else ""))
        clip = float(view.last["clip"]) if view.last is not None else float("nan")
        choices.append(Choice("clip", "clip norm", f"now {clip:g}" if clip == clip else "now off"))
        epochs = f"now {view.status.epochs:d}" if view.status else ""
        choices.append(Choice("epochs", "number of epochs", epochs))
        self.app.push_screen(ChoiceScreen("change", choices), self._ask_value)

    def _ask_value(self, name: str | None) -> None:
        if name is None:
            return
        hints = {"clip": "a norm, or off", "epochs": "a number of epochs, the present ones included"}
        hint = hints.get(name, "a weight; x0.5 halves it") + "; enter sends, esc closes"
        self._prompt(name, hint, lambda text: parse_command(["set", name, text.strip()]))

    def _prompt(self, title: str, hint: str, parse: Callable[[str], Request], value: str = "") -> None:
        from trainctl.tui.screens.dialogs.prompt import PromptScreen

        def send(text: str | None) -> None:
            if text is not None:
                self.attempt(lambda: self.session.ask(*parse(text)))

        self.app.push_screen(PromptScreen(title, hint, parse, value), send)


def learning_rate_change(text: str) -> Request:
    """What is typed at `learning rate ×`: a factor, or `=` and a value. A slip must not set the rate to 0.5.

    Raises:
        UserError: no number, or one that is not allowed.
    """
    text = text.strip()
    return parse_command(["set", "lr", text if text.startswith("=") else f"x{text.lstrip('x×*')}"])
