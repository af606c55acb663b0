"""Disturbs one rank of a training of several at a moment of its life, and lets the next start go on.

Each moment is a run of its own: started, disturbed once, started again by the same command, and held against a run that
nobody disturbed. Used by the slow tests of a few moments and by `python -m benchmarks.ranks_moments`, which takes many.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kills import OPTIONS, TASK, assert_same_run
from rank_verdicts import DEADLINE_S, EPOCHS, EVERY_S, HUNG, STEPS, TIMEOUT_S, Moment, Outcome, look_at
from several import environ_of, free_port
from sittings import Sittings

from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.status import read_status
from trainctl.engine.runs.store import StepReader

LOOK_S = 0.002
LONG_S = 300.0
"""How long a whole run may take."""


@dataclass(frozen=True)
class Whole:
    """The run that nobody disturbed, and how long its parts take here."""

    run: RunPaths
    imports_s: float
    """From nothing until the processes begin to look for each other."""
    steps_s: float
    finish_s: float
    """From the last step until the last process is gone."""


class Place:
    """A folder to train in, several times by the same command.

    Args:
        folder: empty.
        size: ranks.
        is_sharded: whether each has a part of the network.
    """

    def __init__(self, folder: Path, size: int, *, is_sharded: bool) -> None:
        self.folder, self._size, self.port = folder, size, 0
        folder.mkdir(parents=True, exist_ok=True)
        more = (f"train.epochs={EPOCHS}", f"checkpoint.every_s={EVERY_S}", f"ranks.timeout_s={TIMEOUT_S}")
        shard = ("ranks.shard=true",) if is_sharded else ()
        self._words = ("run", "--task", TASK, *OPTIONS, *more, *shard, "--runs-dir", "runs", "--resume", "auto")

    def start(self, sittings: Sittings) -> list[int]:
        """Its processes."""
        self.port = free_port()
        return [
            sittings.start(
                self._words,
                self.folder / f"output{rank}",
                cwd=self.folder,
                env=environ_of(rank, self._size, self.port),
            )
            for rank in range(self._size)
        ]

    def run(self) -> RunPaths | None:
        """The run that was begun; none: there is none that could be gone on with."""
        found = [path.parent for path in self.folder.glob("runs/2*/meta.json")]
        return RunPaths(max(found)) if found else None

    def is_met_at(self) -> bool:
        """Whether somebody listens where the processes meet. Nobody is asked: that would be a guest at the meeting."""
        words = f":{self.port:04X}"
        for table in ("/proc/net/tcp", "/proc/net/tcp6"):
            for line in Path(table).read_text().splitlines()[1:]:
                _, local, _, state = line.split()[:4]
                if state == "0A" and local.endswith(words):
                    return True
        return False

    def said(self) -> str:
        """What the leading process printed last."""
        lines = (self.folder / "output0").read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""


def undisturbed(sittings: Sittings, cold: Sittings, folder: Path, size: int, *, is_sharded: bool) -> Whole:
    """A run that goes through; then one from nothing, until its processes look for each other: how long that takes."""
    place = Place(folder, size, is_sharded=is_sharded)
    pids = place.start(sittings)
    codes = _ended(sittings, pids, LONG_S)
    gone_at = time.time()
    run = place.run()
    assert run is not None and codes == [0] * size, (folder / "output0").read_text()
    times = StepReader(run).all()["time"]
    other = Place(folder / "cold", size, is_sharded=is_sharded)
    began, pids = time.monotonic(), other.start(cold)
    _until(other.is_met_at, cold, pids)
    imports_s = time.monotonic() - began
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    _ended(cold, pids)
    return Whole(run, imports_s, float(times[-1] - times[0]), gone_at - float(times[-1]))


def disturbed(sittings: Sittings, cold: Sittings, folder: Path, whole: Whole, moment: Moment) -> Outcome | None:
    """What becomes of a run that is disturbed; none: it had ended before."""
    place, chance = Place(folder, moment.size, is_sharded=moment.is_sharded), moment.chance
    used = cold if moment.stage == "imports" else sittings
    outcome = Outcome(moment, chance.randrange(moment.size))
    pids = place.start(used)
    is_there = _wait_for(moment.stage, place, whole, chance, used, pids)
    if not is_there or not _lives(pids[outcome.rank]):
        _ended(used, pids)
        return None
    sent_at, began = time.time(), time.monotonic()
    os.kill(pids[outcome.rank], moment.signal)
    outcome.codes = _ended(used, pids)
    outcome.ended_s = time.monotonic() - began
    if HUNG in outcome.codes:
        outcome.doubts.append(f"hangs: {outcome.codes}")
    look_at(outcome, place.run(), place.said(), sent_at)
    _go_on(outcome, place, sittings, whole)
    return outcome


def _go_on(outcome: Outcome, place: Place, sittings: Sittings, whole: Whole) -> None:
    """Start the same command once more, unless the run is finished, and hold it against the undisturbed one."""
    if not outcome.is_finished:
        codes = _ended(sittings, place.start(sittings), LONG_S)
        if codes != [0] * outcome.moment.size:
            outcome.doubts.append(f"the resume ended with {codes}: {place.said()}")
            return
    run = place.run()
    assert run is not None
    try:
        steps = assert_same_run(whole.run, run)
    except (AssertionError, ValueError) as err:
        outcome.doubts.append(f"not the undisturbed run: {' '.join(str(err).split())[:200]}")
    else:
        if steps != STEPS:
            outcome.doubts.append(f"{steps} steps")


def _wait_for(
    name: str, place: Place, whole: Whole, chance: random.Random, used: Sittings, pids: Sequence[int]
) -> bool:
    """Wait for a moment of the stage; whether the processes were still there then."""
    if name == "imports":
        time.sleep(chance.uniform(0, whole.imports_s))
        return True
    if not _until(place.is_met_at, used, pids):
        return False
    if name == "meeting":
        time.sleep(chance.uniform(0, 0.3))
        return True
    if not _until(lambda: place.run() is not None, used, pids):
        return False
    run = place.run()
    assert run is not None
    if name == "first step":
        time.sleep(chance.uniform(0, 0.1))
        return True
    wanted: dict[str, tuple[Callable[[], Any], float]] = {
        "steps": (lambda: _num_steps(run) > 0, whole.steps_s),
        "validation": (lambda: _is_validating(run, epoch), 0.02),
        "checkpoint": (lambda: _num_steps(run) >= first and _is_writing(run), 0.0),
        "end of an epoch": (lambda: _num_epochs(run) >= epoch, 0.05),
        "finishing": (lambda: _num_steps(run) >= STEPS, 0.7 * whole.finish_s),
    }
    epoch, first = chance.randrange(EPOCHS) + 1, chance.randrange(STEPS)
    condition, within_s = wanted[name]
    is_there = _until(condition, used, pids)
    time.sleep(chance.uniform(0, within_s))
    return is_there


def _until(condition: Callable[[], Any], used: Sittings, pids: Sequence[int]) -> bool:
    """Wait until it holds; false where the processes end before."""
    limit = time.monotonic() + LONG_S
    while not condition():
        if not _lives(pids[0]):
            return False
        assert time.monotonic() < limit, "the moment never came"
        time.sleep(LOOK_S)
    return True


def _lives(pid: int) -> bool:
    """Whether a process that nobody has waited for yet still runs."""
    return bool(Path(f"/proc/{pid}/cmdline").read_bytes())


def _ended(used: Sittings, pids: Sequence[int], within_s: float = DEADLINE_S) -> list[int]:
    """How each ended; HUNG: it hung, and was killed."""
    until, found = time.monotonic() + within_s, dict[int, int]()
    while len(found) < len(pids):
        for pid in pids:
            if pid not in found and (code := used.poll(pid)) is not None:
                found[pid] = code
        if time.monotonic() > until:
            for pid in set(pids) - set(found):
                os.kill(pid, signal.SIGKILL)
                used.wait(pid)
                found[pid] = HUNG
        time.sleep(0.01)
    return [found[pid] for pid in pids]


def _num_steps(run: RunPaths) -> int:
    return len(StepReader(run).stored())


def _num_epochs(run: RunPaths) -> int:
    try:
        return run.events.read_bytes().count(b'{"kind": "validation"')
    except FileNotFoundError:
        return 0


def _is_validating(run: RunPaths, epoch: int) -> bool:
    status = read_status(run)
    return status is not None and status.state is RunState.VALIDATING and status.epoch >= epoch


def _is_writing(run: RunPaths) -> bool:
    with os.scandir(run.root) as entries:
        return any(entry.name.startswith(".latest_model") for entry in entries)
