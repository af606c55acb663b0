"""Where the ranks of a run agree: between two steps, by one small reduction. Alone there is nothing to agree on.

What any rank received as a signal, what the rank that leads was asked and what its clock decides, all learn at the same
step. The loop looks at signals and inbox as ever; those of a team hold only what was agreed. Knows no loop.
"""

from __future__ import annotations

import signal
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from trainctl.engine.runs.commands import Command
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.training.desk.control import Found, Inbox, Signals
from trainctl.engine.training.ranks.team import Team

LADDER = (None, signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGUSR2, signal.SIGUSR1)
"""Where ranks received different signals the last of these counts: a job that is to go on goes back into the queue."""
EVERY_S = 0.1
"""Steps that are shorter agree less often: about ten times a second, as often as commands are looked for."""
MOST_STEPS = 64
"""Between two meetings, however short the steps are; as many times more as they are further apart than `EVERY_S`."""
COST = 50.0
"""Meetings are so many times further apart than they take: the exchange of a thousand ranks is no .25 ms."""
LONGEST_S = 5.0
"""Between two meetings: a signal is obeyed in time, whatever they take."""
REMEMBERED = 8
"""Meetings of which the quickest counts: the others waited for a rank that was late."""


class BrokenOffError(Exception):
    """All ranks have agreed to leave what they are at, for a signal."""


class SharedSignals(Signals):
    """Signals of one of several ranks: what arrived here counts once all know of it, so that all end at one step.

    A second one still ends this process at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self._agreed: signal.Signals | None = None

    @property
    def received(self) -> signal.Signals | None:
        """What all ranks obey."""
        return self._agreed

    def unless_interrupted(self, wait: Callable[[], Found]) -> Found | None:
        """What `wait` returns; None where all left it. Nobody may leave by himself what others wait for."""
        try:
            return wait()
        except BrokenOffError:
            return None

    @property
    def rung(self) -> int:
        """What arrived here, as its place on the ladder; 0: nothing."""
        return LADDER.index(self.arrived) if self.arrived in LADDER else 0

    def agree(self, rung: int) -> None:
        """A rank has received this; the first that was agreed stays."""
        self._agreed = self._agreed or LADDER[rung]


class SharedInbox(Inbox):
    """Commands that all ranks have. What the file holds waits until the next meeting.

    Attributes:
        meet: lets all ranks agree; while a run is paused nobody else does.
    """

    def __init__(self, paths: RunPaths, *, skip_existing: bool, complain: Callable[[str], None]) -> None:
        super().__init__(paths, skip_existing=skip_existing, complain=complain)
        self._unshared: deque[Command] = deque()
        self.meet: Callable[[], object] = self.unshared

    def unshared(self) -> list[Command]:
        """Commands that this rank alone knows of."""
        return list(self._unshared)

    def share(self, commands: list[Command]) -> None:
        """All ranks have these; of the rank that knew of them before they are the oldest."""
        for _ in range(min(len(commands), len(self._unshared))):
            self._unshared.popleft()
        self._waiting.extend(commands)

    def wait(self, timeout_s: float) -> None:
        """Meet, after `timeout_s` where nothing waits."""
        if not self._waiting:
            time.sleep(timeout_s)
            self.meet()

    def _take_in(self, commands: list[Command]) -> None:
        self._unshared.extend(commands)


@dataclass(frozen=True)
class Word:
    """What a rank brings to a meeting, and what all take from it."""

    alarm: int = 0
    """Step of the first record that is not finite; 0: none. That of any rank counts."""
    is_save_due: bool = False
    """By the clock of the rank that leads, as is all below."""
    elapsed_s: float = 0.0


class Meeting:
    """Meets at step boundaries.

    Args:
        team: who meets.
        signals: of this rank.
        inbox: of this rank; only the one that leads reads commands.
    """

    def __init__(self, team: Team, signals: SharedSignals, inbox: SharedInbox) -> None:
        self.team, self._signals, self._inbox = team, signals, inbox
        self._next_step = 0
        self._met_at, self._met_step = time.perf_counter(), 0
        self._took_s: deque[float] = deque(maxlen=REMEMBERED)
        self.bring: Callable[[], Word] = Word
        """What this rank has to say, asked for at each meeting."""
        self.take: Callable[[Word], object] = _nobody
        """Told what all agreed on."""
        inbox.meet = self.meet

    def meet_after(self, step: int) -> None:
        """Meet, if all had agreed to do so after this step at the latest."""
        if step < self._next_step:
            return
        every = self.meet(self._num_steps(step))
        self._met_step, self._next_step = step, step + every

    def meet(self, every: int = 1) -> int:
        """Agree now.

        Args:
            every: steps until the next meeting, as this rank would have it.

        Returns:
            As the rank that leads will have it.

        Raises:
            LostRankError: another does not answer.
        """
        word, leads, unshared = self.bring(), self.team.leads, self._inbox.unshared()
        led = (float(word.is_save_due), word.elapsed_s, float(every), float(len(unshared))) if leads else (0.0,) * 4
        began = time.perf_counter()
        agreed = self.team.most((float(self._signals.rung), float(word.alarm), *led))
        self._took_s.append(time.perf_counter() - began)
        self._signals.agree(int(agreed[0]))
        if agreed[5]:
            self._inbox.share(self.team.lead(unshared))
        self._met_at = time.perf_counter()
        self.take(Word(int(agreed[1]), bool(agreed[2]), agreed[3]))
        return int(agreed[4])

    def look_up(self) -> None:
        """Meet in the middle of something long.

        Raises:
            BrokenOffError: a rank has received a signal.
        """
        self.meet()
        if self._signals.received is not None:
            raise BrokenOffError

    def _num_steps(self, step: int) -> int:
        """Until the next meeting, by those since the last one."""
        step_s = (time.perf_counter() - self._met_at) / max(step - self._met_step, 1)
        # In the first of all the others were waited for: each rank begins in its own time.
        meeting_s = min(self._took_s) if len(self._took_s) == REMEMBERED else 0.0
        return steps_between(step_s, meeting_s)


def steps_between(step_s: float, meeting_s: float) -> int:
    """Steps from one meeting to the next, at least 1.

    Args:
        step_s: what a step takes.
        meeting_s: what an exchange takes when nobody is late.
    """
    apart_s = min(max(EVERY_S, COST * meeting_s), LONGEST_S)
    return max(1, int(min(apart_s / max(step_s, 1e-9), MOST_STEPS * apart_s / EVERY_S)))


def _nobody(word: Word) -> None:
    del word
