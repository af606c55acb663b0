"""How much a training is slowed by somebody looking at it: within one training the cockpit comes and goes.

Windows with and without it alternate (A B, B A, ...); steps per second come from the times in the run's own records,
and what is compared are the two windows of a round. Two trainings: the eyes as built in, and the smallest network that
the other benchmarks use, whose steps take less than a millisecond. One thread each. On a busy machine windows differ by
far more than the cockpit costs; the quickest tenth of the steps in each is the steadier comparison.

The rules are asked about the same trainings in a thread of the cockpit, and at the end by the training itself; never at
a step. A judgement takes some milliseconds of a processor; as a share of the time until the next one that is the most
that steps can lose to it on a single core.

Usage: python -m benchmarks.cockpit.slowdown [--quick] [--json]
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.cockpit.figures import Figure, Script, of_samples, run_scripts
from benchmarks.cockpit.programs import COCKPIT, PANELS, ROOT, cockpit
from benchmarks.cockpit.terminal import Terminal
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.store import StepReader
from trainctl.tui.health.monitor import PERIOD_S, SHORTEST_S, Monitor, pause_s

LIMIT_PERCENT, LIMIT_RULES_PERCENT = 2.0, 1.0
JUDGEMENTS = 10
DEADLINE_S = 120.0
FOREVER = 1_000_000
QUICK_PERCENTILE = 10
TRAININGS = {
    "eyes": ("--scale", "small"),
    "toy MLP": ("--task", f"{ROOT / 'benchmarks' / 'mlp.py'}:MlpTask"),
}


@dataclass(frozen=True)
class Pace:
    """How fast a training was in a window."""

    steps_per_s: float
    quick_step_s: float
    """Only a tenth of the steps were quicker."""


def measure(rounds: int, window_s: float, settle_s: float, trainings: Sequence[str] = tuple(TRAININGS)) -> list[Figure]:
    """Compare so many pairs of windows in each training; each begins `settle_s` after the cockpit came or went."""
    figures: list[Figure] = []
    for name in trainings:
        with tempfile.TemporaryDirectory(prefix="trainctl-bench-") as folder, training(Path(folder), name) as run:
            pairs = [_round(run, window_s, settle_s, k % 2 == 1) for k in range(rounds)]
            figures += _judging(name, run, JUDGEMENTS)
        figures += _figures(name, [alone for alone, _ in pairs], [watched for _, watched in pairs])
    return figures


def _figures(name: str, alone: Sequence[Pace], watched: Sequence[Pace]) -> list[Figure]:
    pairs = list(zip(alone, watched, strict=True))
    speeds, speeds_watched = [pace.steps_per_s for pace in alone], [pace.steps_per_s for pace in watched]
    slower = [100 * (a.steps_per_s / b.steps_per_s - 1) for a, b in pairs]
    quickest = [100 * (b.quick_step_s / a.quick_step_s - 1) for a, b in pairs]
    return [
        of_samples(f"{name}, alone", speeds, "steps/s"),
        of_samples(f"{name}, cockpit attached", speeds_watched, "steps/s", None, speeds, "alone"),
        of_samples(f"{name}, slower by", slower, "%", LIMIT_PERCENT),
        of_samples(f"{name}, slower by, quickest steps", quickest, "%", LIMIT_PERCENT),
    ]


def _judging(name: str, run: Path, count: int) -> list[Figure]:
    """What the rules take, all imported and the records before read, as they go on with a run."""
    monitor = Monitor(RunPaths(run), str)
    monitor.judge()
    spent_s: list[float] = []
    for _ in range(count):
        time.sleep(SHORTEST_S)
        before = time.thread_time()
        monitor.judge()
        spent_s.append(time.thread_time() - before)
    often = [100 * s / pause_s(s) for s in spent_s]
    return [
        of_samples(f"{name}, a judgement", [1e3 * s for s in spent_s], "ms"),
        of_samples(f"{name}, rules, epochs of less", often, "%", LIMIT_RULES_PERCENT),
        of_samples(f"{name}, rules, long epochs", [100 * s / PERIOD_S for s in spent_s], "%", LIMIT_RULES_PERCENT),
    ]


def _round(run: Path, window_s: float, settle_s: float, watched_first: bool) -> tuple[Pace, Pace]:
    """Its pace without and with the cockpit."""
    if watched_first:
        watched = _watched(run, window_s, settle_s)
        return _alone(run, window_s, settle_s), watched
    alone = _alone(run, window_s, settle_s)
    return alone, _watched(run, window_s, settle_s)


def _alone(run: Path, window_s: float, settle_s: float) -> Pace:
    time.sleep(settle_s)
    started = time.time()
    time.sleep(window_s)
    return pace_of(run, started, time.time())


def _watched(run: Path, window_s: float, settle_s: float) -> Pace:
    with Terminal(cockpit(run)) as terminal:
        terminal.wait_for(PANELS)
        terminal.drain(settle_s)
        started = time.time()
        terminal.drain(window_s)
        return pace_of(run, started, time.time())


def pace_of(run: Path, started: float, ended: float) -> Pace:
    """How fast a training was between two moments (seconds since 1970), from the times in its records.

    Raises:
        RuntimeError: it took fewer than two steps.
    """
    times = StepReader(RunPaths(run)).all()["time"]
    first, last = np.searchsorted(times, [started, ended])
    if last - first < 2:
        raise RuntimeError(f"{run} took fewer than two steps in {ended - started:.1f} s")
    steps_s = np.diff(times[first:last])
    return Pace(float(1 / steps_s.mean()), float(np.percentile(steps_s, QUICK_PERCENTILE)))


@contextmanager
def training(folder: Path, name: str) -> Generator[Path]:
    """A training that goes on until the context is left; begins when it has recorded a step."""
    argv = [*COCKPIT[:-1], "run", *TRAININGS[name], "--device", "cpu", "--runs-dir", str(folder)]
    argv += [f"train.epochs={FOREVER}", f"train.eval_every={FOREVER}", "runtime.threads=1"]
    environ = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        argv, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )
    assert process.stderr is not None
    try:
        limit = time.monotonic() + DEADLINE_S
        while not (found := [path for path in folder.glob("*/steps.bin") if path.stat().st_size]):
            if process.poll() is not None or time.monotonic() > limit:
                process.kill()
                raise RuntimeError(f"{name} recorded no step: {process.stderr.read().decode(errors='replace')}")
            time.sleep(0.05)
        yield found[0].resolve().parent
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


SCRIPT = Script(
    "slowdown",
    "of a training while it is looked at",
    measure,
    {"rounds": 8, "window_s": 6.0, "settle_s": 2.0},
    {"rounds": 2, "window_s": 4.0, "settle_s": 2.0},
)

if __name__ == "__main__":
    run_scripts([SCRIPT], __doc__)
