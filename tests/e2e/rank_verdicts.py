"""What is promised of a training of several ranks of which one is disturbed, and whether it was kept.

Knows moments and what they left behind, not how they are brought about (`rank_moments`).
"""

from __future__ import annotations

import random
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from kills import STEPS_PER_EPOCH

from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.ranks.side_by_side import ranks_of
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.store import StepReader
from trainctl.engine.runs.summary import Summary, read_summary
from trainctl.engine.training.state.checkpoint import load_checkpoint

EPOCHS = 3
STEPS = EPOCHS * STEPS_PER_EPOCH
EVERY_S = 0.2
"""Between two checkpoints."""
TIMEOUT_S = 12.0
"""`ranks.timeout_s`: how long a rank that died before they met is missed."""
DEADLINE_S = TIMEOUT_S + 40
HUNG = -1000
"""In place of an exit code."""
LOST_S = 1.0
"""Of records, at most."""
STAGES = (
    "imports",
    "meeting",
    "first step",
    "steps",
    "steps",
    "validation",
    "checkpoint",
    "end of an epoch",
    "finishing",
)
"""What the training is at when it is disturbed; moments take turns."""
FAULTS = {name: getattr(signal, f"SIG{name}") for name in ("KILL", "TERM", "INT", "USR1", "USR2")}
EXITS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGUSR1: 75, signal.SIGUSR2: 75}


@dataclass(frozen=True)
class Moment:
    """One disturbance; all that is drawn follows from it."""

    fault: str
    size: int
    number: int
    is_sharded: bool = False

    @property
    def stage(self) -> str:
        """What the training is at."""
        return STAGES[self.number % len(STAGES)]

    @property
    def chance(self) -> random.Random:
        """Its random numbers."""
        return random.Random(f"{self.fault} {self.size} {self.number}")

    @property
    def signal(self) -> signal.Signals:
        """What is sent."""
        return FAULTS[self.fault]


@dataclass
class Outcome:
    """What a moment did."""

    moment: Moment
    rank: int
    codes: list[int] = field(default_factory=list[int])
    ended_s: float = 0.0
    """From the signal until the last process was gone."""
    has_run: bool = False
    is_finished: bool = False
    step: int = 0
    """The last that any rank took, as far as it is known."""
    lost_s: float = 0.0
    """Between the signal and the oldest step whose record is missing."""
    taken_back: int = 0
    """Steps that the resume takes again."""
    doubts: list[str] = field(default_factory=list[str])


def look_at(outcome: Outcome, run: RunPaths | None, said: str, sent_at: float) -> None:
    """What is there once all have ended, and whether it is what is promised.

    Args:
        outcome: with codes and times.
        run: none: none was begun.
        said: what the leading process printed last.
        sent_at: when the signal was sent, seconds since 1970.
    """
    outcome.has_run = run is not None
    if run is None:
        _judge_early(outcome, said)
        return
    summary, records = read_summary(run), StepReader(run).all()
    saved = load_checkpoint(run.latest)["state"]["progress"]["step"] if run.latest.exists() else 0
    outcome.is_finished = summary is not None and summary.state is RunState.FINISHED
    if records["step"].tolist() != list(range(1, len(records) + 1)):
        outcome.doubts.append("steps are missing in the middle of the records, or there twice")
    times = _times_of(run)
    outcome.step = max((len(records), *times))
    missing = [times[step] for step in range(len(records) + 1, outcome.step + 1) if step in times]
    outcome.lost_s = max(sent_at - min(missing), 0.0) if missing else 0.0
    outcome.taken_back = outcome.step - saved
    if outcome.lost_s > LOST_S:
        outcome.doubts.append(f"{len(missing)} records lost, the oldest of {outcome.lost_s:.1f} s before")
    _judge_codes(outcome, summary)
    _judge_saved(outcome, saved, times)


def _times_of(run: RunPaths) -> dict[int, float]:
    """When each step ended, by all records there are: those of a rank that lives longer tell of more steps."""
    found: dict[int, float] = {}
    for paths in (run, *(run.of_rank(rank) for rank in ranks_of(run))):
        records = StepReader(paths).all()
        if len(records):
            found |= zip(records["step"].tolist(), records["time"].tolist(), strict=True)
    return found


def _judge_early(outcome: Outcome, said: str) -> None:
    """Before there is a run: whoever is hit ends with the signal's code, the others say that he is gone."""
    number, codes = outcome.moment.signal, list(outcome.codes)
    own = codes.pop(outcome.rank)
    if own not in (-number, EXITS.get(number)) or codes != [1] * len(codes):
        outcome.doubts.append(f"before there was a run: {outcome.codes}")
    if outcome.rank and f"rank {outcome.rank}" not in said:
        outcome.doubts.append(f"the leading rank says: {said}")


def _judge_codes(outcome: Outcome, summary: Summary | None) -> None:
    number, codes = outcome.moment.signal, list(outcome.codes)
    own = codes.pop(outcome.rank)
    if outcome.is_finished:  # it came after the end: who is still there may end by it
        is_right = own in (0, -number, EXITS.get(number)) and set(codes) <= (
            {0, 1} if number == signal.SIGKILL else {0}
        )
    elif number == signal.SIGKILL:
        # Where it has taken its last step a rank has nothing to fail at, whatever becomes of the one that leads.
        is_over = outcome.step == STEPS and not outcome.rank
        is_right = own == -number and set(codes) <= ({0, 1} if is_over else {1})
        reason = "" if summary is None else summary.exit_reason
        if outcome.rank and not reason.startswith(f"rank {outcome.rank} is gone"):
            outcome.doubts.append(f"the summary says {reason!r}")
    else:
        is_right = set(outcome.codes) == {EXITS[number]}
        if summary is None or (summary.state, summary.exit_reason) != (RunState.PREEMPTED, f"received {number.name}"):
            outcome.doubts.append(f"the summary says {summary}")
    if not is_right:
        outcome.doubts.append(f"exit codes {outcome.codes}")


def _judge_saved(outcome: Outcome, saved: int, times: dict[int, float]) -> None:
    """A signal loses nothing, nor does a rank that dies where the leading one can save; else it is the steps of one
    interval, and of the time that a checkpoint takes."""
    moment = outcome.moment
    if moment.signal != signal.SIGKILL or (outcome.rank and not moment.is_sharded):
        if outcome.taken_back:
            outcome.doubts.append(f"saved at step {saved} of {outcome.step}")
        return
    behind_s = times.get(outcome.step, 0.0) - times.get(saved + 1, 0.0) if outcome.taken_back else 0.0
    if behind_s > EVERY_S + LOST_S:
        outcome.doubts.append(f"saved at step {saved} of {outcome.step}, {behind_s:.1f} s of steps")


def summed_up(outcomes: Sequence[Outcome]) -> str:
    """One row of figures on moments of one kind."""
    ended = np.array([outcome.ended_s for outcome in outcomes if outcome.has_run and not outcome.is_finished] or [0.0])
    lost, back = (np.array([getattr(one, name) for one in outcomes]) for name in ("lost_s", "taken_back"))
    bad = sum(bool(outcome.doubts) for outcome in outcomes)
    early, late = sum(not one.has_run for one in outcomes), sum(one.is_finished for one in outcomes)
    return (
        f"{len(outcomes):>7} {early:>8} {late:>9} "
        f"{np.median(ended):>6.1f} {ended.max():>5.1f} {1e3 * lost.max():>8.0f} {back.max():>10} {bad:>6}"
    )
