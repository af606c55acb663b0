"""What the run is told between two steps: commands, signals, the alarm, the step limit. Decides whether it ends.

Knows the desk and the state; how a validation or a checkpoint is made is asked of others.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from trainctl.engine.config.schema import RunConfig
from trainctl.engine.errors import ExitCode
from trainctl.engine.runs.commands import Command, Verb
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.states import RunState
from trainctl.engine.training.desk.control import EXIT_OF_SIGNAL, POLL_S
from trainctl.engine.training.desk.desk import Desk
from trainctl.engine.training.desk.meeting import Word
from trainctl.engine.training.desk.run_writer import Ending
from trainctl.engine.training.loop.examination import Examination
from trainctl.engine.training.loop.keeping import Keeping
from trainctl.engine.training.loop.settings import apply_setting
from trainctl.engine.training.state.state import TrainState

MOST_AT_ONCE = 8
"""Commands obeyed between two steps: whoever asks for a hundred thousand things must not stop the training."""

now_s = time.perf_counter


class Orders:
    """What one run is told.

    Attributes:
        ending: why the run ends after this step; none: it goes on.
    """

    def __init__(
        self,
        state: TrainState,
        config: RunConfig,
        desk: Desk,
        keeping: Keeping,
        examination: Examination,
        announce_plan: Callable[[], None],
    ) -> None:
        self._state, self._config, self._desk = state, config, desk
        self._keeping, self._examination, self._announce_plan = keeping, examination, announce_plan
        self.ending: Ending | None = None
        self._counted_s = now_s()
        self._is_paused = self._is_save_agreed = False
        if desk.meeting is not None:
            desk.meeting.bring, desk.meeting.take = self._word, self._agree

    def finish(self, reason: str) -> None:
        """End the run as finished, unless it ends for another reason already."""
        self.ending = self.ending or Ending(RunState.FINISHED, reason, ExitCode.OK)

    def listen(self) -> None:
        """Obey what has arrived. Costs a few attribute look-ups when nothing has."""
        desk = self._desk
        if desk.meeting is not None:
            desk.meeting.meet_after(self._state.progress.step)
        for _ in range(MOST_AT_ONCE):
            if not desk.inbox:
                break
            self._obey(desk.inbox.take())
        if self._is_save_due():
            self._keeping.save("latest")
        # After the commands: whoever asks for something and then ends the process gets both. And after the checkpoint,
        # which may take its time: the next samples may never come, and nothing would be heard then.
        if desk.signals.received is not None:
            self._obey_signal()
        if self._keeping.alarm is not None and self.ending is None:
            self.stop_nonfinite(self._keeping.alarm)
        for thread in (desk.scribe, desk.writer.clerk):
            if thread.error is not None:  # raised here: only this thread can end the run in good order
                thread.raise_error()
        if desk.meeting is None:  # else it was counted there
            self._count_time()
        self._end_at_limit()

    def heed_limits(self) -> None:
        """End the run where it has taken the steps or the time that it may take."""
        self._count_time()
        progress = self._state.progress
        progress.elapsed_s = self._desk.team.lead(progress.elapsed_s)
        self._end_at_limit()

    def _end_at_limit(self) -> None:
        limit = limit_reached(self._config, self._state)
        if limit is not None:
            self.finish(f"{limit.option.removeprefix('train.')}={limit.most:.10g} reached")

    def stop_nonfinite(self, step: int) -> None:
        """End the run for a loss or gradient that is not finite, whatever else it would have ended for."""
        text = f"loss or gradient not finite at step {step}; no update was applied since"
        self._desk.writer.event(EventKind.NONFINITE, step, text=text)
        self.ending = Ending(RunState.FAILED, text, ExitCode.RUN_FAILED)

    def _word(self) -> Word:
        """What this rank has to say at a meeting."""
        if not self._is_paused:
            self._count_time()
        is_due = self._keeping.times.is_due(self._config.checkpoint.every_s)
        return Word(self._keeping.heard or 0, is_due, self._state.progress.elapsed_s)

    def _agree(self, word: Word) -> None:
        """What holds for all ranks from here on."""
        self._keeping.agreed = word.alarm or self._keeping.agreed
        self._is_save_agreed |= word.is_save_due
        self._state.progress.elapsed_s = word.elapsed_s

    def _is_save_due(self) -> bool:
        if self._desk.meeting is None:
            return self._keeping.times.is_due(self._config.checkpoint.every_s)
        is_due, self._is_save_agreed = self._is_save_agreed, False
        return is_due

    def _obey(self, command: Command) -> None:
        effect = str(command.verb)
        match command.verb:
            case Verb.PAUSE:
                self._acknowledge(command, "paused")  # before it pauses: whoever asked sees it take effect
                self._pause()
                return
            case Verb.STOP:
                self.ending = self.ending or Ending(RunState.STOPPED, "stopped on request", ExitCode.STOPPED)
                effect = "stopping after this step"
            case Verb.CHECKPOINT:
                is_saved = self._keeping.save("latest")
                effect = "checkpoint written" if is_saved else "refused: the newest step is not finite"
            case Verb.VALIDATE:
                metrics, metric = self._examination.measure(), self._examination.referee.monitor.metric
                if metrics is None:
                    effect = "refused: the run ends"
                else:
                    effect = f"validated: {metric} {metrics.get(metric, math.nan):.4f}"
            case Verb.SET:
                effect = apply_setting(command.args, self._state)
                self._announce_plan()
            case Verb.RESUME:
                effect = "was not paused"
        self._acknowledge(command, effect)

    def _pause(self) -> None:
        # A paused process may be killed for its memory: what it has done so far is safe first.
        self._keeping.save("latest")
        self._desk.pulse.enter(RunState.PAUSED)
        self._count_time()
        waiting = self._is_paused = True
        while waiting and self._desk.signals.received is None and self.ending is None:
            self._desk.inbox.wait(POLL_S)
            self._desk.scribe.raise_error()
            if self._desk.inbox:
                waiting = self._obey_paused(self._desk.inbox.take())
        self._counted_s, self._is_paused = now_s(), False
        self._desk.pulse.enter(RunState.RUNNING)

    def _obey_paused(self, command: Command) -> bool:
        """Whether the run stays paused."""
        if command.verb is Verb.RESUME:
            self._acknowledge(command, "resumed")
            return False
        if command.verb is Verb.PAUSE:
            self._acknowledge(command, "is paused already")
        else:
            self._obey(command)
        return True

    def _count_time(self) -> None:
        """All that passed since it was counted last, whatever was done in it."""
        now = now_s()
        self._state.progress.elapsed_s += now - self._counted_s
        self._counted_s = now

    def _acknowledge(self, command: Command, effect: str) -> None:
        self._desk.writer.event(
            EventKind.COMMAND,
            self._state.progress.step,
            id=command.id,
            verb=str(command.verb),
            args=command.args,
            effect=effect,
        )

    def _obey_signal(self) -> None:
        received = self._desk.signals.received
        assert received is not None
        code = EXIT_OF_SIGNAL.get(received, ExitCode.STOPPED)
        self.ending = Ending(RunState.PREEMPTED, f"received {received.name}", code)


@dataclass(frozen=True)
class Limit:
    """How much of something a run may take."""

    option: str
    """By its dotted path."""
    most: float
    unit: str


def limit_reached(config: RunConfig, state: TrainState) -> Limit | None:
    """The limit of steps or time that the run has come to; None: to none."""
    train, progress = config.train, state.progress
    if train.max_steps is not None and progress.step >= train.max_steps:
        return Limit("train.max_steps", train.max_steps, "steps")
    if train.max_minutes is not None and progress.elapsed_s >= 60 * train.max_minutes:
        return Limit("train.max_minutes", train.max_minutes, "minutes")
    return None
