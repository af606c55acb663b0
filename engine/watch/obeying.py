"""What a watched loop is asked while it trains: obeyed between two steps, acknowledged with the step, or refused.

A foreign loop can be held, hurried and slowed; its losses, length and validation are its own. Knows boundaries and the
desk, no rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from trainctl.engine.errors import kind_and_words
from trainctl.engine.runs.commands import Command, Verb
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.states import RunState
from trainctl.engine.training.desk.control import POLL_S
from trainctl.engine.training.desk.desk import Desk
from trainctl.engine.watch.boundary import Boundary

OwnWay = Callable[[], object]
"""A function of the loop's; what it returns, if that is text, is said of it."""


REFUSED = "refused: "


class StopTraining(SystemExit):
    """Raised between two steps in a loop that never asks `should_stop`, when somebody asks the run to stop."""


class Orders:
    """What one watched loop is told.

    Args:
        desk: gives the outside.
        boundaries: of its optimisers; may grow.

    Attributes:
        on_checkpoint: the loop's own way to save itself; None: it named none.
        on_validate: the loop's own way to validate; None: it named none.
        should_stop: whether somebody asked the run to stop.
        asks_to_stop: whether the loop looks at `should_stop`.
    """

    def __init__(self, desk: Callable[[], Desk], boundaries: Callable[[], Sequence[Boundary]]) -> None:
        self._find_desk, self._boundaries = desk, boundaries
        self.on_checkpoint: OwnWay | None = None
        self.on_validate: OwnWay | None = None
        self.should_stop = self.asks_to_stop = False

    @property
    def _desk(self) -> Desk:
        return self._find_desk()

    def listen(self, step: int) -> None:
        """Obey what has arrived.

        Raises:
            StopTraining: it shall stop, and does not ask.
        """
        while self._desk.inbox:
            self._obey(self._desk.inbox.take(), step)
        if self.should_stop and not self.asks_to_stop:
            raise StopTraining(75)

    def _obey(self, command: Command, step: int) -> None:
        match command.verb:
            case Verb.PAUSE:
                self._acknowledge(command, step, "paused")
                self._pause(step)
            case Verb.RESUME:
                self._acknowledge(command, step, "was not paused")
            case Verb.STOP:
                self._stop(command, step)
            case Verb.CHECKPOINT:
                self._acknowledge(command, step, self._save(step))
            case Verb.VALIDATE:
                self._acknowledge(command, step, self._call(self.on_validate, "on_validate", "validated by the loop"))
            case Verb.SET:
                self._acknowledge(command, step, self._set(command.args))

    def _stop(self, command: Command, step: int) -> None:
        if self.on_checkpoint is not None:
            self._acknowledge(command, step, f"stopping after this step; {self._save(step)}")
        elif self.asks_to_stop:
            self._acknowledge(command, step, "stopping when the loop looks at should_stop")
        else:
            self._acknowledge(command, step, "stopping after this step; nothing is saved: there is no on_checkpoint")
        self.should_stop = True

    def _save(self, step: int) -> str:
        said = self._call(self.on_checkpoint, "on_checkpoint", "checkpoint written by the loop")
        if not said.startswith(REFUSED):
            self._desk.writer.event(EventKind.CHECKPOINT, step, which="the loop's own")
        return said

    def _call(self, way: OwnWay | None, name: str, done: str) -> str:
        """What came of a function of the user's: what goes wrong in it must not end a training that works."""
        if way is None:
            return f"{REFUSED}the loop named no {name}"
        try:
            said = way()
        except Exception as err:
            return f"{REFUSED}{name} failed: {kind_and_words(err)}"
        return said if isinstance(said, str) else done

    def _pause(self, step: int) -> None:
        self._desk.pulse.enter(RunState.PAUSED)
        while not self.should_stop:
            self._desk.inbox.wait(POLL_S)
            if self._desk.inbox:
                command = self._desk.inbox.take()
                if command.verb is Verb.RESUME:
                    self._acknowledge(command, step, "resumed")
                    break
                self._obey(command, step)
        self._desk.pulse.enter(RunState.RUNNING)

    def _set(self, args: dict[str, Any]) -> str:
        name, value = args["name"], args["value"]
        if name == "lr":
            return self._set_lr(args)
        if name == "clip":
            for boundary in self._boundaries():
                boundary.clip = value
            return "clip off; the loop's own stays" if value is None else f"clip {value:g}, beside the loop's own"
        return f"refused: the loop's {'number of epochs is' if name == 'epochs' else 'loss weights are'} its own"

    def _set_lr(self, args: dict[str, Any]) -> str:
        said: list[str] = []
        for boundary in self._boundaries():
            optimizer = boundary.optimizer
            if optimizer is None:
                continue
            own, factor = optimizer.param_groups[0]["lr"], args["value"]
            if args["op"] == "mul":
                factor = boundary.rate_factor * factor
            elif isinstance(own, float) and own > 0:
                factor = factor / own
            else:
                return "refused: the loop's rate is 0 or lies on the device: say lr x0.5"
            if not 0 < factor < math.inf:
                return f"refused: a factor of {factor:g}"
            boundary.rate_factor = factor
            said.append(f"lr of the loop times {factor:.4g} from the next step")
        return said[0] if said else "refused: no optimiser is left"

    def _acknowledge(self, command: Command, step: int, effect: str) -> None:
        kept = {"id": command.id, "verb": str(command.verb), "args": command.args}
        self._desk.writer.event(EventKind.COMMAND, step, **kept, effect=effect)


def obeyed(orders: Orders) -> list[str]:
    """Verbs that mean something to this loop, for whoever shows keys."""
    known = [Verb.PAUSE, Verb.RESUME, Verb.STOP, Verb.SET]
    own = {Verb.CHECKPOINT: orders.on_checkpoint, Verb.VALIDATE: orders.on_validate}
    return [str(verb) for verb in (*known, *(verb for verb, way in own.items() if way is not None))]


def log_traceback(paths: RunPaths, text: str) -> None:
    """Keep what ended a loop beside its records."""
    with paths.console.open("a", encoding="utf-8", errors="replace") as file:
        file.write(text)
